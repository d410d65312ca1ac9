//! Errors of the Xen backend.

use super::segment_list::SegmentListError;
use crate::backend::error::REPORT;
use crate::host::hypervisor::Hypervisor;
use crate::sys::size::Size;
use handoff::addr::PhysRange;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use xen_shim::fix::{Fix, Remedy, tail};
use xen_shim::hypercall::HypercallError;

/// A refusal.
#[derive(Debug, thiserror::Error)]
pub enum XenError {
    /// Not a domain that can replace Xen.
    #[error("this Linux runs as {hypervisor}{}{}", not_dom0(*hypervisor), tail(self.fix()))]
    NotDom0 {
        /// The detected hypervisor.
        hypervisor: Hypervisor,
    },
    /// Missing privileges.
    #[error(
        "loading through Xen needs root: this process lacks the capability CAP_SYS_ADMIN{}",
        tail(self.fix())
    )]
    NotRoot,
    /// An error of a hypercall or of its device.
    #[error(transparent)]
    Hypercall(#[from] HypercallError),
    /// mbtool's own record is unusable.
    #[error(
        "{}: {source}: without this record mbtool cannot tell which image is loaded in Xen, \
         because Xen's status has counters only",
        path.display()
    )]
    Record {
        /// The file.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// dom0's balloon cannot be controlled.
    #[error("{}: {source}: dom0's memory target cannot be changed", path.display())]
    Balloon {
        /// The file.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// Xen's heap is too small, and dom0 cannot free enough.
    #[error(
        "Xen needs {} of free memory for this image until the jump and has {}, and {why} (dom0 has \
         {} available, of which it keeps {} for itself and for a copy of the image){}",
        Size(*needed), Size(*free), Size(*available), Size(*keep), tail(self.fix())
    )]
    HeapTooSmall {
        /// Needed heap in bytes.
        needed: u64,
        /// Free heap in bytes.
        free: u64,
        /// Memory available in dom0, in bytes.
        available: u64,
        /// Memory that dom0 needs itself, in bytes.
        keep: u64,
        /// Why dom0's balloon does not help.
        why: NoBalloon,
    },
    /// Xen's heap has become too small since it was checked.
    #[error(
        "Xen needs {} of free memory for this image until the jump and has only {}{}",
        Size(*needed), Size(*free), tail(self.fix())
    )]
    Heap {
        /// Needed heap in bytes.
        needed: u64,
        /// Free heap in bytes.
        free: u64,
    },
    /// An invalid list of segments, which the planner should never make.
    #[error("{}: this is a defect of mbtool{}", .0, tail(self.fix()))]
    Segments(#[from] SegmentListError),
    /// Destinations that Xen's allocator may own.
    #[error(
        "{} no longer belong to a domain: a page that Xen's allocator hands out while it loads an \
         image there would be lost, and the host could panic later{}",
        ranges(list), tail(self.fix())
    )]
    Unsafe {
        /// The destinations.
        list: Vec<PhysRange>,
    },
    /// Loaded, but data may be lost.
    #[error(
        "the image is loaded, but {why}. Pages of it may be lost: it must not be executed, and \
         unloading or replacing it could panic this host, so mbtool leaves it where it is{}",
        tail(self.fix())
    )]
    Damaged {
        /// Evidence.
        why: String,
    },
    /// A failed load of a crash image that removed the previous one.
    #[error(
        "the previous crash image is gone, because Xen frees it before it loads another: \
             {cause}"
    )]
    CrashImageLost {
        /// Reason of the failure.
        cause: HypercallError,
    },
    /// An image from an earlier load that must not be executed.
    #[error(
        "the image that mbtool loaded must not be executed ({why}): pages of it may be lost{}",
        tail(self.fix())
    )]
    NotToRun {
        /// Evidence.
        why: String,
    },
    /// An image from an earlier load that must not be freed.
    #[error(
        "the image that mbtool loaded before must not be unloaded or replaced, because freeing it \
         could panic this host ({why}){}",
        tail(self.fix())
    )]
    NotToFree {
        /// Evidence.
        why: String,
        /// True for `unload`, false for a load.
        unload: bool,
    },
    /// An image of another program.
    #[error(
        "According to Xen's status, another program has loaded or unloaded an image. {}{}",
        FOREIGN, tail(self.fix())
    )]
    Foreign,
    /// `exec` without an image of mbtool.
    #[error(
        "mbtool has loaded no image into this Xen{}{}{}",
        if *others {
            " (another program seems to have loaded one: start it with that program, `kexec -e` \
             for kexec-tools)"
        } else { "" },
        if *crash { "; the crash image that is loaded runs when Xen or dom0 crashes" } else { "" },
        tail(self.fix())
    )]
    NotLoaded {
        /// Another program loaded something.
        others: bool,
        /// True when mbtool has loaded a crash image.
        crash: bool,
    },
    /// `exec` after a load or unload by another program.
    #[error(
        "since mbtool loaded {image}, another program has loaded or unloaded an image (Xen's \
         status has changed), so the image that would run is unknown{}",
        tail(self.fix())
    )]
    Replaced {
        /// Name of mbtool's image.
        image: String,
    },
    /// There is no crash area.
    #[error("no memory is reserved for a crash image{}", tail(self.fix()))]
    NoCrashArea,
    /// Too few pages for Xen in the crash area.
    #[error(
        "the crash area {area} has {free} free pages besides the image, and Xen needs {needed} for \
         control pages and page tables{}",
        tail(self.fix())
    )]
    CrashAreaFull {
        /// The area.
        area: PhysRange,
        /// 4 KiB pages.
        free: u64,
        /// 4 KiB pages.
        needed: u64,
    },
}

