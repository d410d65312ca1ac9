//! Programs with Linux's setup header, which boot loaders start as kernels.

use crate::image::linux;
use std::fmt;

/// A program with Linux's setup header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupProgram {
    /// A bzImage with the 64-bit entry point, or one that claims it.
    Linux64,
    /// A bzImage without it: 32-bit Linux, or one before 3.8.
    Linux32,
    /// An old Linux, loaded below 1 MiB.
    ZImage,
    /// iPXE (ipxe.lkrn), which is entered in 16-bit mode.
    Ipxe,
}

impl SetupProgram {
    /// Describes a file with a setup header.
    pub(super) fn of(file: &[u8]) -> Self {
        if linux::version_of(file).is_some_and(|version| version.contains("iPXE")) {
            return Self::Ipxe;
        }
        match linux::entry_form(file) {
            linux::EntryForm::Low => Self::ZImage,
            linux::EntryForm::Protected => Self::Linux32,
            linux::EntryForm::Long => Self::Linux64,
        }
    }

    /// What to do with it where it cannot be loaded.
    pub(super) const fn advice(self) -> &'static str {
        match self {
            Self::Linux64 => "leave out --type, or give --type linux",
            Self::Linux32 | Self::ZImage => {
                "give the bzImage of an x86-64 kernel, Linux 3.8 or later"
            }
            Self::Ipxe => {
                "it needs the 16-bit entry point and the BIOS: start it from a boot loader or the firmware"
            }
        }
    }

    /// Its name in JSON.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Linux64 => "bzimage",
            Self::Linux32 => "bzimage-32",
            Self::ZImage => "zimage",
            Self::Ipxe => "ipxe-lkrn",
        }
    }
}

impl fmt::Display for SetupProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Linux64 => "a Linux bzImage",
            Self::Linux32 => "a Linux bzImage without a 64-bit entry point",
            Self::ZImage => "a Linux zImage",
            Self::Ipxe => "iPXE in the form of a Linux kernel (ipxe.lkrn)",
        })
    }
}
