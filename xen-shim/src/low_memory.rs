//! Preparations below 1 MiB before Xen is entered.
//!
//! Xen's first instructions put a 64 KiB boot trampoline below the top of base
//! memory, and find that top in the BIOS data area: the EBDA segment at 0x40e,
//! the base memory size in KiB at 0x413. The result is not checked. On a machine
//! started by UEFI both words are zero, so the address wraps to 0xffff0000, and
//! Xen hangs without output. Xen also finds the ACPI RSDP only by scanning the
//! EBDA's first KiB and 0xe0000-0xfffff; without it there is one CPU and no
//! IOMMU.
//!
//! The remedy for both is a synthetic BIOS data area: one page of RAM becomes an EBDA
//! with a copy of the RSDP, and the two words point to it.

mod bda;
mod decision;
mod trampoline;

pub use bda::{BDA_BASE_KIB, BDA_EBDA, RsdpCopy, SyntheticBda};
pub use decision::{Decision, LowMemoryState, LowMemoryWarning, NoLowMemory, RsdpLocation, decide};
pub use trampoline::{BASE_END, BASE_MEMORY, BadTrampoline, TRAMPOLINE_LEN, trampoline};

#[cfg(test)]
mod tests;
