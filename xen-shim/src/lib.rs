//! Xen's requirements of its loader, beyond Multiboot2.
//!
//! [`recognize()`] recognizes a Xen image, [`contract`] holds the rules
//! for its command line ([`cmdline`]), boot loader name and modules, [`low_memory`] decides
//! what to prepare below 1 MiB before Xen is entered. [`cpuid`] detects Xen by CPUID, and
//! [`hypercall`] calls the Xen below this Linux. [`acpi`] makes the tables of a Xen that starts after a crash,
//! [`start_info`] has the PVH structures. [`arm`] is Xen on 64-bit ARM, which needs other things. [`fix`] is for the errors of this crate and of mbtool.

pub mod acpi;
pub mod arm;
pub mod cmdline;
pub mod contract;
pub mod cpuid;
pub mod fix;
pub mod hypercall;
pub mod low_memory;
pub mod recognize;
pub mod start_info;

pub use recognize::{XenInfo, recognize};
