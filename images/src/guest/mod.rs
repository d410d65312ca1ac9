//! Initramfs images for the kernels of a test: a first stage that runs a script, and a dom0 that
//! reports its state.
//!
//! Both print lines with a prefix on their console, so that the serial log is the only channel:
//! [`STAGE1`] and [`DOM0`].

mod base;
mod debian;
mod program;
mod stage1;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::assets::{self, Asset, BUSYBOX};
use crate::cpio::Archive;
use crate::digest::Sha256Digest;

use base::base;
pub use debian::{DEBIAN, DebianGuest};
pub use stage1::{SLOT, Stage1, Stage1Initrd, WAITING, module_files, xen_modules};

/// Prefix of each line of the first stage: `START`, `END`, `FAIL rc=N`, and `+ COMMAND` for each
/// command.
pub const STAGE1: &str = "MBTOOL-STAGE1 ";

/// Prefix of each line of dom0: `key=value` lines, then `END`.
pub const DOM0: &str = "MBTOOL-DOM0 ";

/// Prefix of each line of a crash kernel: `key=value` lines, then `END`.
pub const CRASH: &str = "MBTOOL-CRASH ";

/// Prefix of each line of a Linux that was started without Xen, like [`DOM0`].
pub const LINUX: &str = "MBTOOL-LINUX ";

/// Size of dom0's `/payload.bin` in bytes: larger than one page or one MiB, to detect loaders that
/// mishandle more.
pub const PAYLOAD_BYTES: usize = 3 << 20;

/// Returns the contents of dom0's `/payload.bin`: the same on every machine, and incompressible, as
/// it consists of the SHA-256 digests of a counter.
pub fn payload() -> Vec<u8> {
    use sha2::{Digest as _, Sha256};
    let mut bytes = Vec::with_capacity(PAYLOAD_BYTES);
    for counter in 0..(PAYLOAD_BYTES / 32) as u64 {
        bytes.extend(Sha256::digest(counter.to_le_bytes()));
    }
    bytes
}

/// Returns an `init` that reports with `prefix`, the shell script `script` after the common part.
fn reporting(prefix: &str, script: &str) -> String {
    let common = include_str!("report.sh");
    format!(
        "#!/bin/busybox sh\nPREFIX={}\n{common}{script}",
        prefix.trim_end()
    )
}

/// Returns dom0's initramfs (uncompressed), and the digest that dom0 must report for its payload.
pub fn dom0_initrd() -> Result<(Vec<u8>, Sha256Digest)> {
    let payload = payload();
    let mut archive = base(&BUSYBOX, &reporting(DOM0, include_str!("dom0.sh")))?;
    archive.file("payload.bin", 0o644, &payload)?;
    Ok((archive.finish()?, Sha256Digest::of(&payload)))
}

/// Returns the initramfs of a crash kernel (uncompressed), and the digest that it must report for
/// its payload. It contains `known_pages` and makedumpfile, and runs the shell script `dump` if
/// there is a dump. `try NAME COMMAND...` in it reports the result of a command,
/// `say_makedumpfile` what makedumpfile reads.
pub fn crash_initrd(known_pages: &Path, dump: &str) -> Result<(Vec<u8>, Sha256Digest)> {
    let payload = payload();
    let mut archive = base(&BUSYBOX, &reporting(CRASH, include_str!("crash.sh")))?;
    archive.directory("tmp")?;
    archive.file("payload.bin", 0o644, &payload)?;
    archive.file("dump", 0o644, dump.as_bytes())?;
    let program =
        fs::read(known_pages).with_context(|| format!("cannot read {}", known_pages.display()))?;
    archive.file("bin/known-pages", 0o755, &program)?;
    add(&mut archive, &[&assets::MAKEDUMPFILE])?;
    Ok((archive.finish()?, Sha256Digest::of(&payload)))
}

