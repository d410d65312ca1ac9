//! Debian as a test guest: Debian 12 with systemd, udev and initramfs-tools, on a disk image built
//! without privileges.
//!
//! Packages come from [`crate::store`]. Maintainer scripts are not run; `finish` replaces
//! them. The image is kept in the cache directory under a name with the digest of its inputs.

mod disk;
mod finish;
mod packages;
mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cache;
use crate::debian;
use crate::digest::Sha256Digest;
use crate::progress::say;
use crate::store;

use packages::RECIPE;
pub use program::Program;

/// UUID of the file system on the disk.
pub const UUID: &str = "6d627462-6d62-4264-8d62-646562313200";

/// The disk image in an entry, and its SHA-256.
const IMAGE: &str = "disk.img";
const IMAGE_DIGEST: &str = "disk.img.sha256";

/// Dependencies between the modules of its kernel.
const MODULES_DEP: &str = "modules.dep";

/// The Debian of the tests.
#[derive(Clone, Debug)]
pub struct Debian {
    /// The unpacked packages: the kernel, and programs of the same Debian to run on this machine.
    root: PathBuf,
    /// The disk: an ext4 file system without partitions. It belongs to the cache and must not
    /// be written.
    pub disk: PathBuf,
    /// Output of depmod.
    modules_dep: PathBuf,
}

impl Debian {
    /// Finds it in the cache; fetches packages and builds the image if there is no intact one.
    pub fn find() -> Result<Self> {
        let entry = store::open(&RECIPE).context(
            "Debian 12 as a guest is not cached and cannot be fetched: run this once with a network",
        )?;
        say("setup", format_args!("Debian 12 as a guest: {entry}"));
        let root = entry.root;
        let disk = image(&root)?;
        let modules_dep = disk.with_file_name(MODULES_DEP);
        Ok(Self {
            root,
            disk,
            modules_dep,
        })
    }

    /// Returns the release of its kernel (`uname -r`).
    pub fn release(&self) -> Result<String> {
        release(&self.root)
    }

    /// Its kernel.
    pub fn kernel(&self) -> Result<PathBuf> {
        Ok(self.root.join(format!("boot/vmlinuz-{}", self.release()?)))
    }

    /// Builds `to`, a disk like [`Self::disk`] with `initrd` as the initrd of its kernel, for a
    /// boot loader that reads both from the disk.
    pub fn bootable_disk(&self, initrd: &[u8], to: &Path) -> Result<()> {
        let mut copy = Command::new("cp");
        debian::output(copy.arg("--sparse=always").arg(&self.disk).arg(to))?;
        let name = format!("initrd.img-{}", self.release()?);
        disk::add(&self.root, to, "/boot", &name, initrd)
    }

    /// Returns GRUB for UEFI, in one file that reads its configuration from `/EFI/debian/grub.cfg`
    /// beside it.
    pub fn grub_efi(&self) -> PathBuf {
        self.root
            .join("usr/lib/grub/x86_64-efi/monolithic/grubx64.efi")
    }

    /// Returns modules of its kernel by name (as for `modprobe`), with dependencies, in load order:
    /// file name and contents.
    pub fn modules(&self, names: &[&str]) -> Result<Vec<(String, Vec<u8>)>> {
        let all = fs::read_to_string(&self.modules_dep)
            .with_context(|| format!("cannot read {}", self.modules_dep.display()))?;
        let dir = self.root.join("lib/modules").join(self.release()?);
        let mut wanted: Vec<&str> = Vec::new();
        for name in names {
            let line = all.lines().find_map(|line| {
                let (path, needs) = line.split_once(':')?;
                let file = path.rsplit('/').next()?.strip_suffix(".ko")?;
                (file.replace('-', "_") == name.replace('-', "_")).then_some((path, needs))
            });
            let (path, needs) = line.with_context(|| format!("the kernel has no module {name}"))?;
            // depmod lists the first one to load last
            for path in needs.split_whitespace().rev().chain([path]) {
                if !wanted.contains(&path) {
                    wanted.push(path);
                }
            }
        }
        let read = |path: &str| {
            let file = dir.join(path);
            let data =
                fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let name = path.rsplit('/').next().unwrap_or(path);
            Ok((name.to_owned(), data))
        };
        wanted.into_iter().map(read).collect()
    }

    /// Returns a program of it, to run on this machine.
    pub fn program(&self, path: &str) -> Program {
        Program::new(&self.root, path)
    }
}

