//! Stops DMA of PCI devices.

use super::{QuiesceStep, Undo};
use crate::abi::pci::{COMMAND, PciCommand, PciHeader};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use zerocopy::{FromZeros, IntoBytes};

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
    let (mut off, mut failed) = (0, Vec::new());
    for device in paths {
        let name = device.file_name().unwrap_or_default().to_string_lossy();
        let config = device.join("config");
        match clear(&config) {
            Ok(None) => {}
            Ok(Some(command)) => {
                off += 1;
                undo.push(Undo::Command(config, command));
            }
            Err(why) => failed.push(format!("{name} ({why})")),
        }
    }
    QuiesceStep::BusMaster { off, failed }
}

/// Clears the bit, and returns the register's old value; `None` if it was clear.
fn clear(config: &Path) -> Result<Option<u16>, String> {
    let mut header = PciHeader::new_zeroed();
    let file = OpenOptions::new().read(true).write(true).open(config);
    let file = file.map_err(|err| err.to_string())?;
    file.read_exact_at(header.as_mut_bytes(), 0)
        .map_err(|err| err.to_string())?;
    let command = PciCommand::from_bits_retain(header.command.get());
    let (base, sub, kind) = (header.class, header.subclass, header.header_type & 0x7f);
    // a device that is powered off reads as all ones
    let skip = header.vendor == 0xffff || kind != 0 || base == 6 || (base, sub) == (8, 6);
    if skip || !command.contains(PciCommand::BUS_MASTER) {
        return Ok(None);
    }
    put(&file, command.difference(PciCommand::BUS_MASTER).bits())?;
    let mut now = [0; 2];
    file.read_exact_at(&mut now, COMMAND)
        .map_err(|err| err.to_string())?;
    let now = PciCommand::from_bits_retain(u16::from_le_bytes(now));
    if !now.contains(PciCommand::BUS_MASTER) {
        Ok(Some(command.bits()))
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
