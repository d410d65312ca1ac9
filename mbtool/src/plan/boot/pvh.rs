//! PVH boot information: `hvm_start_info` version 1 (Xen's
//! `public/arch-x86/hvm/start_info.h`).
//!
//! It is one contiguous block below 1 GiB: Linux's entry code maps no more
//! before it reads the strings and the memory map.

use super::mb1::SentModule;
use super::multiboot::{self, MbiError};
use super::record::{Reader, Writer};
use super::sent::SentMapEntry;
use crate::plan::hex::Hex;
use handoff::addr::PhysRange;
use serde::Serialize;

/// Value of the first field.
pub const MAGIC: u32 = 0x336e_c578;
/// Linux's entry code maps memory up to here before it reads the structure.
pub const LIMIT: u64 = 1 << 30;
/// Version 1 has the memory map.
const VERSION: u32 = 1;
/// Size of the structure in bytes.
const FIXED: usize = 56;
/// Size of a module entry in bytes.
const MODULE: usize = 32;
/// Size of a memory map entry in bytes.
const AREA: usize = 24;
// field offsets
const VERSION_AT: usize = 4;
const FLAGS: usize = 8;
const MODULES: usize = 12;
const MODLIST: usize = 16;
const CMDLINE: usize = 24;
const RSDP: usize = 32;
const MEMMAP: usize = 40;
const MEMMAP_ENTRIES: usize = 48;

/// Input of [`build`].
#[derive(Clone, Debug)]
pub struct PvhInputs<'a> {
    /// Command line of the image.
    pub cmdline: &'a str,
    /// Modules in order: range (end exclusive, not rounded) and command line.
    pub modules: Vec<(PhysRange, &'a str)>,
    /// Memory map: ranges and E820 types, which PVH uses too.
    pub areas: &'a [(PhysRange, u32)],
    /// Physical address of the ACPI RSDP, 0 if unknown.
    pub rsdp: u64,
}

/// Builds the information for the page-aligned address `addr`. Its size does not
/// depend on any address.
///
/// # Errors
///
/// When a string has a NUL byte, or a module is empty or ends above 4 GiB.
pub fn build(parts: &PvhInputs<'_>, addr: u64) -> Result<Vec<u8>, MbiError> {
    multiboot::no_nul("the command line", parts.cmdline)?;
    let mut info = Writer::new(addr, FIXED);
    info.set32(0, MAGIC);
    info.set32(VERSION_AT, VERSION);

    let table = info.append(&vec![0; MODULE * parts.modules.len()]);
    for (index, &(range, text)) in parts.modules.iter().enumerate() {
        multiboot::no_nul(format!("the string of module {index}"), text)?;
        multiboot::low_module(index, range)?;
        let at = table + MODULE * index;
        info.set64(at, range.start);
        info.set64(at + 8, range.len());
        let text = info.string(text);
        info.set64(at + 16, text);
    }
    if !parts.modules.is_empty() {
        info.set32(MODULES, parts.modules.len() as u32);
        info.set64(MODLIST, info.address(table));
    }

    let map = info.append(&vec![0; AREA * parts.areas.len()]);
    for (index, (range, kind)) in parts.areas.iter().enumerate() {
        let at = map + AREA * index;
        info.set64(at, range.start);
        info.set64(at + 8, range.len());
        info.set32(at + 16, *kind);
    }
    info.set64(MEMMAP, info.address(map));
    info.set32(MEMMAP_ENTRIES, parts.areas.len() as u32);
    let cmdline = info.string(parts.cmdline);
    info.set64(CMDLINE, cmdline);
    info.set64(RSDP, parts.rsdp);
    Ok(info.finish())
}

/// The information decoded for the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SentPvhInfo {
    /// Version of the structure.
    pub version: u32,
    /// Flags; none is defined.
    pub flags: Hex,
    /// Command line of the image.
    pub cmdline: String,
    /// Modules in order.
    pub modules: Vec<SentModule>,
    /// The memory map.
    pub memmap: Vec<SentMapEntry>,
    /// Address of the ACPI RSDP; null if unknown.
    pub rsdp: Option<Hex>,
}

/// Decodes the output of [`build`] for `addr`.
#[must_use]
pub fn decode(bytes: &[u8], addr: u64) -> SentPvhInfo {
    let info = Reader { base: addr, bytes };
    let modules = info.offset(info.long(MODLIST));
    let map = info.offset(info.long(MEMMAP));
    SentPvhInfo {
        version: info.word(VERSION_AT),
        flags: Hex(info.word(FLAGS).into()),
        cmdline: info.string(info.long(CMDLINE)),
        modules: (0..info.word(MODULES) as usize)
            .map(|index| modules + MODULE * index)
            .map(|at| SentModule {
                start: Hex(info.long(at)),
                end: Hex(info.long(at).saturating_add(info.long(at + 8))),
                cmdline: info.string(info.long(at + 16)),
            })
            .collect(),
        memmap: (0..info.word(MEMMAP_ENTRIES) as usize)
            .map(|index| map + AREA * index)
            .map(|at| SentMapEntry {
                base: Hex(info.long(at)),
                length: info.long(at + 8),
                kind: info.word(at + 16),
            })
            .collect(),
        rsdp: Some(info.long(RSDP)).filter(|rsdp| *rsdp != 0).map(Hex),
    }
}

#[cfg(test)]
mod tests;