impl Fix for XenError {
    fn fix(&self) -> Remedy {
        let fix = match self {
            Self::NotDom0 { hypervisor } => match hypervisor {
                Hypervisor::Bare => "leave --backend out, or use --backend linux",
                Hypervisor::XenPvhDom0 => Hypervisor::PV_DOM0,
                Hypervisor::XenHvmGuest => "use --backend linux, which replaces this guest alone",
                Hypervisor::XenUnknown => Hypervisor::MOUNT,
                Hypervisor::XenPvDom0
                | Hypervisor::XenPvGuest
                | Hypervisor::XenPvhGuest
                | Hypervisor::XenGuest => "run mbtool in dom0",
                Hypervisor::XenArmDom0 | Hypervisor::XenArmGuest => {
                    "boot Linux without Xen to load from here"
                }
            },
            Self::NotRoot => "run mbtool as root in dom0",
            Self::Hypercall(error) | Self::CrashImageLost { cause: error } => return error.fix(),
            Self::HeapTooSmall { .. } => {
                "boot Xen with dom0_mem=SIZE on its command line so that more is left free, shut \
                 down a guest, or use a smaller initrd"
            }
            Self::Heap { .. } => {
                "shut down a guest, make dom0 smaller (`xl mem-set 0 SIZE`, or dom0_mem=SIZE on \
                 Xen's command line), or use a smaller initrd"
            }
            Self::Segments(_) => REPORT,
            Self::Unsafe { .. } => "run mbtool again, which makes a new plan",
            Self::Damaged { .. } => {
                "shut guests down and restart the host by `reboot` at the next opportunity, and \
                 keep guests and dom0 from changing their memory (ballooning) while an image is \
                 loaded"
            }
            Self::NotToRun { .. } | Self::NotToFree { unload: false, .. } => {
                "restart the host by `reboot`"
            }
            Self::NotToFree { unload: true, .. } => {
                "restart the host by `reboot`, or take the risk with `mbtool unload --force`"
            }
            Self::Foreign => "to unload it nevertheless, run `mbtool unload --force`",
            Self::NotLoaded { .. } => "run `mbtool load` first",
            Self::Replaced { .. } => "run `mbtool load` again",
            Self::NoCrashArea => {
                "`mbtool crash size` prints the crashkernel= parameter for Xen's command line"
            }
            Self::CrashAreaFull { .. } => "`mbtool crash size` prints a sufficient crashkernel=",
            Self::Record { .. } | Self::Balloon { .. } => return None,
        };
        Some(fix.into())
    }
}

/// Why dom0 cannot give memory to Xen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoBalloon {
    /// No file with its target.
    #[error("dom0 has no balloon driver")]
    Driver,
    /// dom0 needs what it has.
    #[error("dom0 cannot spare it")]
    Memory,
    /// Its target is not reached.
    #[error("dom0's balloon frees no more memory")]
    Stalled,
}

/// Risk of unloading or replacing an image of another program.
pub const FOREIGN: &str = "Unloading or replacing it can panic the host: an image of kexec-tools \
                           may contain pages that Xen has mistaken for page 0 (a defect of every \
                           Xen so far), and freeing those stops Xen";

/// Why this domain cannot load through Xen.
const fn not_dom0(hypervisor: Hypervisor) -> &'static str {
    match hypervisor {
        Hypervisor::Bare => ": no Xen is running",
        Hypervisor::XenPvhDom0 => {
            ": Xen offers the kexec hypercall to a paravirtualized dom0 only and returns ENOSYS to \
             a PVH dom0"
        }
        Hypervisor::XenHvmGuest => ": only the control domain has the kexec hypercall",
        Hypervisor::XenUnknown => "",
        Hypervisor::XenArmDom0 | Hypervisor::XenArmGuest => ", which has no kexec hypercall",
        Hypervisor::XenPvDom0
        | Hypervisor::XenPvGuest
        | Hypervisor::XenPvhGuest
        | Hypervisor::XenGuest => ": only the control domain has the kexec hypercall",
    }
}

/// Formats at most three ranges, and the number of others.
pub(super) fn ranges(list: &[PhysRange]) -> String {
    let mut text = String::new();
    for (n, range) in list.iter().take(3).enumerate() {
        let comma = if n == 0 { "" } else { ", " };
        // writing to a String cannot fail
        let _ = write!(text, "{comma}{range}");
    }
    if list.len() > 3 {
        let _ = write!(text, " and {} more", list.len() - 3);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_truncated() {
        let range = |n: u64| PhysRange {
            start: n << 12,
            end: (n + 1) << 12,
        };
        let list: Vec<PhysRange> = (0..5).map(range).collect();
        assert_eq!(
            ranges(&list),
            format!("{}, {}, {} and 2 more", list[0], list[1], list[2])
        );
        assert_eq!(ranges(&list[1..2]), list[1].to_string());
    }
}
