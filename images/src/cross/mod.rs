//! mbtool and the handoff for another architecture, built on this machine (docs/building.md).
//!
//! Needs neither a cross gcc nor root: the linker is the `rust-lld` of the running toolchain, the
//! C library comes from Debian's cross packages. The compiler is the user's own if it has the
//! target (`rustup target add`), else Debian's.

mod build;
mod compiler;
mod libc;
mod object;
mod target;

pub use build::{Cross, CrossHandoff};
pub use target::CrossTarget;
