//! File systems on disks, made read-only.

use super::{Ops, Step, Undo, listed};
use crate::memory::text;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Time that the kernel gets for its emergency remount, which runs by itself.
const EMERGENCY: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(200);

/// Remounts read-only what is writable and has a disk behind it; what is busy,
/// by the kernel's emergency remount (SysRq u), which asks nobody.
pub(super) fn read_only(root: &Path, ops: &dyn Ops, undo: &mut Vec<Undo>) -> Step {
    let before = writable(root);
    if before.is_empty() {
        return Step::done("no file system on a disk is writable");
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
        return Step::done(format!("{} file systems read-only", before.len()));
    }
    let left: Vec<String> = left.iter().map(|t| t.display().to_string()).collect();
    Step::partly(format!(
        "still writable after {} s, but synced: {}",
        EMERGENCY.as_secs(),
        listed(&left)
    ))
}

/// Mount points, in the order of mounting, of writable file systems that a block
/// device holds: one with a device number of its own, or (btrfs, zfs on a
/// partition) with a source in /dev.
fn writable(root: &Path) -> Vec<PathBuf> {
    let path = root.join("proc/self/mountinfo");
    let listing = text::read_bytes(&path, text::LISTING).unwrap_or_default();
    let listing = listing.split(|byte| *byte == b'\n');
    listing.filter_map(target).collect()
}

/// One line: `ID PARENT MAJOR:MINOR ROOT TARGET OPTIONS [TAGS] - TYPE SOURCE
/// SUPER-OPTIONS` (Linux, Documentation/filesystems/proc.rst).
fn target(line: &[u8]) -> Option<PathBuf> {
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let dash = words.iter().position(|word| *word == b"-")?;
    let (device, target) = (words.get(2)?, words.get(4)?);
    let (source, options) = (words.get(dash + 2)?, words.get(dash + 3)?);
    let disk = !device.starts_with(b"0:") || source.starts_with(b"/dev/");
    let mut options = options.split(|byte| *byte == b',');
    (disk && options.any(|word| word == b"rw")).then(|| unescape(target))
}

/// Undoes `\040` and its like.
pub(crate) fn unescape(word: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(word.len());
    let mut at = 0;
    while let Some(&byte) = word.get(at) {
        let digits = word.get(at + 1..at + 4).filter(|_| byte == b'\\');
        let value = digits
            .filter(|digits| digits.iter().all(|d| (b'0'..=b'7').contains(d)))
            .map(|d| d.iter().fold(0_u32, |n, d| n * 8 + u32::from(d - b'0')))
            .and_then(|value| u8::try_from(value).ok());
        bytes.push(value.unwrap_or(byte));
        at += if value.is_some() { 4 } else { 1 };
    }
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_writable_disks_count() {
        let cases: [(&str, Option<&str>); 8] = [
            (
                "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro",
                Some("/"),
            ),
            // read-only mount of a writable file system: its journal still runs
            ("23 1 8:2 / /srv ro - xfs /dev/sda2 rw", Some("/srv")),
            ("24 1 8:3 / /ro rw - ext4 /dev/sda3 ro", None),
            ("25 1 0:5 / /run rw - tmpfs tmpfs rw,mode=755", None),
            (
                "26 1 0:44 /@ /home rw - btrfs /dev/nvme0n1p2 rw,space_cache",
                Some("/home"),
            ),
            (
                r"27 1 8:4 / /mnt/a\040b\134 rw master:3 propagate_from:2 - vfat /dev/sdb1 rw",
                Some(r"/mnt/a b\"),
            ),
            ("28 1 8:5 / /x rw", None),
            ("", None),
        ];
        for (line, expected) in cases {
            assert_eq!(
                target(line.as_bytes()),
                expected.map(PathBuf::from),
                "{line}"
            );
        }
    }

    #[test]
    fn escapes_that_are_none_stay() {
        assert_eq!(unescape(br"a\9z\"), PathBuf::from(r"a\9z\"));
        assert_eq!(unescape(br"\777"), PathBuf::from(r"\777"));
    }
}
