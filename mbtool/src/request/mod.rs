//! The request to boot: options, files and consoles, converted to a [`crate::plan::Request`]
//! and its plan.
//!
//! - [`files`]: image and modules, read and decompressed;
//! - [`console`]: the consoles of the handoff, found on this machine;
//! - [`embedded`]: files and command line in a unified image;
//! - `cmdline`: the image's command line, and dom0's;
//! - [`prepare`]: refuses options that contradict each other, makes the request;
//! - [`decide`]: plans the request;
//! - [`configured`]: options from a crash configuration;
//! - [`error`], [`warnings`]: options that contradict each other, and those that cannot be meant.
//!
//! The command line fills [`BootOptions`]; other front ends can do so too.

mod cmdline;
pub mod configured;
pub mod console;
pub mod decide;
pub mod embedded;
pub mod error;
pub mod files;
mod image_file;
pub mod initrd;
pub mod prepare;
pub mod warnings;

pub use files::Files;

use crate::backend::Choice;
use crate::image::As;
use crate::plan::request::DEFAULT_MEM_MIN;
use console::ConsoleSpec;
use handoff::spec::{OnFault, Verify};
use std::path::PathBuf;

/// An image with its boot options.
#[derive(Clone, Debug)]
pub struct BootOptions {
    /// The image; `-` is standard input.
    pub image: PathBuf,
    /// Type of the image file.
    pub image_type: As,
    /// Load as crash image.
    pub crash: bool,
    /// Command line of the image, not of its modules.
    pub cmdline: Option<String>,
    /// Parameters added to the command line: that of `cmdline`, of a unified image, or the reused one.
    pub append: Option<String>,
    /// Reuse the running kernel's command line.
    pub reuse_cmdline: bool,
    /// Modules in order.
    pub modules: Vec<ModuleSpec>,
    /// The device tree to start from; the running kernel's without it.
    pub dtb: Option<PathBuf>,
    /// Place nothing below this address.
    pub mem_min: u64,
    /// Place nothing at or above this address.
    pub mem_max: Option<u64>,
    /// Xen: allow BIOS calls.
    pub real_mode: bool,
    /// Consoles of the handoff.
    pub consoles: Vec<ConsoleSpec>,
    /// Digest that the handoff verifies.
    pub verify: Verify,
    /// `None`: reset for a crash image, halt otherwise.
    pub on_fault: Option<OnFault>,
    /// Protect the handoff's memory with debug registers.
    pub guard: bool,
    /// Deliberate failure.
    pub drill: Option<DrillOption>,
    /// Backend that applies the plan.
    pub backend: Choice,
    /// Load even where kexec is expected to end this VCPU.
    pub force: bool,
    /// Pass a random seed to a Linux image. Set for a load, not for a plan, so that plans are
    /// reproducible.
    pub seed: bool,
}

impl BootOptions {
    /// Options to boot `image` with the defaults of `mbtool load`.
    #[must_use]
    pub fn new(image: PathBuf) -> Self {
        Self {
            image,
            image_type: As::Auto,
            crash: false,
            cmdline: None,
            append: None,
            reuse_cmdline: false,
            modules: Vec::new(),
            dtb: None,
            mem_min: DEFAULT_MEM_MIN,
            mem_max: None,
            real_mode: false,
            consoles: vec![ConsoleSpec::Auto],
            verify: Verify::Crc32,
            on_fault: None,
            guard: false,
            drill: None,
            backend: Choice::Auto,
            force: false,
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
    /// Option that named it.
    pub kind: ModuleKind,
}

/// Kinds of module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleKind {
    /// `--module`: decompressed if compressed.
    Module,
    /// `--module-raw`: unchanged.
    Raw,
    /// `--initrd`: unchanged.
    Initrd,
}

impl ModuleKind {
    /// Returns the option name, for messages.
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
pub enum DrillOption {
    /// An exception in long mode.
    FaultLong,
    /// An exception after the switch to 32-bit mode.
    FaultProtected,
    /// Flip one bit of this segment after its checksum was computed.
    Corrupt(String),
    /// Xen without the BIOS data area that it needs: a real crash in Xen, to
    /// test decoding of its dump. Not in `--help`.
    NoLowMemoryFix,
    /// Xen as the loading kernel: data in free pages of its heap, some of which
    /// are lost. Not in `--help`.
    XenHeap,
}
