//! Binary structures that other programs define: one `repr(C)` type each, for writers, readers and reports.

pub mod boot_params;
pub mod dmar;
pub mod elf;
pub mod fdt;
pub mod kernel_image;
pub mod multiboot1;
pub mod multiboot2;
pub mod pci;
pub mod pe;
pub mod smbios;
pub mod spcr;
