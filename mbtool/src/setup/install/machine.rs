//! Facts of this machine for its configuration.

use crate::config::target::DeviceSpec;
use crate::sys::file;
use crate::sys::mountinfo;
use std::path::{Component, Path, PathBuf};
use xen_shim::cmdline::Cmdline;
use xen_shim::fix::{Fix, Remedy, tail};

/// The detected crash kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CrashKernel {
    /// Path of Xen.
    Xen(String),
    /// There is no Xen: use the running kernel.
    Linux,
}

/// A directory as seen by the crash kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashDirectory {
    /// The file system.
    pub device: DeviceSpec,
    /// Path from the root of that file system.
    pub path: PathBuf,
}

/// Why a crash kernel cannot find a directory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// The mounts cannot be read.
    #[error("{0}: {1}")]
    Mounts(PathBuf, String),
    /// Its file system is not on a disk.
    #[error(
        "{dir} is on a {kind} file system ({source_name}), which the crash kernel cannot mount{}",
        tail(self.fix())
    )]
    Kind {
        /// The directory.
        dir: String,
        /// Type of its file system.
        kind: String,
        /// Source of the mount.
        source_name: String,
    },
}

impl Fix for PlaceError {
    fn fix(&self) -> Remedy {
        match self {
            Self::Kind { .. } => {
                Some("name a directory on a disk (--target), or the file system (--device)".into())
            }
            Self::Mounts(..) => None,
        }
    }
}

/// Returns the newest Xen in `root`'s /boot, else Linux.
#[must_use]
pub fn image(root: &Path) -> CrashKernel {
    let names = std::fs::read_dir(root.join("boot"))
        .into_iter()
        .flatten()
        .flatten();
    let newest = names
        .filter_map(|entry| {
            let name = entry.file_name().to_str()?.to_owned();
            let version = name.strip_prefix("xen-")?.strip_suffix(".gz")?;
            // skip debug builds and links
            let numbers: Vec<u32> = version
                .split(['-', '.'])
                .map_while(|part| part.parse().ok())
                .collect();
            (!numbers.is_empty()).then_some((numbers, name))
        })
        .max();
    match newest {
        Some((_, name)) => CrashKernel::Xen(format!("/boot/{name}")),
        None => CrashKernel::Linux,
    }
}

