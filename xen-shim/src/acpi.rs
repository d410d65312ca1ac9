//! Generated ACPI tables for a Xen that starts on the CPU where another system
//! has crashed.
//!
//! Xen starts all CPUs of ACPI's MADT except its own, each with an INIT. An INIT of the boot
//! processor (the one started by firmware) resets the machine. So a Xen that starts on another
//! CPU must not start it: [`build`] makes a tree of tables, RSDP and XSDT first, and a second
//! one whose MADT has that processor disabled. The handoff passes the tree that fits the CPU
//! it runs on.
//!
//! The tables are copies of the firmware's, as exported by Linux. FADT still points
//! to the firmware's own DSDT and FACS. A Xen that hides the IOMMUs from its dom0
//! writes "XMAR" over the signature of DMAR; the copies have the original signature.

mod defect;
mod error;
mod madt;
mod table;
mod trees;
mod wire;

pub use defect::TableDefect;
pub use error::AcpiError;
pub use table::AcpiTable;
pub use trees::{Trees, build, len};
pub use wire::{Rsdp, RsdpV1, TableHeader, sum};

/// Bytes of an RSDP of ACPI 2.0 and later (ACPI 6.5, 5.2.5.3).
pub const RSDP_LEN: u32 = size_of::<Rsdp>() as u32;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
