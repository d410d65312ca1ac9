//! Why an image was not loaded, started or taken back through Xen.

use crate::host::hypervisor::Hypervisor;
use crate::sys::size::Size;
use handoff::addr::PhysRange;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use xen_shim::hypercall::HypercallError;

/// A refusal, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum XenError {
    /// Not a domain from which Xen can be replaced.
    #[error("{}", not_dom0(*hypervisor))]
    NotDom0 {
        /// What it is.
        hypervisor: Hypervisor,
    },
    /// The process may not.
    #[error(
        "loading through Xen needs root: this process lacks the capability CAP_SYS_ADMIN; run \
         mbtool as root in dom0"
    )]
    NotRoot,
    /// What Xen, or the way there, said.
    #[error(transparent)]
    Hypercall(#[from] HypercallError),
    /// mbtool's own record.
    #[error(
        "{}: {source}; without this record nobody knows what is loaded in Xen (its own status does \
         not say)",
        path.display()
    )]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// dom0's balloon.
    #[error("{}: {source}: dom0's memory target cannot be changed", path.display())]
    Balloon {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// Xen's heap is too small, and dom0 cannot help.
    #[error(
        "Xen needs {} of free memory for this image until the jump and has {}; {why} (dom0 has {} \
         available, of which it keeps {} for itself and for a copy of the image): boot Xen with \
         dom0_mem=SIZE on its command line so that more is left free, shut down a guest, or use a \
         smaller initrd",
        Size(*needed), Size(*free), Size(*available), Size(*keep)
    )]
    NoRoom {
        /// Bytes.
        needed: u64,
        /// Bytes free in Xen's heap.
        free: u64,
        /// Bytes available in dom0.
        available: u64,
        /// Bytes that dom0 keeps.
        keep: u64,
        /// One clause.
        why: &'static str,
    },
    /// The same, at the last moment.
    #[error(
        "Xen needs {} of free memory for this image until the jump and has {} by now: shut down a \
         guest, make dom0 smaller (`xl mem-set 0 SIZE`, or dom0_mem=SIZE on Xen's command line), or \
         use a smaller initrd",
        Size(*needed), Size(*free)
    )]
    Heap {
        /// Bytes.
        needed: u64,
        /// Bytes.
        free: u64,
    },
    /// A list of segments that Xen would refuse, or that no planner should make.
    #[error(
        "{0}: this is a defect of mbtool, please report it with the output of `mbtool plan --json`"
    )]
    Segments(String),
    /// Data for memory that Xen's allocator may hand out.
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
    /// Loaded, and lost pages perhaps.
    #[error(
        "the image is loaded, but {why}. Pages of it may be lost: it must not be executed, and \
         unloading or replacing it could panic this host, so mbtool leaves it where it is. Shut \
         guests down and restart the host by `reboot` when it suits; keep guests and dom0 from \
         changing their memory (ballooning) while an image is loaded"
    )]
    Damaged {
        /// What was seen.
        why: String,
    },
    /// A failed load of a crash image that cost the one before it.
    #[error("{cause}; the crash image that was loaded before is gone, it had to make way")]
    CrashImageLost {
        /// Why the load failed.
        cause: HypercallError,
    },
    /// Already there from an earlier load: it must not run.
    #[error(
        "the image that mbtool loaded must not be executed ({why}): pages of it may be lost; restart \
         the host by `reboot`"
    )]
    NotToRun {
        /// What was seen.
        why: String,
    },
    /// Already there from an earlier load: it must not be freed.
    #[error(
        "the image that mbtool loaded before must not be unloaded or replaced, because freeing it \
         could panic this host ({why}); restart the host by `reboot`{}",
        if *unload { ", or take the risk with `mbtool unload --force`" } else { "" }
    )]
    NotToFree {
        /// What was seen.
        why: String,
        /// Asked for by `unload`.
        unload: bool,
    },
    /// An image of somebody else.
    #[error(
        "Xen's status says that an image was loaded or unloaded that is not mbtool's. {}; `mbtool \
         unload --force` does it all the same",
        FOREIGN
    )]
    Foreign,
    /// `exec` without an image of ours.
    #[error(
        "mbtool has loaded no image into this Xen: run `mbtool load` first{}{}",
        if *others {
            " (another program seems to have loaded one: the program that did starts it, `kexec -e` \
             for kexec-tools)"
        } else { "" },
        if *crash { "; the crash image that is loaded runs when Xen or dom0 crashes" } else { "" }
    )]
    NotLoaded {
        /// Somebody else loaded something.
        others: bool,
        /// A crash image of ours is there.
        crash: bool,
    },
    /// `exec` after somebody else's load or unload.
    #[error(
        "since mbtool loaded {image}, another program has loaded or unloaded an image (Xen's status \
         has changed), so it is not known what would run: run `mbtool load` again"
    )]
    Replaced {
        /// Our image.
        image: String,
    },
    /// No crash area.
    #[error(
        "no memory is reserved for a crash image: `mbtool crash size` says which crashkernel= belongs \
         on Xen's command line"
    )]
    NoCrashArea,
    /// No room for Xen's own pages in it.
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

/// What unloading or replacing an image of another program may do.
pub const FOREIGN: &str = "Unloading or replacing it can panic the host: an image of kexec-tools \
                           may contain pages that Xen has mistaken for page 0 (a defect of every \
                           Xen so far), and freeing those stops Xen";

fn not_dom0(hypervisor: Hypervisor) -> String {
    let why = match hypervisor {
        Hypervisor::Bare => {
            "there is no Xen below this Linux; leave --backend out, or use --backend linux"
        }
        Hypervisor::XenPvhDom0 => {
            "Xen has the kexec hypercall for a paravirtualised dom0 only and answers ENOSYS to a \
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

/// At most three ranges, then how many more.
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
    fn each_domain_hears_why() {
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
    fn lists_are_cut() {
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
