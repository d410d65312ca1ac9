//! Multiboot2 and Xen boot handoff toolkit: bytes -> image -> plan -> backend.

pub mod backend;
pub mod cli;
pub mod cmd;
pub mod config;
pub mod decode;
pub mod decompress;
pub mod doctor;
pub mod host;
pub mod image;
pub mod input;
pub mod plan;
pub mod quiesce;
pub mod ramlog;
pub mod save;
pub mod setup;
pub mod sys;
