//! What both versions of Multiboot say, and what neither can.

use crate::image::Sections;
use handoff::addr::PhysRange;

/// `SHF_ALLOC` (ELF spec): the section is part of the loaded image.
const SHF_ALLOC: u64 = 2;

/// What the boot information of either version says.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    /// Of the image.
    pub cmdline: &'a str,
    /// Boot loader name.
    pub loader: &'a str,
    /// In order: where (end exclusive, not rounded), and the string.
    pub modules: Vec<(PhysRange, &'a str)>,
    /// KiB from 0.
    pub mem_lower: u32,
    /// KiB from 1 MiB.
    pub mem_upper: u32,
    /// Ranges and E820 types.
    pub areas: &'a [(PhysRange, u32)],
    /// The section header table, and what was added to the image's link addresses.
    pub sections: Option<(&'a Sections, u64)>,
}

/// A value that the boot information cannot carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MbiError {
    /// Strings end at a NUL.
    #[error("{what} has a NUL byte at offset {at}: the image would see only what is before it")]
    Nul {
        /// "the command line", "the string of module 1".
        what: String,
        /// Offset in bytes.
        at: usize,
    },
    /// No address of its own.
    #[error("module {index} is empty (0 bytes): Multiboot cannot express that; leave it out")]
    EmptyModule {
        /// Its number, from 0.
        index: usize,
    },
    /// It holds 32-bit addresses of its own parts.
    #[error("the boot information reaches {addr:#x}, above the 4 GiB where Multiboot can point")]
    HighInformation {
        /// Of a part of it.
        addr: u64,
    },
    /// Addresses in tag 3 have 32 bits.
    #[error("module {index} at {range} ends above 4 GiB, where Multiboot cannot point")]
    HighModule {
        /// Its number, from 0.
        index: usize,
        /// Where it was put.
        range: PhysRange,
    },
}

/// Refuses a string that the image would not see all of.
pub(super) fn no_nul(what: impl Into<String>, text: &str) -> Result<(), MbiError> {
    match text.find('\0') {
        Some(at) => Err(MbiError::Nul {
            what: what.into(),
            at,
        }),
        None => Ok(()),
    }
}

/// First address of module `index`, and the one behind its last.
pub(super) fn low_module(index: usize, range: PhysRange) -> Result<(u32, u32), MbiError> {
    let (Ok(start), Ok(end)) = (u32::try_from(range.start), u32::try_from(range.end)) else {
        return Err(MbiError::HighModule { index, range });
    };
    if start >= end {
        return Err(MbiError::EmptyModule { index });
    }
    Ok((start, end))
}

/// The little-endian word at `at`.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..)?.first_chunk().copied()?))
}

/// The section headers as they are after loading: addresses of loaded sections
/// moved by `delta`, those of the others 0.
pub(super) fn moved(table: &Sections, delta: u64) -> Vec<u8> {
    let mut bytes = table.bytes.clone();
    for entry in bytes.chunks_exact_mut((table.entsize as usize).max(1)) {
        // ELF spec: sh_flags and sh_addr of Elf32_Shdr (40 bytes), Elf64_Shdr (64)
        match table.entsize {
            40 => {
                let Some(flags) = word(entry, 8) else {
                    continue;
                };
                let addr = word(entry, 12).unwrap_or(0);
                let there = u64::from(flags) & SHF_ALLOC != 0;
                let addr = if there {
                    addr.wrapping_add(delta as u32)
                } else {
                    0
                };
                entry[12..16].copy_from_slice(&addr.to_le_bytes());
            }
            64 => {
                let long = |at: usize| {
                    let low = u64::from(word(entry, at).unwrap_or(0));
                    low | u64::from(word(entry, at + 4).unwrap_or(0)) << 32
                };
                let there = long(8) & SHF_ALLOC != 0;
                let addr = if there {
                    long(16).wrapping_add(delta)
                } else {
                    0
                };
                entry[16..24].copy_from_slice(&addr.to_le_bytes());
            }
            _ => {}
        }
    }
    bytes
}