/// Returns an archive to append to an initramfs: `files`, executable, by path; `programs` with
/// their libraries, in `bin`; and `modules` (see `assets::modules`) in `modules`, with a script
/// `load` that loads them.
pub fn addition(
    files: &[(&str, &[u8])],
    programs: &[&'static Asset],
    modules: &[(String, PathBuf)],
) -> Result<Archive> {
    let mut archive = Archive::new();
    for (path, data) in files {
        archive.file(path, 0o755, data)?;
    }
    add(&mut archive, programs)?;
    let mut load = String::from("#!/bin/busybox sh\n");
    for (_, module) in modules {
        let name = module.file_name().unwrap_or_default().to_string_lossy();
        let data = fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
        archive.file(&format!("modules/{name}"), 0o644, &data)?;
        load += &format!("insmod /modules/{name} || echo 'cannot load {name}'\n");
    }
    archive.file("modules/load", 0o755, load.as_bytes())?;
    Ok(archive)
}

/// Adds programs with their libraries, some of which may be shared.
fn add(archive: &mut Archive, programs: &[&'static Asset]) -> Result<()> {
    let mut all = BTreeMap::new();
    for program in programs {
        all.extend(program::with_libraries(program)?);
    }
    for (path, data) in all {
        archive.file(&path, 0o755, &data)?;
    }
    Ok(())
}

/// Returns the initramfs of a Linux without Xen: like [`dom0_initrd`], with the prefix [`LINUX`].
pub fn linux_initrd() -> Result<(Vec<u8>, Sha256Digest)> {
    let payload = payload();
    let mut archive = base(&BUSYBOX, &reporting(LINUX, include_str!("dom0.sh")))?;
    for (release, module) in assets::efi_modules()? {
        let name = module.file_name().unwrap_or_default().to_string_lossy();
        let data =
            fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
        archive.file(&format!("lib/modules/{release}/{name}"), 0o644, &data)?;
    }
    archive.file("payload.bin", 0o644, &payload)?;
    Ok((archive.finish()?, Sha256Digest::of(&payload)))
}

/// How a Linux checks a dump.
#[derive(Clone, Copy, Debug)]
pub struct DumpCheck<'a> {
    /// The program that finds known pages.
    pub known_pages: &'a Path,
    /// Number of known pages.
    pub pages: u32,
    /// The program that reads dumps.
    pub reader: VmcoreReader,
}

/// A program that reads dumps.
#[derive(Clone, Copy, Debug)]
pub enum VmcoreReader {
    /// makedumpfile, which also filters them.
    Makedumpfile(&'static Asset),
    /// vmcore-dmesg, which prints the log of the crashed kernel.
    VmcoreDmesg(&'static Asset),
}

/// Returns the initramfs (uncompressed) of a Linux with a device tree for the architecture of
/// `busybox`, and the digest that it must report for its payload. Its lines have the prefix
/// [`LINUX`]. With `dump`, it also checks /proc/vmcore, if there is one.
pub fn dt_linux_initrd(
    busybox: &'static Asset,
    dump: Option<DumpCheck<'_>>,
) -> Result<(Vec<u8>, Sha256Digest)> {
    let payload = payload();
    let mut archive = base(busybox, &reporting(LINUX, include_str!("dt.sh")))?;
    archive.directory("tmp")?;
    archive.file("payload.bin", 0o644, &payload)?;
    let mut script = String::new();
    if let Some(check) = dump {
        let program = check.known_pages;
        let data =
            fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
        archive.file("bin/known-pages", 0o755, &data)?;
        let (program, say) = match check.reader {
            VmcoreReader::Makedumpfile(program) => (program, "say_makedumpfile"),
            VmcoreReader::VmcoreDmesg(program) => (program, "say_vmcore_dmesg"),
        };
        add(&mut archive, &[program])?;
        script = format!(
            "known-pages notes /proc/vmcore\n\
             known-pages scan /proc/vmcore {}\n\
             {say}\n",
            check.pages
        );
    }
    archive.file("dump", 0o644, script.as_bytes())?;
    Ok((archive.finish()?, Sha256Digest::of(&payload)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_never_changes() {
        let payload = payload();
        assert_eq!(payload.len(), PAYLOAD_BYTES);
        // SHA-256 of eight zero bytes
        assert_eq!(
            payload[..8],
            [0xaf, 0x55, 0x70, 0xf5, 0xa1, 0x81, 0x0b, 0x7a]
        );
    }
}
