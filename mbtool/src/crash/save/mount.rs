//! The file system that a dump goes to, mounted and writable.

use super::child::{self, Output};
use super::run::Run;
use super::watchdog::modprobe;
use crate::quiesce::unescape;
use anyhow::{Context, Result, bail};
use rustix::fs::makedev;
use rustix::mount::{MountFlags, UnmountFlags};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where it is mounted, if it is not yet; the first that can be made.
const POINTS: [&str; 2] = ["/run/mbtool-crash", "/tmp/mbtool-crash"];
/// Types to load modules for, where nobody says which it is.
const USUAL: [&str; 4] = ["ext4", "xfs", "btrfs", "vfat"];
/// A journal is replayed; a mount of a dead disk does not come back.
const MOUNT: Duration = Duration::from_secs(120);
/// Unmounting writes what is left.
const UNMOUNT: Duration = Duration::from_secs(60);

/// A file system that is mounted and writable.
#[derive(Debug)]
pub struct Mounted {
    /// Where.
    pub point: PathBuf,
    /// What it was before.
    was: Was,
}

/// Before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Was {
    Absent,
    ReadOnly,
    Writable,
}

/// A line of /proc/self/mountinfo.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    device: (u32, u32),
    /// What of the file system is mounted there.
    root: PathBuf,
    point: PathBuf,
    writable: bool,
    source: PathBuf,
}

/// Mounts the file system on `node`, or makes it writable where it is mounted.
///
/// # Errors
///
/// No type fits, or the kernel refuses.
pub fn mount(run: &Run, node: &Path) -> Result<Mounted> {
    run.pulse.step("mounting the disk");
    let number = fs::metadata(node)
        .with_context(|| node.display().to_string())?
        .rdev();
    let entries = entries(&fs::read("/proc/self/mountinfo").unwrap_or_default());
    // the whole of it, not a directory of it
    let same = |entry: &&Entry| {
        let (major, minor) = entry.device;
        (makedev(major, minor) == number || entry.source == node) && entry.root == Path::new("/")
    };
    if let Some(entry) = entries.iter().rev().find(same) {
        let point = entry.point.clone();
        if !entry.writable {
            remount(run, &point)?;
        }
        let was = if entry.writable {
            Was::Writable
        } else {
            Was::ReadOnly
        };
        return Ok(Mounted { point, was });
    }
    let point = point()?;
    let kind = kind(run, node);
    modprobe(run, &kind.iter().map(String::as_str).collect::<Vec<_>>());
    let mut why = Vec::new();
    for round in 0..2 {
        let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
        let types = match &kind {
            Some(kind) => vec![kind.clone()],
            None => types(&known),
        };
        why.clear();
        for kind in types {
            match try_one(run, node, &point, &kind) {
                Ok(()) => {
                    run.talk.say(format_args!(
                        "{} ({kind}) is mounted at {}",
                        node.display(),
                        point.display()
                    ));
                    let was = Was::Absent;
                    return Ok(Mounted { point, was });
                }
                Err(error) => why.push(format!("{kind}: {error}")),
            }
            run.pulse.beat();
        }
        if round == 0 && kind.is_none() {
            modprobe(run, &USUAL);
        }
    }
    if why.is_empty() {
        why.push(
            "this kernel knows no type of file system; is its module in the initramfs?".into(),
        );
    }
    bail!("cannot mount {}: {}", node.display(), why.join("; "));
}

fn try_one(run: &Run, node: &Path, point: &Path, kind: &str) -> Result<(), String> {
    let (node, point, kind) = (node.to_owned(), point.to_owned(), kind.to_owned());
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    run.within(MOUNT, move || {
        rustix::mount::mount(&node, &point, &*kind, flags, None).map_err(|errno| errno.to_string())
    })?
}

/// Makes what is mounted at `point` writable.
fn remount(run: &Run, point: &Path) -> Result<()> {
    let target = point.to_owned();
    let done = run.within(MOUNT, move || {
        rustix::mount::mount_remount(&target, MountFlags::empty(), c"")
            .map_err(|errno| errno.to_string())
    });
    let done = done.and_then(|done| done);
    done.map_err(|why| anyhow::anyhow!("cannot make {} writable: {why}", point.display()))
}

