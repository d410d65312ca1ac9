//! Reads segments, symbols and DWARF of an ELF file.

use super::{Load, Slice, Text};
use gimli::LittleEndian;
use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol, SymbolKind};
use std::sync::Arc;

/// Returns loaded segments with physical addresses.
pub(super) fn loads(file: &object::File<'_>) -> Vec<Load> {
    // `object` does not provide physical addresses
    let physical: Vec<(u64, u64)> = match file {
        object::File::Elf64(elf) => {
            let endian = elf.endian();
            let headers = elf.elf_program_headers().iter();
            headers
                .map(|header| (header.p_vaddr.get(endian), header.p_paddr.get(endian)))
                .collect()
        }
        object::File::Elf32(elf) => {
            let endian = elf.endian();
            let headers = elf.elf_program_headers().iter();
            headers
                .map(|header| {
                    (
                        header.p_vaddr.get(endian).into(),
                        header.p_paddr.get(endian).into(),
                    )
                })
                .collect()
        }
        _ => Vec::new(),
    };
    file.segments()
        .filter(|segment| segment.size() > 0)
        .map(|segment| {
            let vaddr = segment.address();
            let paddr = physical
                .iter()
                .find(|(virt, _)| *virt == vaddr)
                .map_or(vaddr, |(_, phys)| *phys);
            Load {
                vaddr,
                paddr,
                size: segment.size(),
            }
        })
        .collect()
}

/// Returns symbols of code, sorted by address; the best one per address.
pub(super) fn symbols(file: &object::File<'_>, texts: &[Text]) -> Vec<(u64, String)> {
    let mut all: Vec<(u64, u8, String)> = file
        .symbols()
        .filter(|symbol| {
            symbol.is_definition()
                || symbol.kind() == SymbolKind::Label
                || symbol.kind() == SymbolKind::Unknown
        })
        .filter_map(|symbol| {
            let name = symbol
                .name()
                .ok()
                .filter(|name| !name.is_empty() && !name.starts_with(".L") && !is_mapping(name))?;
            let addr = symbol.address();
            let offset = |text: &Text| addr.checked_sub(text.start);
            let inside = |text: &Text| offset(text).is_some_and(|o| o < text.bytes.len() as u64);
            if symbol.section_index().is_none() || !texts.iter().any(inside) {
                return None;
            }
            // functions before labels, global before local
            let rank =
                u8::from(symbol.kind() != SymbolKind::Text) * 2 + u8::from(symbol.is_local());
            Some((addr, rank, name.to_owned()))
        })
        .collect();
    all.sort();
    all.dedup_by_key(|(addr, ..)| *addr);
    all.into_iter()
        .map(|(addr, _, name)| (addr, name))
        .collect()
}

/// True for a symbol that marks where code or data begins: `$x`, `$d`, `$xrv64i2p1`.
fn is_mapping(name: &str) -> bool {
    name.strip_prefix('$')
        .is_some_and(|rest| rest.starts_with(['x', 'd', 'a', 't']))
}

/// Returns DWARF data, if readable.
pub(super) fn dwarf(file: &object::File<'_>) -> Option<addr2line::Context<Slice>> {
    file.section_by_name(".debug_info")?;
    let load = |id: gimli::SectionId| -> Result<Slice, gimli::Error> {
        let section = file.section_by_name(id.name());
        let data = section.and_then(|section| section.uncompressed_data().ok());
        let data: Arc<[u8]> = Arc::from(data.unwrap_or_default());
        Ok(Slice::new(data, LittleEndian))
    };
    let dwarf = gimli::Dwarf::load(load).ok()?;
    addr2line::Context::from_dwarf(dwarf).ok()
}
