//! Xen as crash kernel: what a paravirtualised dom0 that is confined to a crash
//! region needs, beside what any crash kernel does.
//!
//! - [`window`]: pseudo-physical addresses that dom0 fills with memory of its own,
//!   wherever the region is;
//! - [`fence`]: what of the old system's memory they hide;
//! - [`map`]: the memory map for Xen;
//! - [`room`]: whether what is left of the region is enough to start;
//! - [`words`]: command lines.

pub mod fence;
pub mod map;
pub mod room;
pub mod window;
pub mod words;

pub use window::{Window, WindowError};
