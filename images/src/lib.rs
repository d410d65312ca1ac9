//! Guests of the end-to-end tests: assets fetched from Debian, and initramfs images built here.

pub mod assets;
pub mod cache;
pub mod cargo;
pub mod cpio;
pub mod cross;
pub mod debian;
pub mod digest;
pub mod guest;
pub mod jump_kernel;
pub mod launch;
pub mod payloads;
pub mod progress;
pub mod qemu;
pub mod report;
pub mod rootfs;
pub mod store;
