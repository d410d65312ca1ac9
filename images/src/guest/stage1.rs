//! The initramfs of the first kernel, on bare metal or as dom0.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::base::base;
use crate::assets::{self, Asset, BUSYBOX};
use crate::cpio::Archive;

/// Line of a first stage, after [`STAGE1`](super::STAGE1), when it has found [`SLOT`] and waits for
/// the files of a test.
pub const WAITING: &str = "WAITING";

/// A file of the root directory. If the initramfs has it, the first stage waits until it begins
/// with a cpio archive, and unpacks that to the root directory.
pub const SLOT: &str = "slot";

/// Busybox, the files added to it, and a script to run. Under Xen, the modules and file systems for
/// access to Xen ([`xen_modules`]) are loaded and mounted first.
#[derive(Debug)]
pub struct Stage1 {
    base: Archive,
    files: Archive,
}

/// The initramfs of a first stage, in two parts.
#[derive(Clone, Debug)]
pub struct Stage1Initrd {
    /// A cpio archive that is the same for every first stage.
    pub base: Vec<u8>,
    /// A cpio archive with the script of the test and its files.
    pub files: Vec<u8>,
}

impl Stage1 {
    /// A first stage that runs `script` with `sh -ex`. Its standard output is the guest's console.
    pub fn new(script: &str) -> Result<Self> {
        Self::on(&BUSYBOX, script)
    }

    /// The same for the architecture of this busybox.
    pub fn on(busybox: &'static Asset, script: &str) -> Result<Self> {
        let mut base = base(busybox, include_str!("stage1.sh"))?;
        base.directory("tmp")?;
        let files = Archive::new();
        Self { base, files }.bytes("stage1", script.as_bytes())
    }

    /// Adds `data` as the executable file `path` (relative to the root).
    pub fn bytes(mut self, path: &str, data: &[u8]) -> Result<Self> {
        self.files.file(path, 0o755, data)?;
        Ok(self)
    }

    /// Adds the file `from` of this machine as `path`.
    pub fn file(self, path: &str, from: &Path) -> Result<Self> {
        let data = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
        self.bytes(path, &data)
    }

    /// Adds the files of `archive`.
    pub fn archive(mut self, archive: Archive) -> Self {
        self.files.append(archive);
        self
    }

    /// Returns the initramfs, uncompressed: most of it is compressed already, and decompression
    /// under emulation takes seconds.
    pub fn finish(self) -> Result<Stage1Initrd> {
        Ok(Stage1Initrd {
            base: self.base.finish()?,
            files: self.files.finish()?,
        })
    }
}

/// Returns the modules that the first stage of a dom0 with `linux` loads.
pub fn xen_modules(linux: &'static Asset) -> Result<Archive> {
    module_files(&assets::xen_modules(linux)?)
}

/// Returns modules (see `assets::modules`), uncompressed, in the directory of their kernel.
pub fn module_files(modules: &[(String, PathBuf)]) -> Result<Archive> {
    let mut archive = Archive::new();
    for (release, module) in modules {
        let name = module.file_name().unwrap_or_default().to_string_lossy();
        let path = format!("lib/modules/{release}/{}", name.trim_end_matches(".xz"));
        archive.file(&path, 0o644, &unpacked(module)?)?;
    }
    Ok(archive)
}

/// Reads a kernel module. Debian compresses them since 6.12, and Linux logs an error before busybox
/// decompresses one.
fn unpacked(module: &Path) -> Result<Vec<u8>> {
    let shown = || format!("cannot read {}", module.display());
    let file = fs::read(module).with_context(shown)?;
    if module.extension().is_none_or(|end| end != "xz") {
        return Ok(file);
    }
    let mut data = Vec::new();
    lzma_rust2::XzReader::new(&file[..], true)
        .read_to_end(&mut data)
        .with_context(shown)?;
    Ok(data)
}

impl Stage1Initrd {
    /// Adds the modules for a dom0 with `linux`.
    pub fn for_dom0(mut self, linux: &'static Asset) -> Result<Self> {
        self.base.extend(xen_modules(linux)?.finish()?);
        Ok(self)
    }

    /// Returns both parts in one file.
    pub fn whole(&self) -> Vec<u8> {
        [&self.base[..], &self.files].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_waits_for_the_files_of_the_host() {
        let script = include_str!("stage1.sh");
        assert!(script.contains(&format!("MBTOOL-STAGE1 {WAITING}\"")));
        assert!(script.contains(&format!("head -c 6 /{SLOT})\" = 070701")));
    }
}
