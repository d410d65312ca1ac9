//! Turns unpacked packages into a root file system, like debootstrap and the maintainer scripts of
//! the packages.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::program::Program;
use super::{UUID, release};
use crate::debian;

/// Directories that Debian has merged into `/usr`, as links there.
const MERGED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];

/// Directories that are in no package.
const DIRECTORIES: [(&str, u32); 11] = [
    ("dev", 0o755),
    ("home", 0o755),
    ("mnt", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("var/crash", 0o755),
    ("var/lib/systemd", 0o755),
    ("var/tmp", 0o1777),
];

/// Links made by maintainer scripts.
const LINKS: [(&str, &str); 5] = [
    ("etc/mtab", "../proc/self/mounts"),
    ("etc/localtime", "/usr/share/zoneinfo/Etc/UTC"),
    ("usr/bin/awk", "mawk"),
    ("usr/bin/which", "which.debianutils"),
    // the serial port is used by the test
    ("etc/systemd/system/serial-getty@ttyS0.service", "/dev/null"),
];

/// Files made by maintainer scripts or the installer.
fn files() -> [(&'static str, String); 6] {
    [
        (
            "etc/fstab",
            format!("UUID={UUID} / ext4 errors=remount-ro 0 1\n"),
        ),
        ("etc/hostname", "guest\n".to_owned()),
        (
            "etc/hosts",
            "127.0.0.1 localhost\n127.0.1.1 guest\n".to_owned(),
        ),
        (
            "etc/machine-id",
            "6d62746f6f6c64656269616e31322e2e\n".to_owned(),
        ),
        (
            "etc/nsswitch.conf",
            "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n".to_owned(),
        ),
        (
            "etc/initramfs-tools/conf.d/resume",
            "RESUME=none\n".to_owned(),
        ),
    ]
}

/// Inputs of the result, besides the packages.
pub(super) fn recipe() -> String {
    format!("1 {MERGED:?} {DIRECTORIES:?} {LINKS:?} {:?}\n", files())
}

/// Builds the root file system `tree` from the packages below `root`, on the same file
/// system.
pub(super) fn tree(root: &Path, tree: &Path) -> Result<()> {
    // hard links to the store's files, which are replaced here, never written
    let mut copy = Command::new("cp");
    debian::output(copy.args(["--archive", "--link"]).arg(root).arg(tree))?;
    for name in MERGED {
        merge(tree, name)?;
    }
    for (name, mode) in DIRECTORIES {
        let path = tree.join(name);
        fs::create_dir_all(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
    }
    for (name, target) in LINKS {
        symlink(target, tree.join(name)).with_context(|| format!("cannot make the link {name}"))?;
    }
    for (name, text) in files() {
        write(tree, name, &text, 0o644)?;
    }
    let master = |name: &str| fs::read_to_string(root.join("usr/share/base-passwd").join(name));
    // no passwords: there are no logins
    let passwd = master("passwd.master").context("base-passwd's list of users")?;
    write(tree, "etc/passwd", &passwd.replace(":*:", ":x:"), 0o644)?;
    write(tree, "etc/group", &master("group.master")?, 0o644)?;
    let shadow: String = passwd
        .lines()
        .filter_map(|line| line.split(':').next())
        .map(|user| format!("{user}:*:19000:0:99999:7:::\n"))
        .collect();
    write(tree, "etc/shadow", &shadow, 0o640)?;
    Program::called(root, "bin/kmod", "depmod")
        .args(["-a", "-b"])
        .arg_path("", tree)
        .args([release(root)?])
        .output()
        .map(drop)
}

/// Moves `tree/NAME` to `tree/usr/NAME` and makes a link.
fn merge(tree: &Path, name: &str) -> Result<()> {
    let (from, to) = (tree.join(name), tree.join("usr").join(name));
    if from.is_symlink() {
        return Ok(());
    }
    if from.exists() {
        move_into(&from, &to)?;
    } else {
        fs::create_dir_all(&to)?;
    }
    Ok(symlink(Path::new("usr").join(name), from)?)
}

fn move_into(from: &Path, to: &Path) -> Result<()> {
    if !to.exists() {
        return Ok(fs::rename(from, to)?);
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            move_into(&entry.path(), &target)?;
        } else {
            ensure!(
                !target.is_symlink() && !target.exists(),
                "two packages have {}, merged and not merged",
                target.display()
            );
            fs::rename(entry.path(), target)?;
        }
    }
    Ok(fs::remove_dir(from)?)
}

/// Replaces a file: the old one may be a hard link to the store's.
fn write(tree: &Path, name: &str, text: &str, mode: u32) -> Result<()> {
    let path = tree.join(name);
    if path.exists() {
        fs::remove_file(&path)?;
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(fs::set_permissions(
        &path,
        fs::Permissions::from_mode(mode),
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_merged_into_usr() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path();
        for path in ["lib/a/one", "usr/lib/a/two", "bin/sh"] {
            write(tree, path, path, 0o755).unwrap();
        }
        for name in MERGED {
            merge(tree, name).unwrap();
            // repeating it has no effect
            merge(tree, name).unwrap();
        }
        for path in [
            "lib/a/one",
            "lib/a/two",
            "usr/lib/a/one",
            "usr/bin/sh",
            "bin/sh",
        ] {
            assert!(tree.join(path).is_file(), "{path}");
        }
        assert_eq!(
            fs::read_link(tree.join("lib64")).unwrap(),
            Path::new("usr/lib64")
        );
    }

    #[test]
    fn a_file_in_both_places_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["bin/sh", "usr/bin/sh"] {
            write(dir.path(), path, path, 0o755).unwrap();
        }
        let error = merge(dir.path(), "bin").unwrap_err().to_string();
        assert!(error.contains("usr/bin/sh"), "{error}");
    }
}
