//! Xen as crash kernel: requirements of a PV dom0 that is confined to a crash region, besides those
//! of any crash kernel.
//!
//! - `layout`: placement of everything;
//! - [`dom0_e820`]: pseudo-physical range that dom0 uses for memory of its own, wherever the region
//!   is;
//! - [`dom0_backup`]: backup of the crashed system's memory that this range hides;
//! - `reserved_block`: the block of the region for dom0, and its checks;
//! - [`size`]: whether the rest of the region is sufficient to start;
//! - [`cmdline`]: command lines of Xen and dom0.

pub mod cmdline;
pub mod dom0_backup;
pub mod dom0_e820;
pub(in crate::plan) mod layout;
pub(in crate::plan) mod reserved_block;
pub mod size;

pub use dom0_e820::{Dom0Range, Dom0RangeError};
