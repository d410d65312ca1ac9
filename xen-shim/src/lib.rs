//! What Xen asks of whoever loads it, beyond Multiboot2.
//!
//! [`recognise()`] tells a Xen image from any other, [`contract`] holds the rules
//! for its command line, boot loader name and modules, [`low_memory`] decides
//! what must be prepared below 1 MiB before Xen is entered. [`cpuid`] tells
//! whether the processor is Xen's, and [`hypercall`] speaks to the Xen that this
//! Linux runs on.

pub mod acpi;
pub mod contract;
pub mod cpuid;
pub mod hypercall;
pub mod low_memory;
pub mod recognise;
pub mod start_info;

pub use recognise::{XenInfo, recognise};
