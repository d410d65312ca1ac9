//! Errors of the Xen backend.

use crate::host::hypervisor::Hypervisor;
use crate::sys::size::Size;
use handoff::addr::PhysRange;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use xen_shim::hypercall::HypercallError;

/// A refusal, with a suggested fix.
#[derive(Debug, thiserror::Error)]
pub enum XenError {
    /// Not a domain that can replace Xen.
    #[error("{}", not_dom0(*hypervisor))]
    NotDom0 {
        /// The detected hypervisor.
        hypervisor: Hypervisor,
    },
    /// Missing privileges.
    #[error(
        "loading through Xen needs root: this process lacks the capability CAP_SYS_ADMIN; run \
         mbtool as root in dom0"
    )]
    NotRoot,
    /// An error of a hypercall or of its device.
    #[error(transparent)]
    Hypercall(#[from] HypercallError),
    /// mbtool's own record is unusable.
    #[error(
        "{}: {source}; without this record nobody knows what is loaded in Xen (its own status does \
         not say)",
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
        "Xen needs {} of free memory for this image until the jump and has {}; {why} (dom0 has {} \
         available, of which it keeps {} for itself and for a copy of the image): boot Xen with \
         dom0_mem=SIZE on its command line so that more is left free, shut down a guest, or use a \
         smaller initrd",
        Size(*needed), Size(*free), Size(*available), Size(*keep)
    )]
    NoRoom {
        /// Needed heap in bytes.
        needed: u64,
        /// Free heap in bytes.
        free: u64,
        /// Memory available in dom0, in bytes.
        available: u64,
        /// Memory that dom0 needs itself, in bytes.
        keep: u64,
        /// Reason, as a clause.
        why: &'static str,
    },
    /// Xen's heap has become too small since it was checked.
    #[error(
        "Xen needs {} of free memory for this image until the jump and has {} by now: shut down a \
         guest, make dom0 smaller (`xl mem-set 0 SIZE`, or dom0_mem=SIZE on Xen's command line), or \
         use a smaller initrd",
        Size(*needed), Size(*free)
    )]
    Heap {
        /// Needed heap in bytes.
        needed: u64,
        /// Free heap in bytes.
        free: u64,
    },
    /// An invalid list of segments, which the planner should never make.
    #[error(
        "{0}: this is a defect of mbtool, please report it with the output of `mbtool plan --json`"
    )]
    Segments(String),
    /// Destinations that Xen's allocator may own.
    #[error(
        "{} belong to no domain any more: a page that Xen's allocator hands out while it loads an \
         image there would be lost, and the host could panic later; run mbtool again, which plans \
         anew",
        ranges(list)
    )]
    Unsafe {
        /// The destinations.
        list: Vec<PhysRange>,
    },
    /// Loaded, but data may be lost.
    #[error(
        "the image is loaded, but {why}. Pages of it may be lost: it must not be executed, and \
         unloading or replacing it could panic this host, so mbtool leaves it where it is. Shut \
         guests down and restart the host by `reboot` when it suits; keep guests and dom0 from \
         changing their memory (ballooning) while an image is loaded"
    )]
    Damaged {
        /// Evidence.
        why: String,
    },
    /// A failed load of a crash image that removed the previous one.
    #[error("{cause}; the crash image that was loaded before is gone, it had to make way")]
    CrashImageLost {
        /// Reason of the failure.
        cause: HypercallError,
    },
    /// An image from an earlier load that must not be executed.
    #[error(
        "the image that mbtool loaded must not be executed ({why}): pages of it may be lost; restart \
         the host by `reboot`"
    )]
    NotToRun {
        /// Evidence.
        why: String,
    },
    /// An image from an earlier load that must not be freed.
    #[error(
        "the image that mbtool loaded before must not be unloaded or replaced, because freeing it \
         could panic this host ({why}); restart the host by `reboot`{}",
        if *unload { ", or take the risk with `mbtool unload --force`" } else { "" }
    )]
    NotToFree {
        /// Evidence.
        why: String,
        /// True for `unload`, false for a load.
        unload: bool,
    },
    /// An image of another program.
    #[error(
        "Xen's status says that an image was loaded or unloaded that is not mbtool's. {}; `mbtool \
         unload --force` does it all the same",
        FOREIGN
    )]
    Foreign,
    /// `exec` without an image of mbtool.
    #[error(
        "mbtool has loaded no image into this Xen: run `mbtool load` first{}{}",
        if *others {
            " (another program seems to have loaded one: the program that did starts it, `kexec -e` \
             for kexec-tools)"
        } else { "" },
        if *crash { "; the crash image that is loaded runs when Xen or dom0 crashes" } else { "" }
    )]
    NotLoaded {
        /// True when another program seems to have loaded an image.
        others: bool,
        /// True when mbtool has loaded a crash image.
        crash: bool,
    },
    /// `exec` after a load or unload by another program.
    #[error(
        "since mbtool loaded {image}, another program has loaded or unloaded an image (Xen's status \
         has changed), so it is not known what would run: run `mbtool load` again"
    )]
    Replaced {
        /// Name of mbtool's image.
        image: String,
    },
    /// There is no crash area.
    #[error(
        "no memory is reserved for a crash image: `mbtool crash size` says which crashkernel= belongs \
         on Xen's command line"
    )]
    NoCrashArea,
    /// Too few pages for Xen in the crash area.
    #[error(
        "the crash area {area} has {free} free pages beside the image, and Xen needs {needed} of \
         them for control pages and page tables: `mbtool crash size` says which crashkernel= would do"
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

/// Risk of unloading or replacing an image of another program.
pub const FOREIGN: &str = "Unloading or replacing it can panic the host: an image of kexec-tools \
                           may contain pages that Xen has mistaken for page 0 (a defect of every \
                           Xen so far), and freeing those stops Xen";

fn not_dom0(hypervisor: Hypervisor) -> String {
    let why = match hypervisor {
        Hypervisor::Bare => {
            "there is no Xen below this Linux; leave --backend out, or use --backend linux"
        }
        Hypervisor::XenPvhDom0 => {
            "Xen has the kexec hypercall for a paravirtualized dom0 only and answers ENOSYS to a \
             PVH dom0; boot Xen without dom0=pvh to load from here"
        }
        Hypervisor::XenHvmGuest => {
            "the kexec hypercall is the control domain's; this guest can replace itself with \
             --backend linux"
        }
        Hypervisor::XenUnknown => Hypervisor::MOUNT,
        _ => "the kexec hypercall, and the machine, are the control domain's: run mbtool in dom0",
    };
    format!("this Linux runs as {hypervisor}: {why}")
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
    fn each_type_of_domain_gets_a_reason() {
        for (hypervisor, part) in [
            (Hypervisor::Bare, "--backend linux"),
            (Hypervisor::XenPvhDom0, "without dom0=pvh"),
            (Hypervisor::XenHvmGuest, "--backend linux"),
            (Hypervisor::XenUnknown, "mount -t xenfs"),
            (Hypervisor::XenPvGuest, "run mbtool in dom0"),
        ] {
            let text = XenError::NotDom0 { hypervisor }.to_string();
            assert!(
                text.contains(part) && text.contains(&hypervisor.to_string()),
                "{text}"
            );
        }
    }

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
