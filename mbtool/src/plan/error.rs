//! Errors of the planner.

use super::boot::linux::LinuxError;
use super::boot::mb2_requests::RequestError;
use super::boot::multiboot::MbiError;
use super::check::CheckError;
use super::crash::Reserve;
use super::crash::size::SizeEstimate;
use super::place::allocator::{FixedError, NoFreeRange};
use super::place::dt::{DtPlaceError, DtWindow};
use super::place::resolve::ResolveError;
use super::xen_heap::scatter::NoSafeRange;
use super::{DEFAULT_MEM_MIN, Request};
use crate::arch::Architecture;
use crate::fdt::{DtValueError, FdtError};
use crate::host::Host;
use crate::host::arm::{ArmFacts, KvmMode};
use crate::host::map::MapError;
use crate::image::ImageError;
use crate::sys::size::Size;
use handoff::addr::PhysRange;
use xen_shim::arm::ArmContractError;
use xen_shim::contract::ContractError;
use xen_shim::fix::{Fix, Remedy, tail};
use xen_shim::low_memory::NoLowMemory;

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The memory map has no RAM.
    #[error("the memory map has no RAM")]
    NoRam,
    /// An image of another machine.
    #[error("{name} is for {image}, and this machine is {host}{}", tail(self.fix()))]
    OtherMachine {
        /// Name of the image.
        name: String,
        /// Machine of the image.
        image: Architecture,
        /// The machine that it would run on.
        host: Architecture,
    },
    /// An option that this machine has no use for.
    #[error("{option} does nothing on {arch}{}", tail(self.fix()))]
    NotOnThisMachine {
        /// The option.
        option: &'static str,
        /// The machine.
        arch: Architecture,
    },
    /// No device tree to pass on.
    #[error(
        "a Linux of this machine needs a device tree, and the running kernel has none (/sys/firmware/fdt){}",
        tail(self.fix())
    )]
    NoDeviceTree,
    /// The device tree is damaged, or becomes too large.
    #[error("device tree: {0}")]
    DeviceTree(FdtError),
    /// A value of the device tree.
    #[error("device tree: {0}")]
    DeviceTreeValue(#[from] DtValueError),
    /// No place for a Linux with a device tree.
    #[error("{error}{}", tail(self.fix()))]
    DtPlace {
        /// What has none.
        error: DtPlaceError,
        /// The memory that it could be in.
        window: DtWindow,
    },
    /// A constraint of Xen on ARM.
    #[error(transparent)]
    XenArm(#[from] ArmContractError),
    /// A kexec that does not reach the level that Xen needs.
    #[error(
        "xen on ARM must be entered at EL2, and {}{}",
        match facts.kvm {
            Some(KvmMode::Protected) => "this kernel's KVM runs protected and keeps EL2 for itself".to_owned(),
            _ => format!(
                "this kernel was started at {}, to which kexec goes back",
                facts.level.map_or_else(String::new, |level| level.to_string())
            ),
        },
        tail(self.fix())
    )]
    XenNeedsEl2 {
        /// What the kernel's log shows.
        facts: ArmFacts,
    },
    /// A machine that only ACPI describes.
    #[error(
        "the device tree has no CPUs or no memory, so this machine describes itself by ACPI, which xen finds only if EFI \
         starts it{}",
        tail(self.fix())
    )]
    XenNeedsTree,
    /// Xen as crash image on ARM.
    #[error(
        "xen on ARM cannot be a crash image: it takes all memory of the device tree, and its dom0 gets no \
         linux,usable-memory-range{}",
        tail(self.fix())
    )]
    CrashXenArm,
    /// Memory that the handoff's page tables cannot reach.
    #[error("memory up to {end:#x} is used, and the handoff's page tables ({mode}) map only what is below {limit:#x}{}", tail(self.fix()))]
    Unmapped {
        /// End of the memory.
        end: u64,
        /// The largest mode of all CPUs.
        mode: &'static str,
        /// End of what it maps one to one.
        limit: u64,
    },
    /// No RAM in the crash region.
    #[error(
        "the crash region {region} is not RAM in this memory map: RAM is {}",
        super::place::allocator::list(ram)
    )]
    CrashRegionNotRam {
        /// Requested region.
        region: PhysRange,
        /// All RAM.
        ram: Vec<PhysRange>,
    },
    /// A required Multiboot2 request.
    #[error(transparent)]
    Want(#[from] RequestError),
    /// A constraint of Xen.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// No low memory for Xen.
    #[error(transparent)]
    Low(#[from] NoLowMemory),
    /// Xen as crash kernel with a PVH dom0, which the memory map does not
    /// support.
    #[error("a crash Xen supports a PV dom0 only{}", tail(self.fix()))]
    PvhDom0,
    /// Xen with its PVH entry.
    #[error(
        "--type elf: Xen's PVH entry is for running inside another Xen{}",
        tail(self.fix())
    )]
    XenByPvh,
    /// Xen with Multiboot (1), although its file has a Multiboot2 header.
    #[error(
        "--type multiboot: a Multiboot (1) Xen cannot be relocated, so it runs at its link address \
         only (Xen 4.17 overwrites memory if it is moved nevertheless){}",
        tail(self.fix())
    )]
    XenByMultiboot1,
    /// Xen as crash image in real mode.
    #[error(
        "--real-mode: a crash Xen that reads the BIOS's memory map uses all RAM, and overwrites \
         the memory to be dumped{}",
        tail(self.fix())
    )]
    CrashXenRealMode,
    /// Not enough free memory.
    #[error(transparent)]
    NoFreeRange(#[from] NoFreeRange),
    /// Not enough memory outside of Xen's free heap.
    #[error(transparent)]
    NoSafeRange(NoSafeRange),
    /// `--drill xen-heap` is impossible.
    #[error("--drill xen-heap: {why}")]
    Drill {
        /// Reason.
        why: String,
    },
    /// A fixed address that is not free.
    #[error(transparent)]
    Fixed(#[from] FixedError),
    /// The options contradict the constraints of the image.
    #[error(
        "no place for {name}: it can only be within {allowed}, but {} excludes that{}",
        options(*min, *max),
        tail(self.fix())
    )]
    Window {
        /// Segment name.
        name: String,
        /// Range that the image allows.
        allowed: PhysRange,
        /// `--mem-min`, or its default.
        min: u64,
        /// `--mem-max`, if it is given.
        max: Option<u64>,
        /// A free place for it.
        place: Option<PhysRange>,
    },
    /// Rounded to pages, or to what Xen reserves, the image ends above 2^64.
    #[error("{name} is linked for {span}, which ends at the end of the address space{}", tail(self.fix()))]
    EndOfAddresses {
        /// Segment name.
        name: String,
        /// Addresses of the image.
        span: PhysRange,
    },
    /// The only free memory is above 4 GiB, out of reach of Multiboot's 32-bit addresses.
    #[error(
        "{name} ({len:#x} bytes) fits only above 4 GiB, but modules must be below: Multiboot gives \
         their addresses 32 bits; {free:#x} bytes are free below 4 GiB, the largest range has \
         {largest:#x}{}",
        tail(self.fix())
    )]
    ModuleAbove4Gib {
        /// Segment name.
        name: String,
        /// Size in bytes.
        len: u64,
        /// Free bytes below 4 GiB.
        free: u64,
        /// The largest free range below 4 GiB, in bytes.
        largest: u64,
    },
    /// The only free memory for the initrd is where the kernel cannot read it.
    #[error(
        "{name} ({}) fits only at {above}, but this kernel cannot read an initrd above {end:#x}: it \
         lacks CAN_BE_LOADED_ABOVE_4G (bit 1 of xloadflags); the largest free range below is {}{}",
        Size::rounded_up(*len), Size(*largest), tail(self.fix())
    )]
    InitrdLimit {
        /// Segment name.
        name: String,
        /// Size in bytes.
        len: u64,
        /// Upper bound of the initrd's address.
        end: u64,
        /// The largest free range below, in bytes.
        largest: u64,
        /// The range that would be large enough.
        above: PhysRange,
    },
    /// An empty module.
    #[error("{name} is empty (0 bytes): no boot protocol can express that{}", tail(self.fix()))]
    EmptyModule {
        /// Segment name.
        name: String,
    },
    /// No such crash region.
    #[error(
        "no crash region at {wanted}: the running kernel has {}{}",
        crash_regions(there), tail(self.fix())
    )]
    NoCrashRegion {
        /// Requested region.
        wanted: PhysRange,
        /// Existing regions.
        there: Vec<PhysRange>,
    },
    /// The crash image is larger than the region.
    #[error(
        "the crash region {region} ({}) is too small: loading takes {} ({parts}){}{}",
        Size(region.len()), Size::rounded_up(*load), pieces(*load, *region), tail(self.fix())
    )]
    CrashRegionTooSmall {
        /// The crash region.
        region: PhysRange,
        /// Memory needed for loading, in bytes.
        load: u64,
        /// List of the parts.
        parts: String,
        /// Advised reservation, if known.
        reserve: Option<Reserve>,
    },
    /// The core header for this machine would be too large.
    #[error(transparent)]
    CoreHeader(#[from] crate::plan::crash::elfcorehdr::TooMany),
    /// dom0 cannot start on this machine.
    #[error(transparent)]
    Dom0Range(#[from] crate::plan::crash::xen::Dom0RangeError),
    /// The handoff's log in RAM is unusable.
    #[error("no RAM log at {addr:#x}: {why}{}", tail(self.fix()))]
    RamLog {
        /// Requested address.
        addr: u64,
        /// Reason.
        why: RamLogPlaceError,
    },
    /// The image cannot be moved to its address.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Multiboot information.
    #[error(transparent)]
    Mbi(#[from] MbiError),
    /// Linux's boot parameters.
    #[error(transparent)]
    Linux(#[from] LinuxError),
    /// Overlapping or too many segments.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The handoff blob cannot be built.
    #[error("handoff: {0}")]
    Handoff(String),
    /// The plan violates a limit of the loading kernel or of the machine.
    #[error(transparent)]
    Check(#[from] CheckError),
}

impl Fix for PlanError {
    fn fix(&self) -> Remedy {
        let fix = match self {
            Self::PvhDom0 => "leave dom0=pvh out of Xen's command line",
            Self::XenByPvh | Self::XenByMultiboot1 => {
                "leave --type out, and Xen is started by its Multiboot2 header"
            }
            Self::CrashXenRealMode => "leave --real-mode out",
            Self::OtherMachine { image, .. } => {
                return Some(
                    format!("run mbtool on a machine with {image}, or give a kernel for this one")
                        .into(),
                );
            }
            Self::NotOnThisMachine { .. } => "leave it out",
            Self::NoDeviceTree => "give one with --dtb",
            Self::XenArm(error) => return error.fix(),
            Self::XenNeedsEl2 { facts } => match facts.kvm {
                Some(KvmMode::Protected) => "boot without kvm-arm.mode=protected",
                _ => "give Linux, or use a machine whose firmware starts kernels at EL2",
            },
            Self::XenNeedsTree => "give the machine's tree with --dtb",
            Self::CrashXenArm => "load Linux as crash image",
            Self::Unmapped { limit, .. } => {
                return Some(format!("give a --mem-max of at most {limit:#x}").into());
            }
            Self::DeviceTree(error) => return error.fix(),

            Self::DtPlace { error, window } => return error.fix_in(*window),
            Self::ModuleAbove4Gib { .. } => "make the module smaller",
            Self::Window {
                allowed,
                min,
                max,
                place,
                ..
            } => return other_window(*allowed, *min, *max, *place),
            Self::EndOfAddresses { .. } => "link the image for a lower address",
            Self::InitrdLimit { .. } => {
                "make the initrd smaller, or give a relocatable bzImage of Linux 3.8 or later"
            }
            Self::EmptyModule { .. } => "leave it out",
            Self::NoCrashRegion { .. } => "`mbtool crash size` prints the size to reserve",
            Self::CrashRegionTooSmall { reserve, .. } => return Some(more(*reserve).into()),
            Self::RamLog { .. } => "choose another address (--console ramlog:ADDR)",
            Self::Want(error) => return error.fix(),
            Self::Contract(error) => return error.fix(),
            Self::NoFreeRange(error) => return error.fix(),
            Self::Fixed(error) => return error.fix(),
            Self::Dom0Range(error) => return error.fix(),
            Self::Image(error) => return error.fix(),
            Self::Mbi(error) => return error.fix(),
            Self::Linux(error) => return error.fix(),
            Self::Resolve(error) => return error.fix(),
            Self::Check(error) => return error.fix(),
            Self::NoRam
            | Self::DeviceTreeValue(_)
            | Self::CrashRegionNotRam { .. }
            | Self::Low(_)
            | Self::NoSafeRange(_)
            | Self::Drill { .. }
            | Self::CoreHeader(_)
            | Self::Handoff(_) => return None,
        };
        Some(fix.into())
    }
}

/// The options that are given, with their values.
fn options(min: u64, max: Option<u64>) -> String {
    let min_given = match min {
        DEFAULT_MEM_MIN if max.is_some() => None,
        DEFAULT_MEM_MIN => Some(format!("the default of --mem-min, {min:#x},")),
        _ => Some(format!("--mem-min {min:#x}")),
    };
    let max_given = max.map(|max| format!("--mem-max {max:#x}"));
    let given: Vec<String> = min_given.into_iter().chain(max_given).collect();
    given.join(" with ")
}

/// Which of the options has to change.
fn other_window(
    allowed: PhysRange,
    min: u64,
    max: Option<u64>,
    place: Option<PhysRange>,
) -> Remedy {
    let (start, end) = (allowed.start, allowed.end);
    Some(match (max, place) {
        (_, Some(place)) if min >= end => {
            format!("give a --mem-min of at most {:#x}", place.start).into()
        }
        (Some(max), Some(place)) if max <= start => {
            format!("give a --mem-max of at least {:#x}", place.end).into()
        }
        _ => return window_between(start, end, min, max),
    })
}

fn window_between(start: u64, end: u64, min: u64, max: Option<u64>) -> Remedy {
    Some(match max {
        _ if min >= end => format!("give a --mem-min below {end:#x}").into(),
        Some(max) if max <= start => format!("give a --mem-max above {start:#x}").into(),
        _ => "give a --mem-max above --mem-min".into(),
    })
}

/// Why there can be no RAM log at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RamLogPlaceError {
    /// The range wraps.
    #[error("it ends above 2^64")]
    Wraps,
    /// Below 1 MiB.
    #[error("below 1 MiB firmware and boot code write")]
    Low,
    /// Neither RAM nor reserved memory.
    #[error("the memory map has no RAM there that could be used")]
    NoRam,
    /// The memory map is invalid.
    #[error(transparent)]
    Map(#[from] MapError),
}

impl PlanError {
    /// Returns the error for an `estimate` that is larger than `region`.
    /// Refuses an image for another machine than `host`.
    pub(super) fn check_machine(request: &Request, host: &Host) -> Result<(), Self> {
        let image = request.image.protocol.architecture();
        if image == host.arch {
            return Ok(());
        }
        Err(Self::OtherMachine {
            name: request.image.name.clone(),
            image,
            host: host.arch,
        })
    }

    pub(super) fn too_small(region: PhysRange, estimate: &SizeEstimate) -> Self {
        Self::CrashRegionTooSmall {
            region,
            load: estimate.to_load(),
            parts: estimate.to_string(),
            reserve: None,
        }
    }
}

/// Why a sum that is less than the region does not fit.
fn pieces(load: u64, region: PhysRange) -> &'static str {
    match load <= region.len() {
        true => ", and its free memory is in smaller pieces",
        false => "",
    }
}

fn more(reserve: Option<Reserve>) -> String {
    match reserve {
        Some(reserve) => format!(
            "reserve more with {reserve} on {} command line, which includes memory for the crash \
             kernel to run in",
            if reserve.xen {
                "Xen's"
            } else {
                "the running kernel's"
            }
        ),
        None => "reserve more: `mbtool crash size` prints the size".to_owned(),
    }
}

fn crash_regions(there: &[PhysRange]) -> String {
    match there {
        [] => "no crash region".to_owned(),
        some => format!("only {}", super::place::allocator::list(some)),
    }
}
