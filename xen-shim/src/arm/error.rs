//! Why Xen on ARM would not start.

use super::modules::ArmModule;
use super::{MAX_BANKS, MAX_MODULES};
use crate::fix::{Fix, Remedy, tail};
use std::fmt;

/// A constraint of Xen on ARM that is violated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArmContractError {
    /// No module besides Xen itself.
    #[error("xen needs a dom0 kernel as first module{}", tail(self.fix()))]
    NoDom0,
    /// The first module cannot be a kernel.
    #[error(
        "module 0 ({name}) is not a dom0 kernel: found {found}; xen on ARM accepts an Image, a zImage, and both as gzip \
         file or uImage{}",
        tail(self.fix())
    )]
    NotADom0 {
        /// File name.
        name: String,
        /// Its format.
        found: NotADom0,
    },
    /// A module of a role that another one has.
    #[error(
        "module {name} has no role: there is another {} already, and xen on ARM ignores other modules{}",
        role.name(), tail(self.fix())
    )]
    NoRole {
        /// File name.
        name: String,
        /// What it was taken for.
        role: ArmModule,
    },
    /// More than [`MAX_MODULES`].
    #[error("{count} modules, xen on ARM keeps at most {MAX_MODULES}{}", tail(self.fix()))]
    TooManyModules {
        /// Modules given.
        count: usize,
    },
    /// More than [`MAX_BANKS`].
    #[error("the device tree has {count} {what}, xen on ARM keeps at most {MAX_BANKS}{}", tail(self.fix()))]
    TooManyBanks {
        /// "memory ranges" or "reservations".
        what: &'static str,
        /// Their number.
        count: usize,
    },
    /// Not enough memory for what dom0 starts with.
    #[error(
        "dom0 has {} MiB of memory, and its kernel, initial RAM disk and device tree take {} MiB{}",
        have >> 20, need.div_ceil(1 << 20), tail(self.fix())
    )]
    Dom0TooSmall {
        /// `dom0_mem`, or its default, in bytes.
        have: u64,
        /// Bytes that Xen loads there.
        need: u64,
    },
}

impl Fix for ArmContractError {
    fn fix(&self) -> Remedy {
        let fix = match self {
            Self::NoDom0 => "give it with --module 'IMAGE ARGS', before any initrd",
            Self::NotADom0 { found, .. } => match found {
                NotADom0::Cpio => "give the kernel as first --module, the initrd after it",
                NotADom0::Zboot => "give it with --module, which unpacks it",
                NotADom0::Elf | NotADom0::Other { .. } => {
                    "give the kernel's Image (Debian's vmlinuz of arm64 is one)"
                }
            },
            Self::NoRole { .. } => "give one kernel, one initrd and one XSM policy at most",
            Self::TooManyModules { .. } => "leave some out",
            Self::TooManyBanks { .. } => "give a smaller tree with --dtb",
            Self::Dom0TooSmall { .. } => "give more with dom0_mem= on xen's command line",
        };
        Some(fix.into())
    }
}

/// A file that Xen on ARM does not start as dom0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotADom0 {
    /// Linux in an EFI zboot image.
    Zboot,
    /// An ELF file.
    Elf,
    /// A cpio archive.
    Cpio,
    /// Any other file: up to four bytes of its start.
    Other {
        /// The bytes.
        head: Vec<u8>,
    },
}

impl fmt::Display for NotADom0 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zboot => f.write_str("an EFI zboot image"),
            Self::Elf => f.write_str("an ELF file"),
            Self::Cpio => f.write_str("a cpio archive (an initrd?)"),
            Self::Other { head } => {
                f.write_str("a file that starts with")?;
                head.iter().try_for_each(|byte| write!(f, " {byte:02x}"))
            }
        }
    }
}

/// A likely mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArmWarning {
    /// The dom0 kernel is the only module.
    #[error("no initrd: dom0 gets only its kernel")]
    NoInitrd,
    /// No `dom0_mem`.
    #[error("xen's command line has no dom0_mem=: dom0 gets 512 MiB")]
    NoDom0Mem,
}
