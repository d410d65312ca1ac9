//! Why a unified image cannot be started.

use crate::image::FileKind;
use xen_shim::fix::{Fix, Remedy, tail};

/// A defect of a unified image, or files that it lacks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnifiedError {
    /// A section that is not in the file.
    #[error("its section {name} ends after the file{}", tail(self.fix()))]
    CutShort {
        /// The section.
        name: &'static str,
    },
    /// A section that should be text.
    #[error("its section {name} is not UTF-8 text{}", tail(self.fix()))]
    NotText {
        /// The section.
        name: &'static str,
    },
    /// A kernel of another kind.
    #[error("its section {name} is {kind}, expected a bzImage{}", tail(self.fix()))]
    Kernel {
        /// The section.
        name: &'static str,
        /// What it has.
        kind: FileKind,
    },
    /// A file that its configuration names, and that is not in the image.
    #[error("its .config names {key}={file}, and it has no section {section}{}", tail(self.fix()))]
    NotInside {
        /// Key of the configuration.
        key: &'static str,
        /// The file.
        file: String,
        /// The section that would have it.
        section: &'static str,
    },
    /// A Xen without dom0's kernel.
    #[error("has no section .kernel, and its .config names no kernel{}", tail(self.fix()))]
    NoKernel,
}

impl Fix for UnifiedError {
    fn fix(&self) -> Remedy {
        Some(
            match self {
                Self::CutShort { .. } => "the file is cut short: copy it again",
                Self::NotText { .. } | Self::Kernel { .. } => "build the image again",
                Self::NotInside { .. } => {
                    "give all modules with --module, dom0's kernel and its arguments first"
                }
                Self::NoKernel => "give it with --module 'VMLINUZ ARGS'",
            }
            .into(),
        )
    }
}
