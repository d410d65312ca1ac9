//! Serial ports of this machine: firmware's console and PCI cards.

mod pci;
mod spcr;

pub use pci::{Bar, PciAddress, PciSerial};
pub use spcr::{PortAt, Spcr, SpcrError};

use crate::sys::file;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Maximum size of an SPCR table in bytes; it usually has about 90.
const SPCR_LIMIT: u64 = 64 << 10;

/// Serial ports at other than the legacy addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serial {
    /// The console that firmware uses (ACPI SPCR), whatever its kind.
    #[serde(default)]
    pub spcr: Option<Spcr>,
    /// PCI functions of class 0x0700, by address.
    #[serde(default)]
    pub pci: Vec<PciSerial>,
}

/// Reads the machine below `root`. Unreadable items are skipped with a warning,
/// missing ones silently.
#[must_use]
pub fn read(root: &Path, warnings: &mut Vec<String>) -> Serial {
    let path = root.join("sys/firmware/acpi/tables/SPCR");
    let spcr = match file::read_bytes(&path, SPCR_LIMIT) {
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => None,
        Err(err) => {
            let path = path.display();
            warnings.push(format!(
                "firmware's serial console is unknown: {path}: {err}"
            ));
            None
        }
        Ok(bytes) => match Spcr::parse(&bytes) {
            Ok(spcr) => Some(spcr),
            Err(err) => {
                warnings.push(format!("{} is not used: {err}", path.display()));
                None
            }
        },
    };
    Serial {
        spcr,
        pci: pci::read(root, warnings),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_machine_without_serial_ports_causes_no_warning() {
        let root = tempfile::tempdir().unwrap();
        let mut warnings = vec![];
        assert_eq!(read(root.path(), &mut warnings), Serial::default());
        assert_eq!(warnings, [""; 0]);
    }

    #[test]
    fn a_bad_table_is_a_warning() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("sys/firmware/acpi/tables");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("SPCR"), b"SPCR").unwrap();
        let mut warnings = vec![];
        assert_eq!(read(root.path(), &mut warnings).spcr, None);
        assert!(warnings[0].contains("4 bytes"), "{warnings:?}");
    }
}