/// Returns the release of the only kernel below `root`.
fn release(root: &Path) -> Result<String> {
    let boot = root.join("boot");
    let names = fs::read_dir(&boot).with_context(|| format!("cannot read {}", boot.display()))?;
    let found: Vec<String> = names
        .flatten()
        .filter_map(|entry| {
            Some(
                entry
                    .file_name()
                    .to_str()?
                    .strip_prefix("vmlinuz-")?
                    .to_owned(),
            )
        })
        .collect();
    ensure!(
        found.len() == 1,
        "{} has the kernels {found:?}, expected one",
        boot.display()
    );
    Ok(found.concat())
}

/// Builds the disk image from the packages below `root`.
fn image(root: &Path) -> Result<PathBuf> {
    let packages = root
        .parent()
        .and_then(Path::file_name)
        .context("a store entry has a name")?;
    let recipe = format!(
        "{}\n{}{}",
        packages.display(),
        finish::recipe(),
        disk::recipe()
    );
    let digest = Sha256Digest::of(recipe.as_bytes()).to_string();
    let built = cache::dir()?.join("built");
    let entry = built.join(format!("debian-12-{}", &digest[..16]));
    fs::create_dir_all(&built)?;
    let _lock = cache::lock(&entry.with_extension("lock"))?;
    match whole(&entry) {
        Ok(image) => return Ok(image),
        Err(error) if entry.exists() => {
            let text = format_args!(
                "{} is damaged and is made again: {error:#}",
                entry.display()
            );
            say("setup", text);
        }
        Err(_) => {}
    }
    say("setup", format_args!("making the disk of a Debian guest"));
    let work = entry.with_extension("part");
    for old in [&work, &entry] {
        if old.exists() {
            fs::remove_dir_all(old)?;
        }
    }
    let tree = work.join("tree");
    let made = work.join("entry");
    fs::create_dir_all(&made)?;
    finish::tree(root, &tree)?;
    let modules = tree.join("lib/modules").join(release(root)?);
    fs::copy(modules.join(MODULES_DEP), made.join(MODULES_DEP))?;
    let image = made.join(IMAGE);
    disk::make(root, &tree, &image)?;
    fs::write(
        made.join(IMAGE_DIGEST),
        Sha256Digest::of_file(&image)?.to_string(),
    )?;
    fs::rename(&made, &entry)?;
    fs::remove_dir_all(&work)?;
    whole(&entry)
}

/// Returns the image of an entry, after checking its digest.
fn whole(entry: &Path) -> Result<PathBuf> {
    let image = entry.join(IMAGE);
    let expected = fs::read_to_string(entry.join(IMAGE_DIGEST))
        .with_context(|| format!("no {IMAGE_DIGEST} in {}", entry.display()))?;
    let found = Sha256Digest::of_file(&image)?.to_string();
    ensure!(
        found == expected.trim(),
        "{IMAGE} has digest {found}, expected {}",
        expected.trim()
    );
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_comes_after_what_it_needs() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let modules_dep = root.join("modules.dep");
        fs::write(
            &modules_dep,
            "kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko kernel/lib/crc16.ko\n\
             kernel/fs/jbd2/jbd2.ko:\nkernel/lib/crc16.ko:\nkernel/v/virtio-x.ko: kernel/lib/crc16.ko\n",
        )
        .unwrap();
        for path in ["fs/ext4/ext4", "fs/jbd2/jbd2", "lib/crc16", "v/virtio-x"] {
            let file = root.join(format!("lib/modules/6.1/kernel/{path}.ko"));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, path).unwrap();
        }
        fs::create_dir_all(root.join("boot")).unwrap();
        fs::write(root.join("boot/vmlinuz-6.1"), "").unwrap();
        let debian = Debian {
            root: root.to_owned(),
            disk: root.join("disk.img"),
            modules_dep,
        };
        let modules = debian.modules(&["virtio_x", "ext4"]).unwrap();
        let names: Vec<_> = modules.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["crc16.ko", "virtio-x.ko", "jbd2.ko", "ext4.ko"]);
        let error = debian.modules(&["none"]).unwrap_err().to_string();
        assert!(error.contains("none"), "{error}");
    }

    #[test]
    fn a_damaged_image_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(IMAGE), "disk").unwrap();
        fs::write(
            dir.path().join(IMAGE_DIGEST),
            Sha256Digest::of(b"disk").to_string(),
        )
        .unwrap();
        assert_eq!(whole(dir.path()).unwrap(), dir.path().join(IMAGE));
        fs::write(dir.path().join(IMAGE), "disc").unwrap();
        let error = whole(dir.path()).unwrap_err().to_string();
        assert!(error.contains("expected"), "{error}");
    }
}
