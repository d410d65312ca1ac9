//! /sys/firmware/memmap: the memory map that the kernel got from firmware.
//!
//! One directory per range, `N/{start,end,type}`, `end` inclusive (Linux,
//! Documentation/ABI/testing/sysfs-firmware-memmap).

use super::{MapEntry, MemoryError, MemoryKind};
use crate::sys::file;
use crate::sys::number;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// Maximum number of ranges; a BIOS map has tens, an EFI map some hundreds.
pub const MAX_ENTRIES: usize = 8192;

/// Returns the type for a name in /sys/firmware/memmap or /proc/iomem; `None`
/// for other names.
#[must_use]
pub fn kind(name: &str) -> Option<MemoryKind> {
    Some(match name {
        "System RAM" => MemoryKind::Ram,
        // lower case before Linux 4.11
        "Reserved" | "reserved" | "Device Reserved" => MemoryKind::Reserved,
        "ACPI Tables" => MemoryKind::AcpiTables,
        "ACPI Non-volatile Storage" => MemoryKind::AcpiNvs,
        "Unusable memory" => MemoryKind::Unusable,
        "Persistent Memory" => MemoryKind::Pmem,
        "Persistent Memory (legacy)" | "Persistent RAM" => MemoryKind::Pram,
        "Soft Reserved" => MemoryKind::SoftReserved,
        _ => return None,
    })
}

/// Reads every range below `root`/sys/firmware/memmap, in firmware's order.
/// `None` where the directory does not exist or is empty.
///
/// An unknown type becomes [`MemoryKind::Reserved`] and a warning.
///
/// # Errors
///
/// When a file cannot be read or has no number, a range ends before it starts,
/// or there are more than [`MAX_ENTRIES`].
pub fn read(root: &Path, warnings: &mut Vec<String>) -> Result<Option<Vec<MapEntry>>, MemoryError> {
    let dir = root.join("sys/firmware/memmap");
    let read = |source| MemoryError::Read {
        path: dir.clone(),
        source,
    };
    let listing = match fs::read_dir(&dir) {
        Ok(listing) => listing,
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(read(err)),
    };
    let mut numbers = Vec::new();
    for item in listing {
        let name = item.map_err(read)?.file_name();
        match name.to_str().and_then(|name| name.parse::<u32>().ok()) {
            Some(number) => numbers.push(number),
            None => warnings.push(format!("{}: ignored {name:?}", dir.display())),
        }
        if numbers.len() > MAX_ENTRIES || warnings.len() > MAX_ENTRIES {
            return Err(MemoryError::TooMany {
                path: dir,
                limit: MAX_ENTRIES,
            });
        }
    }
    numbers.sort_unstable();
    let mut entries = Vec::with_capacity(numbers.len());
    for number in numbers {
        entries.push(entry(&dir.join(number.to_string()), warnings)?);
    }
    Ok((!entries.is_empty()).then_some(entries))
}

/// One range.
fn entry(dir: &Path, warnings: &mut Vec<String>) -> Result<MapEntry, MemoryError> {
    let start = number(&dir.join("start"))?;
    let path = dir.join("end");
    let last = number(&path)?;
    if last < start {
        return Err(MemoryError::Content {
            path,
            expected: "an address not below start",
            found: format!("{last:#x}, start is {start:#x}"),
        });
    }
    let path = dir.join("type");
    let name = crate::host::error::read_file(&path, file::ATTRIBUTE)?;
    let name = name.trim_end();
    let kind = kind(name).unwrap_or_else(|| {
        warnings.push(format!(
            "{}: unknown memory type {:?} for {start:#x}-{last:#x}, taken as reserved",
            path.display(),
            file::excerpt(name)
        ));
        MemoryKind::Reserved
    });
    // a range up to the last byte of the address space loses that byte
    Ok(MapEntry {
        start,
        end: last.saturating_add(1),
        kind,
    })
}

