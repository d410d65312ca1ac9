//! Multiboot2 and Xen boot handoff toolkit: bytes -> image -> plan -> backend.

pub mod decompress;
pub mod image;
pub mod input;
pub mod memory;
pub mod plan;
