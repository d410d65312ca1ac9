//! Errors of the plan check.

use crate::plan::place::allocator;
use handoff::addr::PhysRange;
use xen_shim::fix::{Fix, Remedy, tail};

/// A plan that the kernel would refuse, or that would crash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// kexec returns EADDRNOTAVAIL.
    #[error("{name} at {dest} is not page aligned at both ends")]
    Unaligned {
        /// Segment names.
        name: String,
        /// Destination.
        dest: PhysRange,
    },
    /// kexec returns EADDRNOTAVAIL.
    #[error("{name} at {dest} ends at or above 2^46, the limit of kexec_load(2)")]
    TooHigh {
        /// Segment names.
        name: String,
        /// Destination.
        dest: PhysRange,
    },
    /// kexec returns EINVAL.
    #[error("{name} has {data:#x} bytes of data for {memsz:#x} bytes of memory at {dest}")]
    TooMuchData {
        /// Segment names.
        name: String,
        /// Bytes of data.
        data: u64,
        /// Bytes of memory.
        memsz: u64,
        /// Destination.
        dest: PhysRange,
    },
    /// kexec returns EINVAL.
    #[error("{first} and {second} overlap at {range}")]
    Overlap {
        /// Names of the lower segment.
        first: String,
        /// Names of the upper segment.
        second: String,
        /// Common range.
        range: PhysRange,
    },
    /// kexec returns EINVAL.
    #[error("{count} segments, the kernel accepts at most {limit}")]
    TooMany {
        /// Number of segments.
        count: usize,
        /// Maximum number.
        limit: usize,
    },
    /// kexec returns EINVAL.
    #[error(
        "{} {total:#x} bytes, the kernel accepts at most half of the RAM, {half:#x}{}",
        subject(name.as_deref()), tail(self.fix())
    )]
    HalfOfRam {
        /// Segment names; `None` for all segments together.
        name: Option<String>,
        /// Size in bytes.
        total: u64,
        /// Limit in bytes.
        half: u64,
    },
    /// kexec returns EADDRNOTAVAIL.
    #[error("{name} at {dest} is outside the crash region {region}")]
    OutsideCrashRegion {
        /// Segment names.
        name: String,
        /// Destination.
        dest: PhysRange,
        /// The crash region.
        region: PhysRange,
    },
    /// kexec returns ENOMEM.
    #[error(
        "{left} pages of the crash region {region} are free, the kernel needs {needed} for control \
         pages and page tables{}",
        tail(self.fix())
    )]
    CrashRegionFull {
        /// Free pages.
        left: u64,
        /// Pages needed.
        needed: u64,
        /// The crash region.
        region: PhysRange,
    },
    /// Xen returns ENOMEM.
    #[error("{name} at {dest} has neither data nor memory")]
    Nothing {
        /// Segment names.
        name: String,
        /// Destination.
        dest: PhysRange,
    },
    /// Xen returns ENOMEM, or loads incompletely.
    #[error(
        "Xen keeps a loaded image in its free heap, which has {free} pages left, and {needed} are \
         needed{}",
        tail(self.fix())
    )]
    HeapTooSmall {
        /// Pages for the image, its page list and its page tables.
        needed: u64,
        /// Free pages.
        free: u64,
    },
    /// Not checked by Xen, which may lose that page.
    #[error("{name} at {dest} has data for {page:#x}, which may be a free page of Xen's heap")]
    InFreeHeap {
        /// Segment names.
        name: String,
        /// Destination.
        dest: PhysRange,
        /// The first such page.
        page: u64,
    },
    /// Not checked by any kernel.
    #[error("{name} at {dest} is not all RAM: RAM is {}", allocator::list(ram))]
    NotRam {
        /// Segment names.
        name: String,
        /// Destination.
        dest: PhysRange,
        /// The RAM.
        ram: Vec<PhysRange>,
    },
    /// Not checked by any kernel.
    #[error("{what} entry point {entry:#x} is not in loaded bytes of a segment")]
    EntryNotLoaded {
        /// "handoff", "image".
        what: &'static str,
        /// Its address.
        entry: u64,
    },
    /// 32-bit code cannot address it.
    #[error("{name} at {dest} ends above 4 GiB, out of reach of 32-bit code")]
    Above4Gib {
        /// Segment name.
        name: String,
        /// Its range.
        dest: PhysRange,
    },
    /// The range is overwritten before it is used.
    #[error("{name} at {dest} overlaps {by} at {range}")]
    InTheWay {
        /// Segment name.
        name: String,
        /// Destination.
        dest: PhysRange,
        /// Name of the conflicting range.
        by: String,
        /// The conflicting range.
        range: PhysRange,
    },
}

/// Subject and verb of a size.
fn subject(name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{name} has"),
        None => "all segments together have".to_owned(),
    }
}

impl Fix for CheckError {
    fn fix(&self) -> Remedy {
        let fix = match self {
            Self::HalfOfRam { .. } => "load less, or use a machine with more memory",
            Self::CrashRegionFull { .. } => "`mbtool crash size` prints a sufficient crashkernel=",
            Self::HeapTooSmall { .. } => {
                "give memory of dom0 back to Xen (`xl mem-set 0 ...`, or a smaller number in \
                 /sys/devices/system/xen_memory/xen_memory0/target_kb), boot Xen with a smaller \
                 dom0_mem=, or load less"
            }
            Self::Unaligned { .. }
            | Self::TooHigh { .. }
            | Self::TooMuchData { .. }
            | Self::Overlap { .. }
            | Self::TooMany { .. }
            | Self::OutsideCrashRegion { .. }
            | Self::Nothing { .. }
            | Self::InFreeHeap { .. }
            | Self::NotRam { .. }
            | Self::EntryNotLoaded { .. }
            | Self::Above4Gib { .. }
            | Self::InTheWay { .. } => return None,
        };
        Some(fix.into())
    }
}
