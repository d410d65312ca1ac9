//! What is wrong with a plan.

use crate::plan::place::allocator;
use handoff::addr::PhysRange;

/// A plan that would be refused, or would not survive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// kexec: EADDRNOTAVAIL.
    #[error("{name} at {dest} is not page aligned at both ends")]
    Unaligned {
        /// Segment names.
        name: String,
        /// Where.
        dest: PhysRange,
    },
    /// kexec: EADDRNOTAVAIL.
    #[error("{name} at {dest} ends at or above 2^46, where no kernel loads to")]
    TooHigh {
        /// Segment names.
        name: String,
        /// Where.
        dest: PhysRange,
    },
    /// kexec: EINVAL.
    #[error("{name} has {data:#x} bytes of data for {memsz:#x} bytes of memory at {dest}")]
    TooMuchData {
        /// Segment names.
        name: String,
        /// Bytes of data.
        data: u64,
        /// Bytes of memory.
        memsz: u64,
        /// Where.
        dest: PhysRange,
    },
    /// kexec: EINVAL.
    #[error("{first} and {second} overlap at {range}")]
    Overlap {
        /// The lower one's names.
        first: String,
        /// The upper one's names.
        second: String,
        /// What both have.
        range: PhysRange,
    },
    /// kexec: EINVAL.
    #[error("{count} segments, the kernel takes at most {limit}")]
    TooMany {
        /// Segments.
        count: usize,
        /// The most.
        limit: usize,
    },
    /// kexec: EINVAL.
    #[error(
        "{what} {total:#x} bytes, the kernel takes at most half of the RAM, {half:#x}: load less, \
         or do it on a machine with more memory"
    )]
    HalfOfRam {
        /// "module 1: initrd.img has", "all segments together have".
        what: String,
        /// Bytes.
        total: u64,
        /// The limit, in bytes.
        half: u64,
    },
    /// kexec: EADDRNOTAVAIL.
    #[error("{name} at {dest} is outside the crash region {region}")]
    OutsideCrashRegion {
        /// Segment names.
        name: String,
        /// Where.
        dest: PhysRange,
        /// The region.
        region: PhysRange,
    },
    /// kexec: ENOMEM.
    #[error(
        "{left} pages of the crash region {region} are left, the kernel needs {needed} for itself: \
         `mbtool crash size` says which crashkernel= would do"
    )]
    CrashRegionFull {
        /// Free pages.
        left: u64,
        /// Pages needed.
        needed: u64,
        /// The region.
        region: PhysRange,
    },
    /// Xen: ENOMEM.
    #[error("{name} at {dest} has neither data nor memory")]
    Nothing {
        /// Segment names.
        name: String,
        /// Where.
        dest: PhysRange,
    },
    /// Xen: ENOMEM, or a load that is not complete.
    #[error(
        "Xen keeps a loaded image in its free heap, which has {free} pages left, and {needed} are \
         needed: give memory of dom0 back to Xen (`xl mem-set 0 ...`, or a smaller number in \
         /sys/devices/system/xen_memory/xen_memory0/target_kb), boot Xen with a smaller dom0_mem=, \
         or load less"
    )]
    HeapTooSmall {
        /// Pages for the image, its list and its page tables.
        needed: u64,
        /// Pages.
        free: u64,
    },
    /// Unchecked by Xen, which may lose that page.
    #[error("{name} at {dest} has data for {page:#x}, which may be a free page of Xen's heap")]
    InFreeHeap {
        /// Segment names.
        name: String,
        /// Where.
        dest: PhysRange,
        /// The first such page.
        page: u64,
    },
    /// Unchecked by any kernel.
    #[error("{name} at {dest} is not all RAM: RAM is {}", allocator::list(ram))]
    NotRam {
        /// Segment names.
        name: String,
        /// Where.
        dest: PhysRange,
        /// The RAM.
        ram: Vec<PhysRange>,
    },
    /// Unchecked by any kernel.
    #[error("{what} entry point {entry:#x} is not in loaded bytes of a segment")]
    EntryNotLoaded {
        /// "handoff", "image".
        what: &'static str,
        /// Where.
        entry: u64,
    },
    /// A 32-bit target cannot address it.
    #[error("{name} at {dest} ends above 4 GiB, out of reach of 32-bit code")]
    Above4Gib {
        /// Segment name.
        name: String,
        /// Where.
        dest: PhysRange,
    },
    /// Somebody writes there before it is used.
    #[error("{name} at {dest} is in the way of {by} at {range}")]
    InTheWay {
        /// Segment name.
        name: String,
        /// Where.
        dest: PhysRange,
        /// What is there.
        by: String,
        /// Where that is.
        range: PhysRange,
    },
}