/// Returns the running kernel's command line, empty if unknown.
#[must_use]
pub fn cmdline(root: &Path) -> String {
    file::read(&root.join("proc/cmdline"), file::LISTING)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// Returns the serial console of the running kernel: number from 0, and baud
/// rate.
#[must_use]
pub fn serial(cmdline: &str) -> Option<(u8, u32)> {
    Cmdline::linux(cmdline)
        .values("console")
        .rev()
        .find_map(|value| {
            let port = value.strip_prefix("ttyS")?;
            let (number, settings) = port.split_once(',').unwrap_or((port, ""));
            let digits = settings.find(|c: char| !c.is_ascii_digit());
            let baud = &settings[..digits.unwrap_or(settings.len())];
            // Linux's default is 9600
            let baud = if baud.is_empty() {
                Ok(9600)
            } else {
                baud.parse()
            };
            Some((number.parse().ok()?, baud.ok()?))
        })
}

/// Returns file system and path of `dir`.
///
/// # Errors
///
/// When mounts cannot be read, or the file system is not on a disk.
pub fn place(root: &Path, dir: &Path) -> Result<CrashDirectory, PlaceError> {
    let shown = || PathBuf::from("/proc/self/mountinfo");
    let mounts =
        mountinfo::read(root).map_err(|error| PlaceError::Mounts(shown(), error.to_string()))?;
    let dir = real(root, dir);
    // the last mount on a directory is the visible one
    let mount = mounts
        .into_iter()
        .filter(|mount| dir.starts_with(&mount.point))
        .max_by_key(|mount| mount.point.components().count());
    let Some(mount) = mount else {
        let text = format!("nothing is mounted that holds {}", dir.display());
        return Err(PlaceError::Mounts(shown(), text));
    };
    if !mount.source.starts_with("/dev") {
        return Err(PlaceError::Kind {
            dir: dir.display().to_string(),
            kind: mount.kind,
            source_name: mount.source.display().to_string(),
        });
    }
    let inside = dir.strip_prefix(&mount.point).unwrap_or(&dir);
    Ok(CrashDirectory {
        device: named(root, &mount.source),
        path: Path::new("/").join(&mount.root).join(inside),
    })
}

/// Resolves symbolic links in the existing part of `dir`.
fn real(root: &Path, dir: &Path) -> PathBuf {
    for known in dir.ancestors() {
        let inside = known.strip_prefix("/").unwrap_or(known);
        let Ok(found) = root.join(inside).canonicalize() else {
            continue;
        };
        let base = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let found = found.strip_prefix(&base).unwrap_or(&found);
        let rest = dir.strip_prefix(known).unwrap_or(Path::new(""));
        return Path::new("/").join(found).join(rest);
    }
    dir.to_owned()
}

/// Returns a device name that is the same in every kernel: by UUID if possible.
fn named(root: &Path, device: &Path) -> DeviceSpec {
    let by_uuid = root.join("dev/disk/by-uuid");
    let wanted = last(device);
    let links = std::fs::read_dir(by_uuid).into_iter().flatten().flatten();
    // /dev/mapper/x itself is a link
    let own = std::fs::read_link(root.join(device.strip_prefix("/").unwrap_or(device)));
    let own = own.ok().and_then(|target| last(&target));
    let found = links
        .filter_map(|link| {
            let target = last(&std::fs::read_link(link.path()).ok()?)?;
            let same = Some(&target) == wanted.as_ref() || Some(&target) == own.as_ref();
            let name = link.file_name().to_str()?.to_owned();
            same.then_some(name)
        })
        .min();
    found
        .and_then(|uuid| DeviceSpec::try_from(format!("UUID={uuid}")).ok())
        .unwrap_or_else(|| DeviceSpec::Path(device.to_owned()))
}

fn last(path: &Path) -> Option<String> {
    match path.components().next_back()? {
        Component::Normal(name) => Some(name.to_str()?.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::put;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_newest_xen_is_used() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(image(dir.path()), CrashKernel::Linux);
        for name in [
            "xen-4.9-amd64.gz",
            "xen-4.17-amd64.gz",
            "xen-4.20.3.gz",
            "xen.gz",
            "xen-4.21-amd64.config",
        ] {
            put(dir.path(), &format!("boot/{name}"), "");
        }
        assert_eq!(
            image(dir.path()),
            CrashKernel::Xen("/boot/xen-4.20.3.gz".into())
        );
    }

    #[test]
    fn the_serial_console_is_the_last_one() {
        assert_eq!(
            serial("console=tty0 console=ttyS1,57600n8 quiet"),
            Some((1, 57600))
        );
        assert_eq!(
            serial("console=ttyS0,115200 console=ttyS1"),
            Some((1, 9600))
        );
        for none in [
            "",
            "console=tty0",
            "console=hvc0",
            "console=ttySx",
            "console=ttyAMA0",
        ] {
            assert_eq!(serial(none), None, "{none}");
        }
    }

    #[test]
    fn a_directory_is_found_on_its_file_system() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        put(
            root,
            "proc/self/mountinfo",
            "22 1 254:0 / / rw - ext4 /dev/vda1 rw\n\
             23 22 0:5 / /proc rw - proc proc rw\n\
             24 22 254:3 / /var rw shared:1 - ext4 /dev/mapper/vg-var rw\n\
             25 22 0:30 /@srv /srv rw - btrfs /dev/vdb rw\n\
             26 22 0:31 / /tmp rw - tmpfs tmpfs rw\n\
             27 22 254:9 / /mnt/my\\040disk rw - xfs /dev/vdc rw\n",
        );
        for (uuid, target) in [
            ("1-2", "../../vda1"),
            ("3-4", "../../dm-0"),
            ("5-6", "../../vdb"),
        ] {
            fs::create_dir_all(root.join("dev/disk/by-uuid")).unwrap();
            symlink(target, root.join("dev/disk/by-uuid").join(uuid)).unwrap();
        }
        fs::create_dir_all(root.join("dev/mapper")).unwrap();
        symlink("../dm-0", root.join("dev/mapper/vg-var")).unwrap();
        fs::create_dir_all(root.join("var/spool")).unwrap();
        symlink("var/spool", root.join("spool")).unwrap();
        let at = |path: &str| {
            let place = place(root, Path::new(path)).unwrap();
            (place.device.to_string(), place.path.display().to_string())
        };
        let pair = |device: &str, path: &str| (device.to_owned(), path.to_owned());
        assert_eq!(at("/crash/x"), pair("UUID=1-2", "/crash/x"));
        assert_eq!(at("/var/crash"), pair("UUID=3-4", "/crash"));
        assert_eq!(at("/spool/a"), pair("UUID=3-4", "/spool/a"));
        assert_eq!(at("/var"), pair("UUID=3-4", "/"));
        assert_eq!(at("/srv/dumps"), pair("UUID=5-6", "/@srv/dumps"));
        assert_eq!(at("/mnt/my disk/a"), pair("/dev/vdc", "/a"));
        let expected = PlaceError::Kind {
            dir: "/tmp/x".to_owned(),
            kind: "tmpfs".to_owned(),
            source_name: "tmpfs".to_owned(),
        };
        assert_eq!(place(root, Path::new("/tmp/x")), Err(expected));
    }
}
