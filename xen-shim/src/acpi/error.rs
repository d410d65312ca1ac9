//! Why no tables can be made.

use super::table::{MAX_BYTES, MAX_TABLES};

/// Firmware's tables cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcpiError {
    /// No table at all.
    #[error("there are no ACPI tables")]
    None,
    /// Not a table.
    #[error("ACPI table {name}: {found}")]
    Bad {
        /// Its file name.
        name: String,
        /// The defect.
        found: String,
    },
    /// More than a machine has.
    #[error(
        "{count} ACPI tables with {bytes} bytes: at most {MAX_TABLES} with {MAX_BYTES} bytes are taken"
    )]
    TooMuch {
        /// Tables.
        count: usize,
        /// Their bytes.
        bytes: usize,
    },
    /// No list of processors.
    #[error("there is no ACPI table APIC (MADT), which names the processors")]
    NoMadt,
    /// The processor is not in it.
    #[error("ACPI table {name} has no enabled processor with APIC id {apic_id}")]
    NoProcessor {
        /// Its file name.
        name: String,
        /// Looked for.
        apic_id: u32,
    },
}
