//! Crash images: a Linux or a Xen that reads the memory of the system that crashed.
//!
//! It needs an ELF core header, a copy of low memory, a memory map to stay in, and `elfcorehdr=` on its command line.
//! Everything is decided at load time; at crash time the handoff copies memory, and the crash kernel's /proc/vmcore does
//! the rest.
//!
//! - [`linux`], [`xen`]: the two kinds of crash kernel, placed;
//! - [`region`]: the crash region that is used;
//! - [`dump_ranges`]: the memory that a dump has, and where it is after the crash;
//! - [`elfcorehdr`]: the ELF core header;
//! - [`memory_map`]: the memory that the crash kernel may use;
//! - [`cmdline`]: its command line;
//! - [`size`]: how large the region has to be, with the unpacked size of the initrd by [`initramfs`];
//! - [`advice`], [`reserve`]: the `crashkernel=` that reserves it.

pub(super) mod advice;
pub mod cmdline;
pub mod dump_ranges;
pub mod elfcorehdr;
pub mod initramfs;
pub(super) mod linux;
pub mod memory_map;
pub mod region;
pub mod reserve;
pub mod size;
pub mod xen;

pub use dump_ranges::{Backup, DumpRange};
pub use reserve::Reserve;

use handoff::addr::PhysRange;

/// Low memory that a crash kernel needs for itself: the code that starts other CPUs, which begin in real mode, and the
/// BIOS data area. Page 0 is always reserved by Linux, so it is neither backed up nor dumped.
pub const LOW: PhysRange = PhysRange {
    start: 0x1000,
    end: 0xa_0000,
};
