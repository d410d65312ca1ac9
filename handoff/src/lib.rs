//! The handoff: the code that runs between two kernels.
//!
//! The library serves both sides: the host fills in a [`spec::Spec`] and gets
//! bytes from [`blob::build`]; the freestanding blob (`src/blob`) is a thin root
//! around [`arch`]. [`abi`] defines the formats that both use.
//!
//! Machine state at every entry and exit: docs/handoff-abi.md.

#![cfg_attr(not(test), no_std)]

pub mod abi;
pub mod addr;
pub mod arch;
#[cfg(not(freestanding))]
pub mod blob;
pub mod console;
pub mod crc;
pub mod devices;
pub mod dt_steps;
pub mod dump;
#[cfg(not(freestanding))]
pub mod extents;
pub mod hyp;
pub mod mmio;
pub mod moves;
pub mod names;
pub mod pagelist;
pub mod pl011;
pub mod print;
pub mod ramlog;
pub mod relocate;
#[cfg(not(freestanding))]
pub mod runs;
pub mod sha256;
#[cfg(not(freestanding))]
pub mod spec;
pub mod tree;
pub mod uart;
pub mod verify;
