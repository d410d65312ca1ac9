//! SMBIOS: the entry point and the table of structures, as Linux exports them
//! (Documentation/ABI/testing/sysfs-firmware-dmi-tables).

use super::boot_facts::Raw;
use crate::abi::smbios::{ANCHOR_32, ANCHOR_64, EntryPoint32, EntryPoint64};
use crate::sys::file;
use serde::{Deserialize, Serialize};
use std::path::Path;
use xen_shim::acpi::sum;
use zerocopy::FromBytes;

/// Maximum size of a table that is passed on, in bytes: what SMBIOS 2 can have.
pub const MOST_BYTES: u64 = 0xffff;

/// SMBIOS data that an image gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smbios {
    /// The entry point. It has the physical address of firmware's table.
    pub entry_point: Raw,
    /// The table; empty if it is larger than [`MOST_BYTES`].
    #[serde(default)]
    pub table: Raw,
}

impl Smbios {
    /// Returns the version; `None` for an entry point that is not valid.
    #[must_use]
    pub fn version(&self) -> Option<(u8, u8)> {
        let bytes = &self.entry_point.0[..];
        let (length, version) = if bytes.starts_with(&ANCHOR_64) {
            let (entry, _) = EntryPoint64::ref_from_prefix(bytes).ok()?;
            (entry.length, (entry.major, entry.minor))
        } else if bytes.starts_with(&ANCHOR_32) {
            let (entry, _) = EntryPoint32::ref_from_prefix(bytes).ok()?;
            (entry.length, (entry.major, entry.minor))
        } else {
            return None;
        };
        let whole = bytes.get(..length.into())?;
        (sum(whole) == 0).then_some(version)
    }
}

/// Reads it below `root`; `None` where the machine has none.
#[must_use]
pub fn read(root: &Path) -> Option<Smbios> {
    let dir = root.join("sys/firmware/dmi/tables");
    let entry_point = file::read_bytes(&dir.join("smbios_entry_point"), file::ATTRIBUTE).ok()?;
    let table = file::read_bytes(&dir.join("DMI"), MOST_BYTES).unwrap_or_default();
    let found = Smbios {
        entry_point: Raw(entry_point),
        table: Raw(table),
    };
    found.version().is_some().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::put;

    /// An entry point with a correct checksum.
    fn entry_point(anchor: &[u8], checksum: usize, len: usize, version: [u8; 2]) -> Vec<u8> {
        let mut bytes = anchor.to_vec();
        bytes.resize(len, 0);
        bytes[checksum + 1] = len as u8;
        bytes[checksum + 2..checksum + 4].copy_from_slice(&version);
        bytes[checksum] = sum(&bytes).wrapping_neg();
        bytes
    }

    #[test]
    fn both_entry_points_are_read_with_the_table() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(read(root.path()), None);
        for (bytes, version) in [
            (entry_point(&ANCHOR_32, 4, 31, [2, 8]), (2, 8)),
            (entry_point(&ANCHOR_64, 5, 24, [3, 3]), (3, 3)),
        ] {
            put(
                root.path(),
                "sys/firmware/dmi/tables/smbios_entry_point",
                &bytes,
            );
            put(
                root.path(),
                "sys/firmware/dmi/tables/DMI",
                [127, 4, 0, 0, 0, 0],
            );
            let found = read(root.path()).unwrap();
            assert_eq!(found.version(), Some(version));
            assert_eq!(
                found.table.0,
                [127, 4, 0, 0, 0, 0],
                "zeros at the end are kept"
            );
            let json = serde_json::to_string(&found).unwrap();
            assert_eq!(serde_json::from_str::<Smbios>(&json).unwrap(), found);
        }
    }

    #[test]
    fn a_large_table_is_left_out_and_a_damaged_entry_point_is_none() {
        let root = tempfile::tempdir().unwrap();
        let mut bytes = entry_point(&ANCHOR_64, 5, 24, [3, 3]);
        put(
            root.path(),
            "sys/firmware/dmi/tables/smbios_entry_point",
            &bytes,
        );
        put(
            root.path(),
            "sys/firmware/dmi/tables/DMI",
            vec![1; 0x1_0000],
        );
        assert!(read(root.path()).unwrap().table.0.is_empty());
        bytes[20] ^= 1;
        put(
            root.path(),
            "sys/firmware/dmi/tables/smbios_entry_point",
            &bytes,
        );
        assert_eq!(read(root.path()), None);
        put(
            root.path(),
            "sys/firmware/dmi/tables/smbios_entry_point",
            b"_DMI_",
        );
        assert_eq!(read(root.path()), None);
    }
}
