//! What to boot: options, files and consoles, up to a [`crate::plan::Request`] and its plan.
//!
//! - [`files`]: image and modules, read and unpacked;
//! - [`console`]: the consoles of the handoff, found on this machine;
//! - [`cmdline`]: the image's command line;
//! - [`prepare`]: options that do not go together are refused, the request is made;
//! - [`decide`]: the request is planned;
//! - [`configured`]: the options that a crash configuration stands for.
//!
//! The command line fills [`BootOptions`] in; another front end can do the same.

pub mod cmdline;
pub mod configured;
pub mod console;
pub mod decide;
pub mod files;
pub mod prepare;

pub use files::Files;

use crate::backend::Choice;
use crate::image::As;
use console::ConsoleSpec;
use handoff::addr::MIB;
use handoff::spec::{OnFault, Verify};
use std::path::PathBuf;

/// An image, and how it is to be booted.
#[derive(Clone, Debug)]
pub struct BootOptions {
    /// The image; `-` is standard input.
    pub image: PathBuf,
    /// The kind of image that the file is taken for.
    pub image_type: As,
    /// Load as crash image.
    pub crash: bool,
    /// Command line of the image, not of its modules.
    pub cmdline: Option<String>,
    /// Start with the running kernel's command line.
    pub reuse_cmdline: bool,
    /// In order.
    pub modules: Vec<ModuleSpec>,
    /// Place nothing below this address.
    pub mem_min: u64,
    /// Place nothing at or above this address.
    pub mem_max: Option<u64>,
    /// Xen: allow BIOS calls.
    pub real_mode: bool,
    /// Where the handoff prints.
    pub consoles: Vec<ConsoleSpec>,
    /// The digest that the handoff checks.
    pub verify: Verify,
    /// `None`: reset for a crash image, halt otherwise.
    pub on_fault: Option<OnFault>,
    /// Watch the handoff's memory with debug registers.
    pub guard: bool,
    /// Fail on purpose.
    pub drill: Option<Drill>,
    /// The backend that takes the plan.
    pub backend: Choice,
    /// Give a Linux image random bytes for its generator: a load does, a plan does not, so that it is the same every
    /// time.
    pub seed: bool,
}

impl BootOptions {
    /// Boots `image` alone, with the defaults of `mbtool load`.
    #[must_use]
    pub fn new(image: PathBuf) -> Self {
        Self {
            image,
            image_type: As::Auto,
            crash: false,
            cmdline: None,
            reuse_cmdline: false,
            modules: Vec::new(),
            mem_min: MIB,
            mem_max: None,
            real_mode: false,
            consoles: vec![ConsoleSpec::Auto],
            verify: Verify::Crc32,
            on_fault: None,
            guard: false,
            drill: None,
            backend: Choice::Auto,
            seed: false,
        }
    }
}

/// A module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleSpec {
    /// The file.
    pub path: PathBuf,
    /// Its arguments.
    pub args: String,
    /// The option that named it.
    pub kind: ModuleKind,
}

/// Kinds of module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleKind {
    /// `--module`: decompressed.
    Module,
    /// `--module-raw`: as it is.
    Raw,
    /// `--initrd`: as it is.
    Initrd,
}

impl ModuleKind {
    /// The option, for messages.
    #[must_use]
    pub const fn option(self) -> &'static str {
        match self {
            Self::Module => "--module",
            Self::Raw => "--module-raw",
            Self::Initrd => "--initrd",
        }
    }
}

/// `--drill`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drill {
    /// An exception in long mode.
    FaultLong,
    /// An exception after the drop to 32-bit.
    FaultProtected,
    /// One bit of this segment flipped after its checksum was taken.
    Corrupt(String),
    /// Xen without the BIOS data area that it needs: a crash in real code, to
    /// test the way from a dump to a function. Not in `--help`.
    NoLowMemoryFix,
    /// Xen as the host: data in free pages of its heap, some of which it loses.
    /// Not in `--help`.
    XenHeap,
}
