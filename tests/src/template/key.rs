//! Key of a template: a digest of its inputs.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result};
use images::assets::{OVMF, QEMU};
use images::digest::Sha256Digest;
use images::guest::Stage1Initrd;

use crate::machine::{Firmware, Machine};

/// Changed with every change of templates that is not covered by the inputs
/// below.
const FORMAT: &str = "mbtool-template 1";

/// Digest of all that the template of `machine` depends on: QEMU, firmware, kernels, arguments and
/// the first stage. Also the boot of the host, since the emulated clock of a CPU is the host's.
pub fn of(machine: &Machine, initrd: &Stage1Initrd) -> Result<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let mut parts = vec![FORMAT.to_owned(), machine.description(), boot];
    // the directory of a fetched QEMU has the digest of its libraries in its name
    let qemu = machine.virt.map_or(&QEMU, |board| board.qemu);
    let mut files = vec![qemu.path()?];
    if machine.firmware == Firmware::Ovmf {
        files.push(OVMF.path()?);
    }
    files.extend(machine.kernel.as_deref());
    if let Some(dom0) = &machine.dom0 {
        files.push(dom0.linux.path()?);
    }
    for path in files {
        parts.push(format!("{} {}", path.display(), digest(path)?));
    }
    parts.push(Sha256Digest::of(&initrd.base).to_string());
    parts.push(super::slot::description());
    let digest = Sha256Digest::of(parts.join("\n").as_bytes()).to_string();
    Ok(digest[..16].to_owned())
}

/// Digest of a file, which does not change while tests run.
fn digest(path: &Path) -> Result<String> {
    static KNOWN: Mutex<Option<HashMap<PathBuf, String>>> = Mutex::new(None);
    let mut known = KNOWN.lock().ok().context("a thread panicked")?;
    let known = known.get_or_insert_default();
    if let Some(digest) = known.get(path) {
        return Ok(digest.clone());
    }
    let digest = Sha256Digest::of_file(path)?.to_string();
    known.insert(path.to_owned(), digest.clone());
    Ok(digest)
}
