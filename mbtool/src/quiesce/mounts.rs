//! File systems on disks, made read-only.

use super::{Ops, QuiesceStep, Undo};
use crate::sys::mountinfo::{self, Mount};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Time for the kernel's emergency remount, which is asynchronous.
const EMERGENCY: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(200);

/// Remounts writable file systems on disks read-only; busy ones by the kernel's
/// emergency remount (SysRq u), which is unconditional.
pub(super) fn read_only(root: &Path, ops: &dyn Ops, undo: &mut Vec<Undo>) -> QuiesceStep {
    let before = writable(root);
    if before.is_empty() {
        return QuiesceStep::NoneWritable;
    }
    // the last one mounted first: a mount inside another one
    for target in before.iter().rev() {
        if ops.remount(target, true).is_ok() {
            undo.push(Undo::Mount(target.clone()));
        }
    }
    let mut left = writable(root);
    if !left.is_empty() && ops.write(&root.join("proc/sysrq-trigger"), "u").is_ok() {
        let mut waited = Duration::ZERO;
        while !left.is_empty() && waited < EMERGENCY {
            ops.pause(POLL);
            waited += POLL;
            let now = writable(root);
            let gone = left.iter().filter(|target| !now.contains(target));
            undo.extend(gone.cloned().map(Undo::Mount));
            left = now;
        }
    }
    if left.is_empty() {
        let count = before.len();
        return QuiesceStep::ReadOnly { count };
    }
    QuiesceStep::Writable {
        seconds: EMERGENCY.as_secs(),
        left,
    }
}

/// Mount points of writable file systems on block devices, in mount order.
fn writable(root: &Path) -> Vec<PathBuf> {
    let mounts = mountinfo::read(root).unwrap_or_default();
    let mounts = mounts.into_iter().filter(is_writable_disk);
    mounts.map(|mount| mount.point).collect()
}

/// True for a block device number, or (btrfs, zfs on a partition) a source in
/// /dev.
fn is_writable_disk(mount: &Mount) -> bool {
    let disk = mount.device.0 != 0 || mount.source.starts_with("/dev");
    disk && mount.super_writable
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::put;

    #[test]
    fn only_writable_disks_count() {
        let root = tempfile::tempdir().unwrap();
        put(
            root.path(),
            "proc/self/mountinfo",
            "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro\n\
             23 1 8:2 / /srv ro - xfs /dev/sda2 rw\n\
             24 1 8:3 / /ro rw - ext4 /dev/sda3 ro\n\
             25 1 0:5 / /run rw - tmpfs tmpfs rw,mode=755\n\
             26 1 0:44 /@ /home rw - btrfs /dev/nvme0n1p2 rw,space_cache\n",
        );
        // a read-only mount of a writable file system: its journal still runs
        let disks = ["/", "/srv", "/home"].map(PathBuf::from);
        assert_eq!(writable(root.path()), disks);
    }
}
