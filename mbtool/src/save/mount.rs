//! Mounts the file system of the dump, writable.

use super::context::SaveContext;
use super::process::{self, Output};
use super::watchdog::modprobe;
use crate::sys::mountinfo::{self, Mount};
use anyhow::{Context, Result, bail};
use rustix::fs::makedev;
use rustix::mount::{MountFlags, UnmountFlags};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Mount points; the first that can be created is used.
const POINTS: [&str; 2] = ["/run/mbtool-crash", "/tmp/mbtool-crash"];
/// File system types whose modules are loaded if the type is unknown.
const USUAL: [&str; 4] = ["ext4", "xfs", "btrfs", "vfat"];
/// Timeout of a mount: a journal may be replayed; a failed disk never responds.
const MOUNT: Duration = Duration::from_secs(120);
/// Timeout of an unmount, which writes dirty data.
const UNMOUNT: Duration = Duration::from_secs(60);

/// A mounted, writable file system.
#[derive(Debug)]
pub struct Mounted {
    /// Mount point.
    pub point: PathBuf,
    /// State before.
    was: Was,
}

/// State before it was mounted or remounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Was {
    Absent,
    ReadOnly,
    Writable,
}

/// Mounts the file system on `node`, or remounts it writable.
///
/// # Errors
///
/// When no type matches, or the kernel refuses.
pub fn mount(run: &SaveContext, node: &Path) -> Result<Mounted> {
    run.heartbeat.step("mounting the disk");
    let number = fs::metadata(node)
        .with_context(|| node.display().to_string())?
        .rdev();
    let mounts = mounts();
    // its root directory, not a subdirectory
    let same = |mount: &&Mount| {
        let (major, minor) = mount.device;
        (makedev(major, minor) == number || mount.source == node) && mount.root == Path::new("/")
    };
    if let Some(mount) = mounts.iter().rev().find(same) {
        let point = mount.point.clone();
        if !mount.writable() {
            remount(run, &point)?;
        }
        let was = if mount.writable() {
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
                    run.console.say(format_args!(
                        "{} ({kind}) is mounted at {}",
                        node.display(),
                        point.display()
                    ));
                    let was = Was::Absent;
                    return Ok(Mounted { point, was });
                }
                Err(error) => why.push(format!("{kind}: {error}")),
            }
            run.heartbeat.beat();
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

fn try_one(run: &SaveContext, node: &Path, point: &Path, kind: &str) -> Result<(), String> {
    let (node, point, kind) = (node.to_owned(), point.to_owned(), kind.to_owned());
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    run.within(MOUNT, move || {
        rustix::mount::mount(&node, &point, &*kind, flags, None).map_err(|errno| errno.to_string())
    })?
}

/// Remounts `point` writable.
fn remount(run: &SaveContext, point: &Path) -> Result<()> {
    let target = point.to_owned();
    let done = run.within(MOUNT, move || {
        rustix::mount::mount_remount(&target, MountFlags::empty(), c"")
            .map_err(|errno| errno.to_string())
    });
    let done = done.and_then(|done| done);
    done.map_err(|why| anyhow::anyhow!("cannot make {} writable: {why}", point.display()))
}

/// Remounts the file system of `path` writable if needed: for a directory on a
/// file system that an initramfs has mounted.
///
/// # Errors
///
/// When it cannot be remounted.
pub fn writable(run: &SaveContext, path: &Path) -> Result<Option<Mounted>> {
    let mounts = mounts();
    let on = mounts
        .iter()
        .rev()
        .filter(|mount| path.starts_with(&mount.point))
        .max_by_key(|mount| mount.point.components().count());
    match on {
        Some(mount) if !mount.writable() => {
            remount(run, &mount.point)?;
            Ok(Some(Mounted {
                point: mount.point.clone(),
                was: Was::ReadOnly,
            }))
        }
        _ => Ok(None),
    }
}

/// True when `path` is a mount point.
#[must_use]
pub fn is_mount(path: &Path) -> bool {
    let mounts = mounts();
    mounts.iter().any(|mount| mount.point == path)
}

impl Mounted {
    /// Restores the previous state; dirty data is written.
    ///
    /// # Errors
    ///
    /// The reason, as a clause.
    pub fn undo(self, run: &SaveContext) -> Result<(), String> {
        let point = self.point;
        let done = match self.was {
            Was::Writable => return Ok(()),
            Was::ReadOnly => run.within(UNMOUNT, move || {
                rustix::mount::mount_remount(&point, MountFlags::RDONLY, c"")
            }),
            Was::Absent => run.within(UNMOUNT, move || {
                rustix::mount::unmount(&point, UnmountFlags::empty()).inspect_err(|_| {
                    // the mount is busy: dirty data is written at least
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

/// Returns the type of the file system, if blkid is available.
fn kind(run: &SaveContext, node: &Path) -> Option<String> {
    let mut command = Command::new("blkid");
    command.args(["-o", "value", "-s", "TYPE"]).arg(node);
    let said = process::run(run, command, Output::Keep, || 0).ok()?;
    let said = String::from_utf8(said).ok()?;
    let kind = said.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    (!kind.is_empty() && kind.chars().all(plain)).then(|| kind.to_owned())
}

/// Returns the types for block devices in /proc/filesystems.
fn types(known: &str) -> Vec<String> {
    let on_disks = known.lines().filter(|line| !line.starts_with("nodev"));
    on_disks
        .map(|line| line.trim().to_owned())
        .filter(|kind| !kind.is_empty())
        .collect()
}

/// Returns the mounts of this system, in mount order.
fn mounts() -> Vec<Mount> {
    mountinfo::read(Path::new("/")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_for_block_devices_are_selected() {
        let known = "nodev\tsysfs\nnodev\ttmpfs\n\text3\n\text4\nnodev\tproc\n\tvfat\n";
        assert_eq!(types(known), ["ext3", "ext4", "vfat"]);
    }
}
