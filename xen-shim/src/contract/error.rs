//! Why Xen would not start.

use super::{BOOT_HEAP, MAX_DOM0_LINE, MAX_MODULES};
use crate::fix::{Fix, Remedy, tail};
use std::fmt;

/// A constraint of Xen that is violated.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
    /// No module besides Xen itself.
    #[error("xen needs a dom0 kernel as first module{}", tail(self.fix()))]
    NoDom0,
    /// The first module cannot be a kernel.
    #[error(
        "module 0 ({name}) is not a dom0 kernel: found {found}, xen accepts a bzImage, an ELF or a \
         gzip-compressed ELF{}",
        tail(self.fix())
    )]
    NotAKernel {
        /// File name.
        name: String,
        /// Its format, by the first bytes.
        found: NotAKernel,
    },
    /// A bzImage too old for Xen to unpack.
    #[error("module 0 ({name}) has boot protocol {major}.{minor:02}, xen needs at least 2.08")]
    OldBzImage {
        /// File name.
        name: String,
        /// Protocol version, high byte.
        major: u8,
        /// Protocol version, low byte.
        minor: u8,
    },
    /// More than [`MAX_MODULES`].
    #[error("{count} modules, xen accepts at most {MAX_MODULES}{}", tail(self.fix()))]
    TooManyModules {
        /// Modules given.
        count: usize,
    },
    /// More than [`MAX_DOM0_LINE`].
    #[error(
        "dom0's command line has {len} bytes, xen passes on the first {MAX_DOM0_LINE}{}",
        tail(self.fix())
    )]
    Dom0Line {
        /// Its length in bytes.
        len: usize,
    },
    /// More than [`BOOT_HEAP`].
    #[error(
        "command lines, module strings and memory map need {need} bytes in xen's boot heap, which \
         has {BOOT_HEAP}{}",
        tail(self.fix())
    )]
    HeapFull {
        /// Bytes needed.
        need: usize,
    },
}

impl Fix for ContractError {
    fn fix(&self) -> Remedy {
        let fix = match self {
            Self::NoDom0 => "give it with --module 'VMLINUZ ARGS', before any initrd",
            Self::NotAKernel { .. } => "give the kernel as first --module, the initrd after it",
            Self::TooManyModules { .. } => "leave some out",
            Self::Dom0Line { .. } => "shorten it",
            Self::HeapFull { .. } => "shorten them",
            Self::OldBzImage { .. } => return None,
        };
        Some(fix.into())
    }
}

/// A file that is not a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAKernel {
    /// A cpio archive.
    Cpio,
    /// Any other file.
    Other {
        /// Length in bytes.
        len: usize,
        /// Up to four bytes of its start.
        head: Vec<u8>,
    },
}

impl fmt::Display for NotAKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpio => f.write_str("a cpio archive (an initrd?)"),
            Self::Other { len, head } => {
                write!(f, "{len} bytes that start with")?;
                head.iter().try_for_each(|byte| write!(f, " {byte:02x}"))
            }
        }
    }
}
