//! Xen as crash kernel: what a paravirtualised dom0 that is confined to a crash region needs, beside what any crash
//! kernel does.
//!
//! - [`layout`]: everything placed;
//! - [`dom0_e820`]: pseudo-physical addresses that dom0 fills with memory of its own, wherever the region is;
//! - [`dom0_backup`]: the old system's memory that they hide, which the handoff copies;
//! - [`size`]: whether what is left of the region is enough to start;
//! - [`cmdline`]: command lines of Xen and dom0.

pub mod cmdline;
pub mod dom0_backup;
pub mod dom0_e820;
pub(in crate::plan) mod layout;
pub mod size;

pub use dom0_e820::{Dom0Range, Dom0RangeError};
