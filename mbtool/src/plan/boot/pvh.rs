//! PVH boot information: `hvm_start_info` version 1 (Xen's
//! `public/arch-x86/hvm/start_info.h`).
//!
//! It is one contiguous block below 1 GiB: Linux's entry code maps no more
//! before it reads the strings and the memory map.

use super::decoded::DecodedMapEntry;
use super::mb1::DecodedModule;
use super::multiboot::{self, MbiError};
use super::record::{Reader, Writer};
use crate::plan::hex::Hex;
use handoff::addr::PhysRange;
use serde::Serialize;
use xen_shim::start_info::{MAGIC, MemmapEntry, ModuleEntry, StartInfo, VERSION};
use zerocopy::{FromZeros, IntoBytes};

/// Linux's entry code maps memory up to here before it reads the structure.
pub const LIMIT: u64 = 1 << 30;
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
    let mut info = Writer::new(addr, size_of::<StartInfo>());
    let mut head = StartInfo {
        magic: MAGIC,
        version: VERSION,
        ..StartInfo::new_zeroed()
    };

    let size = size_of::<ModuleEntry>();
    let table = info.append(&vec![0; size * parts.modules.len()]);
    for (index, &(range, text)) in parts.modules.iter().enumerate() {
        multiboot::no_nul(format!("the string of module {index}"), text)?;
        multiboot::low_module(index, range)?;
        let module = ModuleEntry {
            start: range.start,
            len: range.len(),
            cmdline: info.string(text),
            reserved: 0,
        };
        info.put(table + size * index, &module);
    }
    if !parts.modules.is_empty() {
        head.module_count = parts.modules.len() as u32;
        head.modules = info.address(table);
    }

    let map: Vec<MemmapEntry> = parts
        .areas
        .iter()
        .map(|(range, kind)| MemmapEntry {
            start: range.start,
            len: range.len(),
            kind: *kind,
            reserved: 0,
        })
        .collect();
    let at = info.append(map.as_bytes());
    head.memmap = info.address(at);
    head.memmap_count = map.len() as u32;
    head.cmdline = info.string(parts.cmdline);
    head.rsdp = parts.rsdp;
    info.put(0, &head);
    Ok(info.finish())
}

/// The information decoded for the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecodedPvhInfo {
    /// Version of the structure.
    pub version: u32,
    /// Flags; none is defined.
    pub flags: Hex,
    /// Command line of the image.
    pub cmdline: String,
    /// Modules in order.
    pub modules: Vec<DecodedModule>,
    /// The memory map.
    pub memmap: Vec<DecodedMapEntry>,
    /// Address of the ACPI RSDP; null if unknown.
    pub rsdp: Option<Hex>,
}

/// Decodes the output of [`build`] for `addr`.
#[must_use]
pub fn decode(bytes: &[u8], addr: u64) -> DecodedPvhInfo {
    let info = Reader { base: addr, bytes };
    let head: StartInfo = info.get(0);
    let (modules, map) = (info.offset(head.modules), info.offset(head.memmap));
    DecodedPvhInfo {
        version: head.version,
        flags: Hex(head.flags.into()),
        cmdline: info.string(head.cmdline),
        modules: (0..head.module_count as usize)
            .map(|index| info.get(modules + size_of::<ModuleEntry>() * index))
            .map(|module: ModuleEntry| DecodedModule {
                start: Hex(module.start),
                end: Hex(module.start.saturating_add(module.len)),
                cmdline: info.string(module.cmdline),
            })
            .collect(),
        memmap: (0..head.memmap_count as usize)
            .map(|index| info.get(map + size_of::<MemmapEntry>() * index))
            .map(|entry: MemmapEntry| DecodedMapEntry {
                base: Hex(entry.start),
                length: entry.len,
                kind: entry.kind,
            })
            .collect(),
        rsdp: Some(head.rsdp).filter(|rsdp| *rsdp != 0).map(Hex),
    }
}

#[cfg(test)]
mod tests;
