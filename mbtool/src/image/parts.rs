//! The parts of an ELF file that are read from it: headers and segments, without the debug information and symbols of a
//! kernel's `vmlinux`.
//!
//! 1. [`START`] bytes: all headers of boot protocols, and what is searched to explain why a file is refused.
//! 2. The program headers, and what `PT_LOAD`, `PT_NOTE` and `PT_DYNAMIC` name, as far as the file has it.
//! 3. The section headers of a program for x86, which Multiboot hands to the image; not the sections.
//!
//! A file with the other bytes as zeros is parsed with the same result. Files for which this is not known are read whole:
//! damaged headers, object files, and images that their Multiboot header places by addresses.

use super::elf;
use super::{header, linux, mb1};
use crate::abi::multiboot1::Mb1HeaderFlags;
use ::elf::abi;
use ::elf::endian::LittleEndian;
use ::elf::file::FileHeader;
use ::elf::parse::ParsingTable;
use ::elf::segment::ProgramHeader;
use std::ops::Range;

/// Bytes to read first.
pub const START: u64 = 1 << 20;

/// An ELF file of which not all is needed.
#[derive(Clone, Debug)]
pub struct ElfParts {
    len: u64,
    header: FileHeader<LittleEndian>,
    table: Range<u64>,
}

impl ElfParts {
    /// Decides by the first [`START`] bytes of a file of `len` bytes; `None` for one that is to be read whole.
    #[must_use]
    pub fn of(start: &[u8], len: u64) -> Option<Self> {
        let header = elf::file_header(start).ok()?;
        if linux::is_bzimage(start) || placed_by_addresses(start) {
            return None;
        }
        let table = match header.e_type {
            abi::ET_CORE => 0..0,
            abi::ET_EXEC | abi::ET_DYN => elf::program_headers(&header).ok()?,
            _ => return None,
        };
        (table.end <= len).then_some(Self { len, header, table })
    }

    /// Where the program headers are.
    #[must_use]
    pub fn table(&self) -> Range<u64> {
        self.table.clone()
    }

    /// All parts of the file, by the bytes of [`ElfParts::table`]: sorted, without overlaps, inside the file.
    #[must_use]
    pub fn needed(&self, table: &[u8]) -> Vec<Range<u64>> {
        let segments = ParsingTable::new(self.header.endianness, self.header.class, table);
        let x86 = matches!(self.header.e_machine, abi::EM_386 | abi::EM_X86_64);
        let kinds = [abi::PT_LOAD, abi::PT_NOTE, abi::PT_DYNAMIC];
        let mut ranges: Vec<Range<u64>> = segments
            .iter()
            .filter(|segment: &ProgramHeader| kinds.contains(&segment.p_type))
            .map(|segment| segment.p_offset..segment.p_offset.saturating_add(segment.p_filesz))
            .chain([0..START, self.table()])
            .chain(elf::section_headers(&self.header).filter(|_| x86))
            .map(|range| range.start..range.end.min(self.len))
            .filter(|range| !range.is_empty())
            .collect();
        ranges.sort_by_key(|range| range.start);
        let mut joined: Vec<Range<u64>> = Vec::new();
        for range in ranges {
            match joined.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => joined.push(range),
            }
        }
        joined
    }
}

/// True where a Multiboot header names bytes of the file by addresses.
fn placed_by_addresses(start: &[u8]) -> bool {
    let fields = |header: mb1::Mb1Header| header.has(Mb1HeaderFlags::ADDRESS_FIELDS);
    let flat = mb1::find(start).and_then(|at| mb1::read(start, at).ok());
    flat.is_some_and(fields)
        || header::find(start).is_ok_and(|header| header::has_address_tag(start, &header))
}
