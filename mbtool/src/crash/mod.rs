//! What a Linux crash kernel needs to read the memory of the system that
//! crashed: an ELF core header, a copy of low memory, a memory map to stay in,
//! and a word on its command line that points to the header.
//!
//! Everything is decided at load time; at crash time the handoff copies low
//! memory, and the crash kernel's /proc/vmcore does the rest.
//!
//! - [`facts`]: what the running system leaves for a dump, and reading it;
//! - [`loads`]: which memory a dump has, and where it is found;
//! - [`header`]: the ELF core header;
//! - [`map`]: the memory that the crash kernel may use;
//! - [`words`]: its command line;
//! - [`region`]: where it is loaded;
//! - [`need`]: how large that has to be, with what [`initramfs`] says of the initrd;
//! - [`reserve`]: the word that reserves it;
//! - [`setup`]: configuration: what to load, and where to save to;
//! - [`save`]: what the crash kernel does with the dump;
//! - [`xen`]: what Xen and its dom0 need beside that.

pub mod cmdline;
pub mod header;
pub mod initramfs;
pub mod loads;
pub mod map;
pub mod need;
pub mod region;
pub mod reserve;
pub mod save;
pub mod setup;
pub mod xen;

pub use crate::host::crash_notes::CrashInfo;
pub use loads::{Backup, Load};
pub use reserve::Reserve;

use handoff::addr::PhysRange;

/// Low memory that a crash kernel needs for itself: the code that starts other
/// CPUs, which begin in real mode, and the BIOS data area. Page 0 is nobody's
/// (Linux has it reserved since ever), so that it is neither saved nor dumped.
pub const LOW: PhysRange = PhysRange {
    start: 0x1000,
    end: 0xa_0000,
};
