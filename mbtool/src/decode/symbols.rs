//! Symbols of ELF files.

use super::{DecodeError, SymbolFileProblem, build_id};
use crate::arch::Architecture;
use gimli::{EndianArcSlice, LittleEndian};
use handoff::addr::PhysRange;
use object::{Object, ObjectSection, SectionFlags};
use serde::Serialize;
use std::cell::OnceCell;

mod read;

type Slice = EndianArcSlice<LittleEndian>;

/// Symbols by which Xen is known: those of x86, those of arm64.
const XEN_SYMBOLS: [[&str; 2]; 2] = [
    ["__high_start", "__start_xen"],
    ["hyp_traps_vector", "start_xen"],
];
/// Maximum number of inlined functions.
const MAX_FRAMES: usize = 16;

/// An inlined function, or the function around it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Frame {
    /// Function.
    pub function: Option<String>,
    /// Source file.
    pub file: Option<String>,
    /// Line in it.
    pub line: Option<u32>,
}

/// Symbol of an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Symbol {
    /// Name of the symbol at or before the address.
    pub name: String,
    /// Offset from it in bytes.
    pub offset: u64,
    /// Address in the file.
    pub linked_at: u64,
    /// File name.
    pub file: String,
    /// Source lines, the innermost function first; empty without DWARF.
    pub frames: Vec<Frame>,
}

/// A section with code.
#[derive(Debug)]
struct Text {
    start: u64,
    bytes: Vec<u8>,
}

/// A loaded part of the file.
#[derive(Clone, Copy, Debug)]
struct Load {
    vaddr: u64,
    paddr: u64,
    size: u64,
}

/// An ELF file with symbols, and its address in memory.
pub struct SymbolFile {
    /// File name without its directory.
    pub name: String,
    /// Memory address of its first byte, if it differs from the link address.
    pub base: Option<u64>,
    /// Difference between virtual and link addresses (KASLR).
    pub slide: u64,
    /// Build ID in hexadecimal.
    pub build_id: Option<String>,
    /// Its code's architecture; `None` if it is none of a dump.
    pub architecture: Option<Architecture>,
    xen: bool,
    loads: Vec<Load>,
    symbols: Vec<(u64, String)>,
    texts: Vec<Text>,
    dwarf: Option<addr2line::Context<Slice>>,
    by_name: OnceCell<Vec<u32>>,
}

impl std::fmt::Debug for SymbolFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {:x?}: {:x?}", self.name, self.base, self.loads)
    }
}

