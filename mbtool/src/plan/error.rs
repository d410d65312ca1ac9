//! Why there is no plan.

use super::boot::linux::LinuxError;
use super::boot::mb2_requests::RequestError;
use super::boot::multiboot::MbiError;
use super::check::CheckError;
use super::crash::Reserve;
use super::crash::size::SizeEstimate;
use super::place::allocator::{FixedError, NoRoom};
use super::place::resolve::ResolveError;
use super::xen_heap::scatter::NoSafeRoom;
use crate::image::ImageError;
use crate::sys::size::Size;
use handoff::addr::PhysRange;
use xen_shim::contract::ContractError;
use xen_shim::low_memory::NoLowMemory;

/// Why there is no plan, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Nothing is known of the machine.
    #[error("the memory map has no RAM: there is nowhere to load to")]
    NoRam,
    /// A required Multiboot2 request.
    #[error(transparent)]
    Want(#[from] RequestError),
    /// Xen's own rules.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// Xen's low memory.
    #[error(transparent)]
    Low(#[from] NoLowMemory),
    /// Xen as crash kernel, with a dom0 that its memory map does not suit.
    #[error("Xen as crash kernel takes a PV dom0 only: leave dom0=pvh out of Xen's command line")]
    PvhDom0,
    /// Xen by its PVH entry.
    #[error(
        "--type elf: Xen's PVH entry is for running inside another Xen; leave --type out, and \
         it is started by its Multiboot2 header"
    )]
    XenByPvh,
    /// Xen by Multiboot (1), with a Multiboot2 header in its file.
    #[error(
        "--type multiboot: Xen is started by its Multiboot2 header, leave --type out; by \
         Multiboot (1) it could only run at its link address and would not be told where it \
         may go (Xen 4.17 overwrites memory when it is moved all the same)"
    )]
    XenByMultiboot1,
    /// Xen as crash image, which asks the BIOS.
    #[error(
        "--real-mode: a Xen that asks the BIOS for its memory map takes all memory, and with it \
         what it is to save; leave --real-mode out"
    )]
    CrashXenRealMode,
    /// Free space.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// Not enough memory that Xen cannot lose.
    #[error(transparent)]
    NoSafeRoom(NoSafeRoom),
    /// `--drill xen-heap` has nothing to work with.
    #[error("--drill xen-heap: {why}")]
    Drill {
        /// What is missing.
        why: String,
    },
    /// A place that is not free.
    #[error(transparent)]
    Fixed(#[from] FixedError),
    /// The image forbids what the options ask for.
    #[error(
        "no place for {name}: it can only be within {allowed}, and the window from --mem-min \
         {min:#x} to --mem-max {max:#x} has nothing of that"
    )]
    Window {
        /// Segment name.
        name: String,
        /// By its nature.
        allowed: PhysRange,
        /// Asked for.
        min: u64,
        /// Asked for.
        max: u64,
    },
    /// The only free memory is above 4 GiB, out of reach of Multiboot's 32-bit addresses.
    #[error(
        "{name} ({len:#x} bytes) fits only above 4 GiB, but modules must be below: Multiboot \
         gives their addresses 32 bits; with --mem-min {min:#x} there are {free:#x} bytes free \
         below 4 GiB, the largest run {largest:#x}; lower --mem-min, or make the module smaller"
    )]
    ModuleAbove4Gib {
        /// Segment name.
        name: String,
        /// Bytes.
        len: u64,
        /// Lowest address that could be used.
        min: u64,
        /// Free bytes below 4 GiB.
        free: u64,
        /// The largest free run below 4 GiB, in bytes.
        largest: u64,
    },
    /// A module without a byte.
    #[error("{name} is empty (0 bytes): no boot protocol can express that; leave it out")]
    EmptyModule {
        /// Segment name.
        name: String,
    },
    /// Nothing is reserved for a crash image.
    #[error(
        "no crash region at {wanted}: the running kernel has {}; `mbtool crash size` says what to \
         reserve",
        crash_regions(there)
    )]
    NoCrashRegion {
        /// Asked for.
        wanted: PhysRange,
        /// What is there.
        there: Vec<PhysRange>,
    },
    /// Everything together is larger than the region.
    #[error(
        "the crash region {region} ({}) is too small: loading takes {} ({parts}); {}",
        Size(region.len()), Size::rounded_up(*load), more(*reserve)
    )]
    CrashRegionTooSmall {
        /// The region.
        region: PhysRange,
        /// Bytes that loading takes.
        load: u64,
        /// What they are.
        parts: String,
        /// What to reserve, where that is known.
        reserve: Option<Reserve>,
    },
    /// A dump of this machine cannot be described.
    #[error(transparent)]
    CoreHeader(#[from] crate::plan::crash::elfcorehdr::TooMany),
    /// dom0 cannot start there.
    #[error(transparent)]
    Dom0Window(#[from] crate::plan::crash::xen::Dom0RangeError),
    /// The handoff's log in RAM.
    #[error("no RAM log at {addr:#x}: {why}; choose another address (--console ramlog:ADDR)")]
    RamLog {
        /// Asked for.
        addr: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The image cannot be moved as planned.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Boot information.
    #[error(transparent)]
    Mbi(#[from] MbiError),
    /// Linux's boot parameters.
    #[error(transparent)]
    Linux(#[from] LinuxError),
    /// Overlaps, or too many segments.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The handoff.
    #[error("handoff: {0}")]
    Handoff(String),
    /// What the loading kernel, or the machine, would not take.
    #[error(transparent)]
    Check(#[from] CheckError),
}

impl PlanError {
    /// `estimate` is more than there is in `region`.
    pub(super) fn too_small(region: PhysRange, estimate: &SizeEstimate) -> Self {
        Self::CrashRegionTooSmall {
            region,
            load: estimate.to_load(),
            parts: estimate.to_string(),
            reserve: None,
        }
    }
}

fn more(reserve: Option<Reserve>) -> String {
    match reserve {
        Some(reserve) => format!(
            "reserve more with {reserve} on {} command line, which leaves room to run",
            if reserve.xen {
                "Xen's"
            } else {
                "the running kernel's"
            }
        ),
        None => "reserve more: `mbtool crash size` says how much".to_owned(),
    }
}

fn crash_regions(there: &[PhysRange]) -> String {
    match there {
        [] => "no crash region at all".to_owned(),
        some => format!("only {}", super::place::allocator::list(some)),
    }
}
