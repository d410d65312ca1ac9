//! Multiboot2 and Xen boot handoff toolkit: bytes -> image -> plan -> backend.

pub mod image;
pub mod memory;
pub mod plan;