/// Reads a file with one hex number.
pub(super) fn number(path: &Path) -> Result<u64, MemoryError> {
    let content = crate::host::error::read_file(path, file::ATTRIBUTE)?;
    number::parse(content.trim_end()).ok_or_else(|| MemoryError::Content {
        path: path.to_owned(),
        expected: "a number",
        found: file::excerpt(content.trim_end()),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Writes ranges in the kernel's format (`end` inclusive).
    pub(crate) fn write_memmap(root: &Path, ranges: &[(u64, u64, &str)]) {
        for (number, (start, end, kind)) in ranges.iter().enumerate() {
            let dir = root.join(format!("sys/firmware/memmap/{number}"));
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("start"), format!("{start:#x}\n")).unwrap();
            fs::write(dir.join("end"), format!("{end:#x}\n")).unwrap();
            fs::write(dir.join("type"), format!("{kind}\n")).unwrap();
        }
    }

    #[test]
    fn ends_are_inclusive_and_order_is_by_number() {
        let root = tempfile::tempdir().unwrap();
        let many: Vec<_> = (0..11_u64)
            .map(|n| (n << 12, (n << 12) + 0xfff, "System RAM"))
            .collect();
        write_memmap(root.path(), &many);
        let mut warnings = vec![];
        let entries = read(root.path(), &mut warnings).unwrap().unwrap();
        assert_eq!(entries.len(), 11);
        assert!(entries.is_sorted_by_key(|entry| entry.start));
        assert_eq!(
            entries[10],
            MapEntry {
                start: 0xa000,
                end: 0xb000,
                kind: MemoryKind::Ram
            }
        );
        assert!(warnings.is_empty());
    }

    #[test]
    fn every_type_is_known_and_others_are_reserved_with_a_warning() {
        let root = tempfile::tempdir().unwrap();
        let names = [
            ("System RAM", MemoryKind::Ram),
            ("Reserved", MemoryKind::Reserved),
            ("ACPI Tables", MemoryKind::AcpiTables),
            ("ACPI Non-volatile Storage", MemoryKind::AcpiNvs),
            ("Unusable memory", MemoryKind::Unusable),
            ("Persistent Memory", MemoryKind::Pmem),
            ("Persistent Memory (legacy)", MemoryKind::Pram),
            ("Soft Reserved", MemoryKind::SoftReserved),
            ("Moon dust", MemoryKind::Reserved),
        ];
        let ranges: Vec<_> = names.iter().map(|(name, _)| (0, 0xfff, *name)).collect();
        write_memmap(root.path(), &ranges);
        let mut warnings = vec![];
        let entries = read(root.path(), &mut warnings).unwrap().unwrap();
        let kinds: Vec<_> = entries.iter().map(|entry| entry.kind).collect();
        assert_eq!(kinds, names.map(|(_, kind)| kind));
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("Moon dust"), "{warnings:?}");
    }

    #[test]
    fn hostile_content_is_an_error_with_the_path() {
        let root = tempfile::tempdir().unwrap();
        assert!(read(root.path(), &mut vec![]).unwrap().is_none());
        write_memmap(root.path(), &[(0x2000, 0x1fff, "System RAM")]);
        let err = read(root.path(), &mut vec![]).unwrap_err().to_string();
        assert!(
            err.contains("memmap/0/end") && err.contains("0x1fff"),
            "{err}"
        );
        fs::write(root.path().join("sys/firmware/memmap/0/start"), "0x\u{0}zz").unwrap();
        let err = read(root.path(), &mut vec![]).unwrap_err();
        assert!(
            matches!(&err, MemoryError::Content { path, .. } if path.ends_with("memmap/0/start")),
            "{err}"
        );
        fs::remove_file(root.path().join("sys/firmware/memmap/0/start")).unwrap();
        assert!(matches!(
            read(root.path(), &mut vec![]),
            Err(MemoryError::Read { .. })
        ));
    }

    #[test]
    fn the_last_byte_of_the_address_space_does_not_overflow() {
        let root = tempfile::tempdir().unwrap();
        write_memmap(root.path(), &[(u64::MAX - 0xfff, u64::MAX, "Reserved")]);
        let entries = read(root.path(), &mut vec![]).unwrap().unwrap();
        assert_eq!(entries[0].end, u64::MAX);
    }
}
