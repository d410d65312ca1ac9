//! Errors of generating tables.

use super::defect::TableDefect;
use super::table::{MAX_BYTES, MAX_TABLES};

/// Firmware's tables cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcpiError {
    /// No tables.
    #[error("no ACPI tables found")]
    None,
    /// An invalid table.
    #[error("ACPI table {name}: {found}")]
    Bad {
        /// Its file name.
        name: String,
        /// The defect.
        found: TableDefect,
    },
    /// Too many tables.
    #[error(
        "{count} ACPI tables with {bytes} bytes: the limit is {MAX_TABLES} tables with {MAX_BYTES} \
         bytes"
    )]
    TooMuch {
        /// Tables.
        count: usize,
        /// Their total size in bytes.
        bytes: usize,
    },
    /// No MADT, which lists the processors.
    #[error("no ACPI table APIC (MADT), which lists the processors")]
    NoMadt,
    /// The processor is not in it.
    #[error("ACPI table {name} has no enabled processor with APIC id {apic_id}")]
    NoProcessor {
        /// Its file name.
        name: String,
        /// Its APIC id.
        apic_id: u32,
    },
}
