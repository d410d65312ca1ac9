//! Binary structures that other programs define: one `repr(C)` type each, for whoever writes, reads or reports it.

pub mod boot_params;
pub mod multiboot1;
pub mod pci;
pub mod spcr;
