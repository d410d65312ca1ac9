//! ACPI tables of our own for a Xen that starts on the CPU where another system
//! crashed.
//!
//! Xen starts all CPUs that ACPI's MADT names but the one it runs on, each with an
//! INIT. The processor that firmware started (the boot processor) takes an INIT
//! for a reset of the machine. So a Xen that starts anywhere else must not see it:
//! [`build`] makes a tree of tables, RSDP and XSDT first, and a second one whose
//! MADT has that processor disabled. The handoff passes the tree that fits the CPU it runs on.
//!
//! The tables are the firmware's, as Linux shows them. FADT still points to the
//! firmware's own DSDT and FACS. A Xen that hides the IOMMUs from its dom0
//! writes "XMAR" over the signature of DMAR; the copies have the original signature.

mod error;
mod madt;
mod table;
mod trees;
mod wire;

pub use error::AcpiError;
pub use table::AcpiTable;
pub use trees::{Trees, build, len};

/// Bytes of an RSDP of ACPI 2.0 and later (ACPI 6.5, 5.2.5.3).
pub const RSDP_LEN: u32 = size_of::<wire::Rsdp>() as u32;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
