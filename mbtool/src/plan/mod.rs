//! Computes a [`Plan`] from Request, Image and Host: a pure function.
//!
//! `build` has the steps in order; `build_dt` those for a machine with a device tree; `advice` has the advised size of a crash region. The folders, each of which uses only those before it:
//!
//! - [`place`]: choice of addresses;
//! - [`boot`]: boot parameters, memory map and boot information, by protocol;
//! - `xen_heap`: how to load past Xen's free heap;
//! - [`crash`]: crash images;
//! - [`check`]: checks the finished plan against the limits of the loading
//!   kernel;
//! - [`report`]: the JSON document, the table, the SVG picture.

mod advice;
pub mod boot;
mod build;
mod build_dt;
mod bytes;
pub mod check;
pub mod cmdline_change;
mod corrupt;
pub mod crash;
mod dt_target;
mod error;
mod handoff_dt;
pub mod hex;
pub mod place;
mod ram_log;
pub mod report;
pub mod request;
mod segments;
mod xen_heap;
pub mod xen_image;

pub use advice::{Advice, advice};
pub use boot::{decoded, mbi};
pub use build::plan;
pub use bytes::Bytes;
pub use crash::xen::layout::tables as tables_for_xen;
pub use error::{PlanError, RamLogPlaceError};
pub use report::PlanReport;
pub use request::{DEFAULT_MEM_MIN, GivenTree, InitrdPart, Module, Request};
pub use xen_heap::scatter::NoSafeRange;

use crate::arch::Architecture;
use crate::fdt::DeviceTree;
use handoff::addr::PhysRange;

/// One named memory range to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Name for messages: "xen", "module 1: initrd.img", "mbi", "handoff"...
    pub name: String,
    /// Destination; page aligned at both ends.
    pub dest: PhysRange,
    /// Loaded at the start of `dest`; the rest is zeroed. Empty for a zero-length
    /// segment (bufsz 0): memory that must stay unchanged or free.
    pub data: Bytes,
    /// CRC-32 (IEEE) of `data`; 0 for a zero-length segment.
    pub crc32: u32,
    /// SHA-256 of `data` if the handoff verifies it; `None` for a zero-length segment.
    pub sha256: Option<[u8; 32]>,
}

/// A segment as passed to `kexec_load(2)`, after splitting and merging.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelSegment {
    /// Page-aligned destination.
    pub dest: PhysRange,
    /// At most `dest.len()` bytes.
    pub data: Bytes,
    /// Names of the segments inside.
    pub names: Vec<String>,
}

/// A complete plan. `plan` prints it, a backend applies it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The machine that it is for.
    pub arch: Architecture,
    /// Entry point for the old kernel: that of the handoff.
    pub entry: u64,
    /// Segments, sorted by destination, not overlapping.
    pub segments: Vec<Segment>,
    /// The same segments as passed to the kernel.
    pub kernel_segments: Vec<KernelSegment>,
    /// True for a crash image (`load -p`).
    pub crash: bool,
    /// The device tree that the image gets, on a machine with one.
    pub device_tree: Option<DeviceTree>,
    /// Document of `--json`.
    pub report: PlanReport,
}
