//! Crash images: a Linux or Xen that dumps the memory of the crashed system.
//!
//! It needs an ELF core header, a backup of low memory, a restricted memory map, and `elfcorehdr=`
//! on its command line. All of it is decided at load time. At crash time the handoff copies memory,
//! and the crash kernel provides /proc/vmcore.
//!
//! - `data`: the crash data, decided by `linux` or by [`xen`], the two kinds of crash kernel;
//! - `device_tree`: what the dump of a Linux with a device tree has;
//! - [`region`]: choice of the crash region;
//! - [`dump_ranges`]: memory ranges in the dump, and their addresses after the
//!   crash;
//! - [`elfcorehdr`]: the ELF core header;
//! - [`memory_map`]: memory map of the crash kernel;
//! - [`cmdline`]: its command line;
//! - [`size`]: minimum size of the region, with the unpacked size of the initrd from [`initramfs`];
//! - `estimate`: the size that a load needs, for an error message;
//! - [`reserve`]: the `crashkernel=` parameter.

pub mod cmdline;
pub(super) mod data;
pub(super) mod device_tree;
pub mod dump_ranges;
pub mod elfcorehdr;
pub(super) mod estimate;
pub mod initramfs;
mod linux;
pub mod memory_map;
pub mod region;
pub mod reserve;
pub mod size;
pub mod xen;

pub use dump_ranges::{Backup, DumpRange};
pub use reserve::Reserve;

use handoff::addr::PhysRange;

/// Low memory that a crash kernel itself needs: the real-mode code that starts other CPUs, and the
/// BIOS data area. Page 0 is always reserved by Linux, so it is neither backed up nor dumped.
pub const LOW: PhysRange = PhysRange {
    start: 0x1000,
    end: 0xa_0000,
};
