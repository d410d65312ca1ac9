//! The Multiboot (1) information structure (specification 0.6.96, section 3.3).
//!
//! Sent: memory sizes, command line, modules, ELF section headers (if the image
//! has them), memory map, boot loader name. Never sent: boot device, drives, ROM
//! configuration table and APM table (the BIOS cannot be called after another
//! kernel has run), VBE and framebuffer (the video mode is unknown). The flags
//! field has a bit for each field that is present.

use super::multiboot::{self, MbiError, MultibootInputs};
use super::record::{Reader, Writer};
use super::sent::SentMapEntry;
use crate::plan::hex::Hex;
use serde::Serialize;

/// Value of EAX at entry (section 3.2).
pub const MAGIC: u32 = 0x2bad_b002;

/// Size of the structure in bytes, framebuffer fields included.
const FIXED: usize = 120;
/// Size of a module entry in bytes.
const MODULE: usize = 16;
/// Size of a memory map entry in bytes, with its size field.
const AREA: usize = 24;
// bits of the flags field
const MEMORY: u32 = 1 << 0;
const CMDLINE: u32 = 1 << 2;
const MODULES: u32 = 1 << 3;
const ELF_SECTIONS: u32 = 1 << 5;
const MAP: u32 = 1 << 6;
const LOADER: u32 = 1 << 9;
// field offsets
const FLAGS: usize = 0;
const MEM_LOWER: usize = 4;
const MEM_UPPER: usize = 8;
const CMDLINE_ADDR: usize = 16;
const MODS_COUNT: usize = 20;
const MODS_ADDR: usize = 24;
const SHDR_NUM: usize = 28;
const SHDR_SIZE: usize = 32;
const SHDR_ADDR: usize = 36;
const SHDR_SHNDX: usize = 40;
const MMAP_LENGTH: usize = 44;
const MMAP_ADDR: usize = 48;
const LOADER_ADDR: usize = 64;

/// Builds the information for the page-aligned address `addr`. Its size does not
/// depend on any address.
///
/// # Errors
///
/// When a string has a NUL byte, a module is empty or ends above 4 GiB, or an
/// address needs more than 32 bits.
pub fn build(parts: &MultibootInputs<'_>, addr: u64) -> Result<Vec<u8>, MbiError> {
    multiboot::no_nul("the command line", parts.cmdline)?;
    let mut info = Writer::new(addr, FIXED);
    let mut flags = MEMORY | CMDLINE | MAP | LOADER;
    info.set32(MEM_LOWER, parts.mem_lower);
    info.set32(MEM_UPPER, parts.mem_upper);

    let table = info.append(&vec![0; MODULE * parts.modules.len()]);
    for (index, &(range, text)) in parts.modules.iter().enumerate() {
        multiboot::no_nul(format!("the string of module {index}"), text)?;
        let (start, end) = multiboot::low_module(index, range)?;
        let at = table + MODULE * index;
        info.set32(at, start);
        info.set32(at + 4, end);
        let text = info.string(text);
        info.set32(at + 8, low(text)?);
    }
    if !parts.modules.is_empty() {
        flags |= MODULES;
        info.set32(MODS_COUNT, parts.modules.len() as u32);
        let table = low(info.address(table))?;
        info.set32(MODS_ADDR, table);
    }

    let map = info.append(&vec![0; AREA * parts.areas.len()]);
    for (index, (range, kind)) in parts.areas.iter().enumerate() {
        let at = map + AREA * index;
        // the size field excludes itself
        info.set32(at, AREA as u32 - 4);
        info.set64(at + 4, range.start);
        info.set64(at + 12, range.len());
        info.set32(at + 20, *kind);
    }
    info.set32(MMAP_LENGTH, (AREA * parts.areas.len()) as u32);
    let map = low(info.address(map))?;
    info.set32(MMAP_ADDR, map);

    if let Some((sections, delta)) = parts.sections {
        flags |= ELF_SECTIONS;
        let table = info.append(&multiboot::moved(sections, delta));
        info.set32(SHDR_NUM, sections.num);
        info.set32(SHDR_SIZE, sections.entsize);
        let table = low(info.address(table))?;
        info.set32(SHDR_ADDR, table);
        info.set32(SHDR_SHNDX, sections.shndx);
    }
    let cmdline = info.string(parts.cmdline);
    info.set32(CMDLINE_ADDR, low(cmdline)?);
    let loader = info.string(parts.loader);
    info.set32(LOADER_ADDR, low(loader)?);
    info.set32(FLAGS, flags);
    Ok(info.finish())
}

/// Converts an address to 32 bits.
fn low(addr: u64) -> Result<u32, MbiError> {
    u32::try_from(addr).map_err(|_| MbiError::HighInformation { addr })
}

/// The information decoded for the report. Fields that are not sent are absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SentMb1Info {
    /// Bits for the fields that are present.
    pub flags: Hex,
    /// KiB from address 0.
    pub mem_lower: u32,
    /// KiB from 1 MiB.
    pub mem_upper: u32,
    /// Command line of the image.
    pub cmdline: String,
    /// Modules in order.
    pub modules: Vec<SentModule>,
    /// The section header table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elf_sections: Option<SentSections>,
    /// The memory map.
    pub mmap: Vec<SentMapEntry>,
    /// Boot loader name.
    pub boot_loader_name: String,
}

/// A module, decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SentModule {
    /// First byte.
    pub start: Hex,
    /// One past the last byte.
    pub end: Hex,
    /// Command line of the module.
    pub cmdline: String,
}

/// The section header table, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SentSections {
    /// Number of entries.
    pub num: u32,
    /// Size of an entry in bytes.
    pub size: u32,
    /// Address of the table.
    pub addr: Hex,
    /// Index of the section name table.
    pub shndx: u32,
}

/// Decodes the output of [`build`] for `addr`.
#[must_use]
pub fn decode(bytes: &[u8], addr: u64) -> SentMb1Info {
    let info = Reader { base: addr, bytes };
    let field = |at| u64::from(info.word(at));
    let modules = info.offset(field(MODS_ADDR));
    let map = info.offset(field(MMAP_ADDR));
    let flags = info.word(FLAGS);
    SentMb1Info {
        flags: Hex(flags.into()),
        mem_lower: info.word(MEM_LOWER),
        mem_upper: info.word(MEM_UPPER),
        cmdline: info.string(field(CMDLINE_ADDR)),
        modules: (0..info.word(MODS_COUNT) as usize)
            .map(|index| modules + MODULE * index)
            .map(|at| SentModule {
                start: Hex(field(at)),
                end: Hex(field(at + 4)),
                cmdline: info.string(field(at + 8)),
            })
            .collect(),
        elf_sections: (flags & ELF_SECTIONS != 0).then(|| SentSections {
            num: info.word(SHDR_NUM),
            size: info.word(SHDR_SIZE),
            addr: Hex(field(SHDR_ADDR)),
            shndx: info.word(SHDR_SHNDX),
        }),
        mmap: (0..info.word(MMAP_LENGTH) as usize)
            .step_by(AREA)
            .map(|at| SentMapEntry {
                base: Hex(info.long(map + at + 4)),
                length: info.long(map + at + 12),
                kind: info.word(map + at + 20),
            })
            .collect(),
        boot_loader_name: info.string(field(LOADER_ADDR)),
    }
}

#[cfg(test)]
mod tests;
