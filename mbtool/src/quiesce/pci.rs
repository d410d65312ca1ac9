//! Stops DMA of PCI devices.

use super::{QuiesceStep, Undo, listed};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Offset of the command register (PCI Local Bus 3.0, 6.1).
const COMMAND: u64 = 4;
/// Bus Master Enable in it.
const MASTER: u16 = 1 << 2;
/// Maximum number of functions.
const LIMIT: usize = 65536;

/// Clears Bus Master Enable of every endpoint that has it set, as Linux does for
/// its own kexec. Bridges keep it, as they forward the remaining traffic of
/// their devices. IOMMU functions (class 0806) keep it to read their tables.
pub(super) fn stop(root: &Path, undo: &mut Vec<Undo>) -> QuiesceStep {
    let listing = fs::read_dir(root.join("sys/bus/pci/devices"));
    let mut paths: Vec<PathBuf> = listing
        .into_iter()
        .flatten()
        .flatten()
        .take(LIMIT)
        .map(|item| item.path())
        .collect();
    paths.sort_unstable();
    let (mut done, mut failed) = (0, Vec::new());
    for device in paths {
        let name = device.file_name().unwrap_or_default().to_string_lossy();
        let config = device.join("config");
        match clear(&config) {
            Ok(None) => {}
            Ok(Some(command)) => {
                done += 1;
                undo.push(Undo::Command(config, command));
            }
            Err(why) => failed.push(format!("{name} ({why})")),
        }
    }
    if failed.is_empty() {
        QuiesceStep::done(format!("bus mastering off: {done} PCI devices"))
    } else {
        QuiesceStep::partly(format!(
            "bus mastering off: {done} PCI devices, but still on: {}",
            listed(&failed)
        ))
    }
}

/// Clears the bit, and returns the register's old value; `None` if it was clear.
fn clear(config: &Path) -> Result<Option<u16>, String> {
    let mut header = [0; 16];
    let file = OpenOptions::new().read(true).write(true).open(config);
    let file = file.map_err(|err| err.to_string())?;
    file.read_exact_at(&mut header, 0)
        .map_err(|err| err.to_string())?;
    let vendor = u16::from_le_bytes([header[0], header[1]]);
    let command = u16::from_le_bytes([header[4], header[5]]);
    let (base, sub, kind) = (header[11], header[10], header[14] & 0x7f);
    // a device that is powered off reads as all ones
    let skip = vendor == 0xffff || kind != 0 || base == 6 || (base, sub) == (8, 6);
    if skip || command & MASTER == 0 {
        return Ok(None);
    }
    put(&file, command & !MASTER)?;
    let mut now = [0; 2];
    file.read_exact_at(&mut now, COMMAND)
        .map_err(|err| err.to_string())?;
    if u16::from_le_bytes(now) & MASTER == 0 {
        Ok(Some(command))
    } else {
        Err("the bit stays set: Xen or the device does not let dom0 clear it".to_owned())
    }
}

fn put(file: &File, command: u16) -> Result<(), String> {
    file.write_all_at(&command.to_le_bytes(), COMMAND)
        .map_err(|err| err.to_string())
}

/// Writes a command register.
pub(super) fn put_command(config: &Path, command: u16) -> Result<(), String> {
    let file = OpenOptions::new().write(true).open(config);
    let put = file
        .map_err(|err| err.to_string())
        .and_then(|file| put(&file, command));
    put.map_err(|why| format!("{}: {why}", config.display()))
}
