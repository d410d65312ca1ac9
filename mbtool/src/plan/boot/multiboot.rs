//! Boot information data and limits common to both Multiboot versions.

use crate::abi::elf::{SectionFlags, SectionHeader32, SectionHeader64};
use crate::host::screen::Screen;
use crate::image::Sections;
use handoff::addr::PhysRange;
use xen_shim::fix::{Fix, Remedy, tail};
use zerocopy::FromBytes;

/// Data common to both versions.
#[derive(Clone, Debug)]
pub struct MultibootInputs<'a> {
    /// Command line of the image.
    pub cmdline: &'a str,
    /// Boot loader name.
    pub loader: &'a str,
    /// Modules in order: range (end exclusive, not rounded) and command line.
    pub modules: Vec<(PhysRange, &'a str)>,
    /// KiB from address 0.
    pub mem_lower: u32,
    /// KiB from 1 MiB.
    pub mem_upper: u32,
    /// Memory map: ranges and E820 types.
    pub areas: &'a [(PhysRange, u32)],
    /// The screen, if it is known.
    pub screen: Option<&'a Screen>,
    /// The section header table, and the offset added to link addresses.
    pub sections: Option<(&'a Sections, u64)>,
}

/// A value that the boot information cannot express.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MbiError {
    /// A NUL byte in a string.
    #[error("{what} has a NUL byte at offset {at}: the image would see only the part before it")]
    Nul {
        /// For instance "the command line", "the string of module 1".
        what: String,
        /// Offset of the byte.
        at: usize,
    },
    /// A module of 0 bytes.
    #[error("module {index} is empty (0 bytes): Multiboot cannot express that{}", tail(self.fix()))]
    EmptyModule {
        /// Index of the module, from 0.
        index: usize,
    },
    /// Pointers in the boot information have 32 bits.
    #[error("the boot information reaches {addr:#x}, above the 4 GiB where Multiboot can point")]
    HighInformation {
        /// First address that does not fit.
        addr: u64,
    },
    /// Module addresses have 32 bits.
    #[error("module {index} at {range} ends above 4 GiB, where Multiboot cannot point")]
    HighModule {
        /// Index of the module, from 0.
        index: usize,
        /// Range of the module.
        range: PhysRange,
    },
}

impl Fix for MbiError {
    fn fix(&self) -> Remedy {
        match self {
            Self::EmptyModule { .. } => Some("leave it out".into()),
            Self::Nul { .. } | Self::HighInformation { .. } | Self::HighModule { .. } => None,
        }
    }
}

/// Refuses a string with a NUL byte, which would truncate it.
pub(super) fn no_nul(what: impl Into<String>, text: &str) -> Result<(), MbiError> {
    match text.find('\0') {
        Some(at) => Err(MbiError::Nul {
            what: what.into(),
            at,
        }),
        None => Ok(()),
    }
}

/// Converts the range of module `index` to 32 bits: start, and end (exclusive).
pub(super) fn low_module(index: usize, range: PhysRange) -> Result<(u32, u32), MbiError> {
    let (Ok(start), Ok(end)) = (u32::try_from(range.start), u32::try_from(range.end)) else {
        return Err(MbiError::HighModule { index, range });
    };
    if start >= end {
        return Err(MbiError::EmptyModule { index });
    }
    Ok((start, end))
}

/// Returns the section headers after loading: addresses of loaded sections
/// moved by `delta`, those of others set to 0.
pub(super) fn moved(table: &Sections, delta: u64) -> Vec<u8> {
    let mut bytes = table.bytes.clone();
    for entry in bytes.chunks_exact_mut((table.entsize as usize).max(1)) {
        if let Ok(header) = SectionHeader32::mut_from_bytes(entry) {
            let loaded = is_loaded(header.flags.into());
            let addr = header.addr.get().wrapping_add(delta as u32);
            header.addr = if loaded { addr.into() } else { 0.into() };
        } else if let Ok(header) = SectionHeader64::mut_from_bytes(entry) {
            let loaded = is_loaded(header.flags.get());
            let addr = header.addr.get().wrapping_add(delta);
            header.addr = if loaded { addr.into() } else { 0.into() };
        }
    }
    bytes
}

const fn is_loaded(flags: u64) -> bool {
    SectionFlags::from_bits_retain(flags).contains(SectionFlags::ALLOC)
}
