//! The request: the planner's input besides the machine.

use super::Bytes;
use super::cmdline_change::CmdlineChange;
use crate::fdt::DeviceTree;
use crate::host::Host;
use crate::image::{Image, Protocol};
use handoff::addr::{MIB, PhysRange};
use handoff::spec::{Console, Drill, OnFault, Verify};
use serde::Serialize;

/// Maximum number of segments of Linux's `kexec_load(2)`.
pub const LINUX_SEGMENTS: usize = 16;
/// Random bytes of a request: 8 for the choice of the kernel's address, and 64 for its generator.
pub const SEED: usize = 72;
/// Default of `--mem-min`.
pub const DEFAULT_MEM_MIN: u64 = MIB;
/// Maximum number of segments of Xen's kexec hypercall.
pub const XEN_SEGMENTS: usize = 15;

/// A file passed to the image.
#[derive(Clone, Debug)]
pub struct Module {
    /// File name, for messages.
    pub name: String,
    /// Arguments passed with it, without a file name.
    pub cmdline: String,
    /// Contents, decompressed if requested.
    pub data: Bytes,
}

/// A file of an initrd that was joined from several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InitrdPart {
    /// File name.
    pub name: String,
    /// Offset in the initrd, in bytes.
    pub offset: u64,
    /// Length in bytes.
    pub bytes: u64,
    /// True when it begins with microcode or ACPI tables for the early boot.
    pub early: bool,
}

/// A device tree from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenTree {
    /// File name, for messages.
    pub name: String,
    /// Its contents.
    pub tree: DeviceTree,
}

/// A complete request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Image to start.
    pub image: Image,
    /// Command line of the image.
    pub cmdline: String,
    /// How `cmdline` and that of module 0 were made, for the report.
    pub changes: Vec<CmdlineChange>,
    /// Warnings about the request, for the report.
    pub warnings: Vec<String>,
    /// Modules in order.
    pub modules: Vec<Module>,
    /// Parts of the initrd, if it was joined from several files.
    pub initrd_parts: Vec<InitrdPart>,
    /// Lower bound of the address of everything movable.
    pub mem_min: u64,
    /// Upper bound (exclusive) of the address of everything movable.
    pub mem_max: Option<u64>,
    /// Xen only: allow BIOS calls.
    pub real_mode: bool,
    /// Consoles of the handoff.
    pub consoles: Vec<Console>,
    /// Action after a fault in the handoff.
    pub on_fault: OnFault,
    /// Verification of loaded segments before the jump.
    pub verify: Verify,
    /// Deliberate failure, for tests.
    pub drill: Drill,
    /// Xen only: load to pages that may be free, so that some are lost.
    pub drill_heap: bool,
    /// Set watchpoints that detect writes of the image to the handoff.
    pub guard: bool,
    /// Provide a synthetic BIOS data area for Xen where the machine has none (a
    /// test of the dump disables this).
    pub low_memory_fix: bool,
    /// Crash image only: the region to stay in.
    pub crash: Option<PhysRange>,
    /// The loading kernel cannot load below this address; the handoff moves
    /// segments there. 0: no limit.
    pub kernel_min: u64,
    /// The device tree to start from; `None` for the running kernel's.
    pub device_tree: Option<GivenTree>,
    /// Random bytes for a Linux image. They are the only difference between plans
    /// of two loads.
    pub seed: Option<[u8; SEED]>,
    /// Maximum number of segments of the loading kernel: [`LINUX_SEGMENTS`] or
    /// [`XEN_SEGMENTS`].
    pub max_segments: usize,
}

impl Request {
    /// Creates a request for `image` with the default options of the command
    /// line.
    #[must_use]
    pub const fn new(image: Image) -> Self {
        Self {
            image,
            cmdline: String::new(),
            changes: Vec::new(),
            warnings: Vec::new(),
            modules: Vec::new(),
            initrd_parts: Vec::new(),
            mem_min: DEFAULT_MEM_MIN,
            mem_max: None,
            real_mode: false,
            consoles: Vec::new(),
            on_fault: OnFault::Halt,
            verify: Verify::Crc32,
            drill: Drill::Off,
            drill_heap: false,
            guard: false,
            low_memory_fix: true,
            crash: None,
            kernel_min: 0,
            device_tree: None,
            seed: None,
            max_segments: LINUX_SEGMENTS,
        }
    }

    /// Returns the maximum number of segments of the kernel that loads on
    /// `host`.
    #[must_use]
    pub fn segment_limit(&self, host: &Host) -> usize {
        match host.xen {
            Some(_) => self.max_segments.min(XEN_SEGMENTS),
            None => self.max_segments,
        }
    }

    /// Returns the segment name of module `index`, with the file name but
    /// without directories: the handoff has space for a short name only.
    #[must_use]
    pub fn segment_name(&self, index: usize) -> String {
        let name = self
            .modules
            .get(index)
            .map_or("", |module| module.name.as_str());
        match self.image.protocol {
            Protocol::Linux(_) | Protocol::DtLinux(_) if index == 0 => {
                format!("initrd: {}", base_name(name))
            }
            _ => format!("module {index}: {}", base_name(name)),
        }
    }
}

/// Returns the last component of a path.
pub(super) fn base_name(path: &str) -> &str {
    path.rsplit('/')
        .find(|part| !part.is_empty())
        .unwrap_or(path)
}