impl SymbolFile {
    /// Reads an ELF file.
    ///
    /// # Errors
    ///
    /// When it is not ELF, or has neither symbols nor a segment to load.
    pub fn parse(name: &str, bytes: &[u8], base: Option<u64>) -> Result<Self, DecodeError> {
        let bad = |why| DecodeError::Symbols {
            name: name.to_owned(),
            why,
        };
        let file =
            object::File::parse(bytes).map_err(|error| bad(SymbolFileProblem::Object(error)))?;
        let loads = read::loads(&file);
        if loads.is_empty() {
            return Err(bad(SymbolFileProblem::NoSegment));
        }
        let code = |section: &object::Section<'_, '_>| {
            let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
                return false;
            };
            sh_flags.0 & object::elf::SHF_EXECINSTR.0 != 0
        };
        let texts: Vec<Text> = file
            .sections()
            .filter(code)
            .filter_map(|section| {
                let bytes = section.data().ok()?.to_vec();
                let start = section.address();
                start.checked_add(bytes.len() as u64)?;
                Some(Text { start, bytes })
            })
            .collect();
        let symbols = read::symbols(&file, &texts);
        if symbols.is_empty() {
            return Err(bad(SymbolFileProblem::Stripped));
        }
        let has = |wanted: &&str| symbols.iter().any(|(_, name)| name == wanted);
        let xen = XEN_SYMBOLS.iter().any(|both| both.iter().all(has));
        Ok(Self {
            name: name.to_owned(),
            base,
            xen,
            loads,
            symbols,
            texts,
            dwarf: read::dwarf(&file),
            slide: 0,
            build_id: build_id::of(&file),
            architecture: match file.architecture() {
                object::Architecture::X86_64 | object::Architecture::I386 => {
                    Some(Architecture::X86_64)
                }
                object::Architecture::Riscv64 => Some(Architecture::Riscv64),
                object::Architecture::Aarch64 => Some(Architecture::Arm64),
                _ => None,
            },
            by_name: OnceCell::new(),
        })
    }

    /// Returns the physical link address of the first byte.
    #[must_use]
    pub fn link_base(&self) -> u64 {
        self.loads.iter().map(|load| load.paddr).min().unwrap_or(0)
    }

    /// True if the symbols are those of Xen.
    #[must_use]
    pub const fn is_xen(&self) -> bool {
        self.xen
    }

    /// Converts a memory address to an address in the file: load address or
    /// link address, physical or virtual.
    #[must_use]
    pub fn linked(&self, addr: u64) -> Option<u64> {
        let slid = addr.wrapping_sub(self.slide);
        let Some(base) = self.base else {
            let physical = || self.by(addr, |load| Some(load.paddr));
            return self.by(slid, |load| Some(load.vaddr)).or_else(physical);
        };
        let loaded = addr
            .checked_sub(base)
            .and_then(|offset| offset.checked_add(self.link_base()));
        let loaded = loaded.and_then(|paddr| self.by(paddr, |load| Some(load.paddr)));
        // an image linked for its physical address but loaded elsewhere is not at its link
        // address; Xen on ARM is linked for its virtual one alone
        let arm = self.xen && self.architecture == Some(Architecture::Arm64);
        let high = |load: &Load| (arm || load.vaddr != load.paddr).then_some(load.vaddr);
        loaded.or_else(|| self.by(slid, high))
    }

    fn by(&self, addr: u64, start: impl Fn(&Load) -> Option<u64>) -> Option<u64> {
        self.loads.iter().find_map(|load| {
            let offset = addr.checked_sub(start(load)?)?;
            (offset < load.size).then(|| load.vaddr.wrapping_add(offset))
        })
    }

    /// Looks up a memory address.
    #[must_use]
    pub fn lookup(&self, addr: u64) -> Option<Symbol> {
        let linked_at = self.linked(addr)?;
        let after = self
            .symbols
            .partition_point(|(start, _)| *start <= linked_at);
        let (start, name) = self.symbols.get(after.checked_sub(1)?)?;
        // an address before the first symbol of a section does not belong to the
        // last symbol of the previous one
        if self.text(linked_at).map(|text| text.start) != self.text(*start).map(|text| text.start) {
            return None;
        }
        Some(Symbol {
            name: format!("{:#}", rustc_demangle::demangle(name)),
            offset: linked_at - start,
            linked_at,
            file: self.name.clone(),
            frames: self.frames(linked_at),
        })
    }

    /// Returns the virtual address of a symbol, if there is one of this name only.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<u64> {
        let sorted = self.by_name.get_or_init(|| {
            let mut sorted: Vec<u32> = (0..).take(self.symbols.len()).collect();
            sorted.sort_by_key(|index| &self.symbols[*index as usize].1);
            sorted
        });
        let at = |index: &u32| &self.symbols[*index as usize];
        let first = sorted.partition_point(|index| at(index).1.as_str() < name);
        let (addr, found) = at(sorted.get(first)?);
        let again = sorted
            .get(first + 1)
            .is_some_and(|index| at(index).1 == name);
        (found == name && !again).then(|| addr.wrapping_add(self.slide))
    }

    fn text(&self, linked_at: u64) -> Option<&Text> {
        let inside = |text: &&Text| {
            linked_at
                .checked_sub(text.start)
                .is_some_and(|offset| offset < text.bytes.len() as u64)
        };
        self.texts.iter().find(inside)
    }

    /// Returns `len` bytes of code before memory address `addr`, and the code
    /// from it on.
    #[must_use]
    pub fn code(&self, addr: u64, len: usize) -> Option<(&[u8], &[u8])> {
        let linked_at = self.linked(addr)?;
        let text = self.text(linked_at)?;
        let (before, after) = text.bytes.split_at((linked_at - text.start) as usize);
        Some((&before[before.len().saturating_sub(len)..], after))
    }

    /// True if the address is in code.
    #[must_use]
    pub fn is_code(&self, addr: u64) -> bool {
        self.linked(addr)
            .is_some_and(|linked_at| self.text(linked_at).is_some())
    }

    /// Returns source lines of an address in the file.
    fn frames(&self, linked_at: u64) -> Vec<Frame> {
        let Some(dwarf) = &self.dwarf else {
            return Vec::new();
        };
        let Ok(mut frames) = dwarf.find_frames(linked_at).skip_all_loads() else {
            return Vec::new();
        };
        let mut out = Vec::new();
        while let Ok(Some(frame)) = frames.next()
            && out.len() < MAX_FRAMES
        {
            let name = frame
                .function
                .as_ref()
                .and_then(|function| function.demangle().ok());
            let location = frame.location.as_ref();
            out.push(Frame {
                function: name.map(|name| name.into_owned()),
                file: location.and_then(|at| at.file).map(str::to_owned),
                line: location.and_then(|at| at.line),
            });
        }
        out.retain(|frame| frame.function.is_some() || frame.line.is_some());
        out
    }

    /// Returns the memory that the file occupies when loaded.
    #[must_use]
    pub fn span(&self) -> Option<PhysRange> {
        let base = self.base.unwrap_or_else(|| self.link_base());
        let end = self
            .loads
            .iter()
            .map(|load| load.paddr.saturating_add(load.size))
            .max()?;
        PhysRange::from_len(base, end - self.link_base())
    }
}

#[cfg(test)]
mod tests;