/// Makes what `path` is on writable, if it is not: for a directory on a file
/// system that an initramfs has mounted.
///
/// # Errors
///
/// It cannot be made writable.
pub fn writable(run: &Run, path: &Path) -> Result<Option<Mounted>> {
    let entries = entries(&fs::read("/proc/self/mountinfo").unwrap_or_default());
    let on = entries
        .iter()
        .rev()
        .filter(|entry| path.starts_with(&entry.point))
        .max_by_key(|entry| entry.point.components().count());
    match on {
        Some(entry) if !entry.writable => {
            remount(run, &entry.point)?;
            Ok(Some(Mounted {
                point: entry.point.clone(),
                was: Was::ReadOnly,
            }))
        }
        _ => Ok(None),
    }
}

/// Whether something is mounted at `path`.
#[must_use]
pub fn is_mount(path: &Path) -> bool {
    let entries = entries(&fs::read("/proc/self/mountinfo").unwrap_or_default());
    entries.iter().any(|entry| entry.point == path)
}

impl Mounted {
    /// Makes it as it was; what is left is written.
    ///
    /// # Errors
    ///
    /// One clause.
    pub fn undo(self, run: &Run) -> Result<(), String> {
        let point = self.point;
        let done = match self.was {
            Was::Writable => return Ok(()),
            Was::ReadOnly => run.within(UNMOUNT, move || {
                rustix::mount::mount_remount(&point, MountFlags::RDONLY, c"")
            }),
            Was::Absent => run.within(UNMOUNT, move || {
                rustix::mount::unmount(&point, UnmountFlags::empty()).inspect_err(|_| {
                    // somebody is in it: what is left is written at least
                    let _ = rustix::mount::mount_remount(&point, MountFlags::RDONLY, c"");
                })
            }),
        };
        done?.map_err(|errno| errno.to_string())
    }
}

fn point() -> Result<PathBuf> {
    let mut why = None;
    for point in POINTS {
        match fs::create_dir_all(point) {
            Ok(()) => return Ok(point.into()),
            Err(error) => why = Some(error),
        }
    }
    Err(why.map_or_else(|| anyhow::anyhow!("nowhere"), Into::into))
        .context("no directory to mount on")
}

/// The type of the file system, where there is a blkid to ask.
fn kind(run: &Run, node: &Path) -> Option<String> {
    let mut command = Command::new("blkid");
    command.args(["-o", "value", "-s", "TYPE"]).arg(node);
    let said = child::run(run, command, Output::Keep, || 0).ok()?;
    let said = String::from_utf8(said).ok()?;
    let kind = said.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    (!kind.is_empty() && kind.chars().all(plain)).then(|| kind.to_owned())
}

/// Types that a disk may have, of /proc/filesystems.
fn types(known: &str) -> Vec<String> {
    let on_disks = known.lines().filter(|line| !line.starts_with("nodev"));
    on_disks
        .map(|line| line.trim().to_owned())
        .filter(|kind| !kind.is_empty())
        .collect()
}

/// The mounts, the first one first (Linux, Documentation/filesystems/proc.rst).
fn entries(mountinfo: &[u8]) -> Vec<Entry> {
    let entry = |line: &[u8]| {
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let dash = words.iter().position(|word| *word == b"-")?;
        let device = std::str::from_utf8(words.get(2)?).ok()?;
        let (major, minor) = device.split_once(':')?;
        let has = |options: &[u8], word: &[u8]| options.split(|b| *b == b',').any(|o| o == word);
        Some(Entry {
            device: (major.parse().ok()?, minor.parse().ok()?),
            root: unescape(words.get(3)?),
            point: unescape(words.get(4)?),
            writable: has(words.get(5)?, b"rw") && has(words.get(dash + 3)?, b"rw"),
            source: unescape(words.get(dash + 2)?),
        })
    };
    mountinfo
        .split(|byte| *byte == b'\n')
        .filter_map(entry)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_disks_are_told_from_others() {
        let known = "nodev\tsysfs\nnodev\ttmpfs\n\text3\n\text4\nnodev\tproc\n\tvfat\n";
        assert_eq!(types(known), ["ext3", "ext4", "vfat"]);
    }

    #[test]
    fn mounts_are_read() {
        let text = b"22 1 254:1 / /root ro,relatime shared:1 - ext4 /dev/vda1 rw\n\
            23 1 0:44 /@ /a\\040b rw - btrfs /dev/nvme0n1p2 rw,ssd\n\
            24 1 8:1 / /ro rw - ext4 /dev/sda1 ro\n\
            bad line\n\n";
        let found = entries(text);
        assert_eq!(found.len(), 3);
        assert_eq!(
            found[0],
            Entry {
                device: (254, 1),
                root: "/".into(),
                point: "/root".into(),
                writable: false,
                source: "/dev/vda1".into()
            }
        );
        assert!(found[1].writable && found[1].point == Path::new("/a b"));
        assert!(!found[2].writable);
    }
}
