//! What the user asked for: the planner's input beside the machine.

use super::Bytes;
use crate::host::Host;
use crate::image::{Image, Protocol};
use handoff::addr::{MIB, PhysRange};
use handoff::spec::{Console, Drill, OnFault, Verify};

/// Most segments that Linux's `kexec_load(2)` takes.
pub const LINUX_SEGMENTS: usize = 16;
/// Most segments that Xen's kexec hypercall takes.
pub const XEN_SEGMENTS: usize = 15;

/// A file handed to the image beside itself.
#[derive(Clone, Debug)]
pub struct Module {
    /// File name, for messages.
    pub name: String,
    /// String passed with it: arguments only, without a file name in front.
    pub cmdline: String,
    /// Contents, unpacked where that was wanted.
    pub data: Bytes,
}

/// Everything asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// What to start.
    pub image: Image,
    /// Its command line.
    pub cmdline: String,
    /// Its modules, in order.
    pub modules: Vec<Module>,
    /// Nothing that can be moved is placed below this address.
    pub mem_min: u64,
    /// Nothing that can be moved is placed at or above this address.
    pub mem_max: Option<u64>,
    /// Xen only: let it call the BIOS.
    pub real_mode: bool,
    /// Where the handoff prints.
    pub consoles: Vec<Console>,
    /// What ends a fault in the handoff.
    pub on_fault: OnFault,
    /// How every loaded segment is verified before the jump.
    pub verify: Verify,
    /// Deliberate failure.
    pub drill: Drill,
    /// Xen only: load to pages that may be free, so that some get lost.
    pub drill_heap: bool,
    /// Leave watchpoints behind that catch the image overwriting the handoff.
    pub guard: bool,
    /// Give Xen a BIOS data area where the machine has none (a test of the
    /// dump switches it off).
    pub low_memory_fix: bool,
    /// The region to stay in, for a crash image.
    pub crash: Option<PhysRange>,
    /// Below this address the loading kernel cannot load; what must go there is
    /// moved by the handoff. 0: it loads anywhere.
    pub kernel_min: u64,
    /// Random bytes for a Linux image's generator. The plan of two loads
    /// differs by them.
    pub seed: Option<[u8; 32]>,
    /// Most segments that the loading kernel takes: [`LINUX_SEGMENTS`] or
    /// [`XEN_SEGMENTS`].
    pub max_segments: usize,
}

impl Request {
    /// Asks for `image` alone, with every default of the command line.
    #[must_use]
    pub const fn new(image: Image) -> Self {
        Self {
            image,
            cmdline: String::new(),
            modules: Vec::new(),
            mem_min: MIB,
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
            seed: None,
            max_segments: LINUX_SEGMENTS,
        }
    }

    /// Most segments that the kernel which loads on `host` takes.
    #[must_use]
    pub fn segment_limit(&self, host: &Host) -> usize {
        match host.xen {
            Some(_) => self.max_segments.min(XEN_SEGMENTS),
            None => self.max_segments,
        }
    }

    /// Name of the segment of module `index`, without the file's directory: the
    /// handoff has room for a short one only.
    #[must_use]
    pub fn segment_name(&self, index: usize) -> String {
        let name = self
            .modules
            .get(index)
            .map_or("", |module| module.name.as_str());
        match self.image.protocol {
            Protocol::Linux(_) if index == 0 => format!("initrd: {}", base_name(name)),
            _ => format!("module {index}: {}", base_name(name)),
        }
    }
}

/// The last part of a path.
pub(super) fn base_name(path: &str) -> &str {
    path.rsplit('/')
        .find(|part| !part.is_empty())
        .unwrap_or(path)
}
