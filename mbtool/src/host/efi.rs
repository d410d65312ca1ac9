//! Data of EFI: configuration table pointers and runtime regions.
//!
//! /sys/firmware/efi/systab has `NAME=0xADDR` lines; runtime-map/N has `type`,
//! `phys_addr` and `num_pages` (4 KiB each) of every region that runtime
//! services use (Linux, Documentation/ABI/testing/sysfs-firmware-efi*).

use super::{FoundRsdp, MapEntry, MemoryError, MemoryKind, firmware};
use crate::sys::file;
use crate::sys::number;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// True for a machine started by UEFI, as far as the running kernel knows.
#[must_use]
pub fn present(root: &Path) -> bool {
    root.join("sys/firmware/efi").is_dir()
}

/// The RSDP from the EFI configuration tables; ACPI 2.0's is preferred.
/// `None` without EFI, without the file or without a usable line.
#[must_use]
pub fn rsdp(root: &Path) -> Option<FoundRsdp> {
    table(root, "ACPI20")
        .map(|addr| FoundRsdp { addr, revision: 2 })
        .or_else(|| table(root, "ACPI").map(|addr| FoundRsdp { addr, revision: 0 }))
}

/// Returns the address of `key` in /sys/firmware/efi/systab, if it is not 0.
#[must_use]
pub fn table(root: &Path, key: &str) -> Option<u64> {
    let systab = file::read(&root.join("sys/firmware/efi/systab"), file::ATTRIBUTE).ok()?;
    systab
        .lines()
        .filter_map(|line| line.split_once('='))
        .find(|(name, _)| *name == key)
        .and_then(|(_, addr)| number::parse(addr.trim()))
        .filter(|addr| *addr != 0)
}

/// The regions of EFI's runtime services, all [`MemoryKind::Reserved`]. Invalid
/// entries are skipped with a warning.
#[must_use]
pub fn runtime_regions(root: &Path, warnings: &mut Vec<String>) -> Vec<MapEntry> {
    let mut regions = Vec::new();
    for path in runtime_dirs(root) {
        match region(&path) {
            Ok(entry) => regions.push(entry),
            Err(err) => warnings.push(format!("EFI runtime region left out: {err}")),
        }
    }
    regions.sort_unstable_by_key(|entry| entry.start);
    regions
}

/// The directories of runtime-map, in any order.
fn runtime_dirs(root: &Path) -> Vec<PathBuf> {
    let dir = root.join("sys/firmware/efi/runtime-map");
    let listing = fs::read_dir(&dir).into_iter().flatten().flatten();
    listing
        .take(firmware::MAX_ENTRIES)
        .map(|item| item.path())
        .collect()
}

/// One runtime services region as described by firmware, with its assigned
/// virtual address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runtime {
    /// EFI memory type: 5 code, 6 data, 11 memory-mapped I/O.
    #[serde(rename = "type")]
    pub kind: u32,
    /// Physical address.
    pub phys: u64,
    /// Virtual address.
    pub virt: u64,
    /// Number of 4 KiB pages.
    pub pages: u64,
    /// `EFI_MEMORY_*` bits.
    pub attribute: u64,
}

impl Runtime {
    /// True when physical address `addr` is in the region.
    #[must_use]
    pub const fn has(&self, addr: u64) -> bool {
        addr >= self.phys && (addr - self.phys) >> 12 < self.pages
    }
}

/// Returns the whole runtime map, by physical address; empty if there is none.
///
/// # Errors
///
/// When an entry cannot be read: an incomplete map would be worse than none.
pub fn runtime_map(root: &Path) -> Result<Vec<Runtime>, MemoryError> {
    let mut map = Vec::new();
    for dir in runtime_dirs(root) {
        let number = |name: &str| firmware::number(&dir.join(name));
        map.push(Runtime {
            kind: u32::try_from(number("type")?).unwrap_or(u32::MAX),
            phys: number("phys_addr")?,
            virt: number("virt_addr")?,
            pages: number("num_pages")?,
            attribute: number("attribute")?,
        });
    }
    map.sort_unstable_by_key(|region| region.phys);
    Ok(map)
}

/// One runtime region.
fn region(dir: &Path) -> Result<MapEntry, MemoryError> {
    let start = firmware::number(&dir.join("phys_addr"))?;
    let path = dir.join("num_pages");
    let pages = firmware::number(&path)?;
    match pages
        .checked_mul(4096)
        .and_then(|bytes| start.checked_add(bytes))
    {
        Some(end) => Ok(MapEntry {
            start,
            end,
            kind: MemoryKind::Reserved,
        }),
        None => Err(MemoryError::Content {
            path,
            expected: "a number of pages that fits in 64 bits",
            found: format!("{pages:#x} from {start:#x}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, name: &str, content: &str) {
        let path = root.join("sys/firmware/efi").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    #[test]
    fn acpi_2_is_preferred() {
        let root = tempfile::tempdir().unwrap();
        assert!(!present(root.path()));
        assert_eq!(rsdp(root.path()), None);
        write(
            root.path(),
            "systab",
            "ACPI=0x7fb7e000\nSMBIOS=0x7f9c1000\n",
        );
        assert!(present(root.path()));
        assert_eq!(
            rsdp(root.path()),
            Some(FoundRsdp {
                addr: 0x7fb7_e000,
                revision: 0
            })
        );
        write(
            root.path(),
            "systab",
            "ACPI20=0x7fb7e014\nACPI=0x7fb7e000\n",
        );
        assert_eq!(
            rsdp(root.path()),
            Some(FoundRsdp {
                addr: 0x7fb7_e014,
                revision: 2
            })
        );
        write(root.path(), "systab", "ACPI20=0x0\nACPI=zzz\n=\n\u{1}");
        assert_eq!(rsdp(root.path()), None);
    }

    #[test]
    fn runtime_regions_are_reserved_and_invalid_ones_are_warnings() {
        let root = tempfile::tempdir().unwrap();
        for (number, addr, pages) in [
            (0, "0x7f8ee000", "0x30"),
            (1, "0x1000", "0xffffffffffffffff"),
            (2, "", "1"),
        ] {
            write(
                root.path(),
                &format!("runtime-map/{number}/phys_addr"),
                addr,
            );
            write(
                root.path(),
                &format!("runtime-map/{number}/num_pages"),
                pages,
            );
            write(root.path(), &format!("runtime-map/{number}/type"), "0x5\n");
        }
        let mut warnings = vec![];
        let regions = runtime_regions(root.path(), &mut warnings);
        let entry = MapEntry {
            start: 0x7f8e_e000,
            end: 0x7f91_e000,
            kind: MemoryKind::Reserved,
        };
        assert_eq!(regions, [entry]);
        assert_eq!(warnings.len(), 2, "{warnings:?}");
    }
}
