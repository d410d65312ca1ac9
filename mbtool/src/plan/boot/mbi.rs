//! The Multiboot2 boot information, by multiboot2's builder.
//!
//! Sent: 1 command line, 2 loader name, 3 modules, 4 basic memory, 6 memory map,
//! 9 ELF sections (where the image has them), 14/15 RSDP (where the machine has
//! one), 21 load base. Never sent: 11 and 12 (boot services have ended, and Xen
//! halts when it sees them), 8 (no video mode can be promised after another
//! kernel had the screen).

use crate::image::Sections;
use handoff::addr::PhysRange;
use multiboot2::{
    BasicMemoryInfoTag, BootLoaderNameTag, Builder, CommandLineTag, ElfSectionsTag,
    ImageLoadPhysAddrTag, MaybeDynSized, MemoryArea, MemoryAreaType, MemoryMapTag, ModuleTag,
    RsdpV1Tag, RsdpV2Tag,
};

/// Value of EAX at the entry (Multiboot2 spec, 3.2).
pub const MAGIC: u32 = multiboot2::MAGIC;
/// Bytes of tag type and size in front of a tag's contents.
const TAG_HEADER: usize = 8;
/// `SHF_ALLOC` (ELF spec): the section is part of the loaded image.
const SHF_ALLOC: u64 = 2;

/// What the boot information says.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    /// Tag 1.
    pub cmdline: &'a str,
    /// Tag 2.
    pub loader: &'a str,
    /// Tag 3, in order: where (end exclusive, not rounded), and the string.
    pub modules: Vec<(PhysRange, &'a str)>,
    /// Tag 4, in KiB.
    pub mem_lower: u32,
    /// Tag 4, in KiB.
    pub mem_upper: u32,
    /// Tag 6: ranges and E820 types.
    pub areas: &'a [(PhysRange, u32)],
    /// Tag 9: the table, and what was added to the image's link addresses.
    pub sections: Option<(&'a Sections, u64)>,
    /// Room for tag 14.
    pub rsdp_v1: bool,
    /// Room for tag 15.
    pub rsdp_v2: bool,
    /// Tag 21.
    pub load_base: u32,
}

/// The bytes, and what is still missing in them.
#[derive(Clone, Debug)]
pub struct Mbi {
    /// For an 8-byte aligned address.
    pub bytes: Vec<u8>,
    /// Where the handoff copies an RSDP to: offset and length. User space cannot
    /// read it on a UEFI machine. Zeroes until then, so that a copy that never
    /// happened is not taken for a table.
    pub rsdp: Vec<(usize, u32)>,
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

/// Builds the boot information. Its size does not depend on any address.
///
/// # Errors
///
/// A NUL in a string; a module that is empty or ends above 4 GiB.
pub fn build(parts: &Parts<'_>) -> Result<Mbi, MbiError> {
    no_nul("the command line", parts.cmdline)?;
    let mut builder = Builder::new()
        .cmdline(CommandLineTag::new(parts.cmdline))
        .bootloader(BootLoaderNameTag::new(parts.loader))
        .meminfo(BasicMemoryInfoTag::new(parts.mem_lower, parts.mem_upper))
        .image_load_addr(ImageLoadPhysAddrTag::new(parts.load_base));
    for (index, &(range, cmdline)) in parts.modules.iter().enumerate() {
        no_nul(format!("the string of module {index}"), cmdline)?;
        let (start, end) = low_module(index, range)?;
        builder = builder.add_module(ModuleTag::new(start, end, cmdline));
    }
    let area = |&(range, kind): &(PhysRange, u32)| {
        MemoryArea::new(range.start, range.len(), MemoryAreaType::from_val(kind))
    };
    let areas: Vec<MemoryArea> = parts.areas.iter().map(area).collect();
    builder = builder.mmap(MemoryMapTag::new(&areas));
    if let Some((table, delta)) = parts.sections {
        let bytes = moved(table, delta);
        builder = builder.elf_sections(ElfSectionsTag::new(
            table.num,
            table.entsize,
            table.shndx,
            &bytes,
        ));
    }
    if parts.rsdp_v1 {
        builder = builder.rsdpv1(RsdpV1Tag::new([0; 6], 0, 0));
    }
    if parts.rsdp_v2 {
        builder = builder.rsdpv2(RsdpV2Tag::new([0; 6], 2, 0, 36, 0));
    }
    let built = builder.build();
    let mut bytes = built.as_bytes().to_vec();
    let holes: Vec<(usize, u32)> = tags(&bytes)
        .filter(|tag| tag.kind == 14 || tag.kind == 15)
        .map(|tag| (tag.at + TAG_HEADER, (tag.size - TAG_HEADER) as u32))
        .collect();
    for &(at, len) in &holes {
        bytes[at..at + len as usize].fill(0);
    }
    Ok(Mbi { bytes, rsdp: holes })
}

/// A tag's place in the boot information.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawTag {
    /// Tag type number.
    pub kind: u32,
    /// Offset of the tag.
    pub at: usize,
    /// Bytes from there, without padding.
    pub size: usize,
}

/// The tags of boot information that this file built, the end tag included.
pub(super) fn tags(bytes: &[u8]) -> impl Iterator<Item = RawTag> + '_ {
    // total size and a reserved word come first
    let mut at = 8;
    std::iter::from_fn(move || {
        let kind = word(bytes, at)?;
        let size = word(bytes, at + 4)? as usize;
        if size < TAG_HEADER || at + size > bytes.len() {
            return None;
        }
        let tag = RawTag { kind, at, size };
        at += size.next_multiple_of(8);
        Some(tag)
    })
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

#[cfg(test)]
mod tests;
