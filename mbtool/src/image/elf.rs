//! ELF32 and ELF64, little endian: program headers to an [`ImageLayout`].
//!
//! 1. Memory is laid out by `p_paddr`; `PT_LOAD`s without memory are skipped.
//! 2. `e_entry` is a virtual address, as in GRUB: the first `PT_LOAD` that
//!    contains it by `p_vaddr` gives the physical address. If no `PT_LOAD` does,
//!    it is taken as a physical address.
//! 3. Only the ELF header and the program headers must be valid. Broken notes
//!    and section headers cause warnings.

mod entry;
mod tables;

use super::bytes::{len, slice};
use super::error::{ElfError, ImageErrorReason, ProgramHeaderError};
use super::layout::ImageLayout;
use super::merge::{Load, merge};
use super::{Format, Sections, notes, relocs};
use ::elf::abi;
use ::elf::endian::LittleEndian;
use ::elf::file::{Class, FileHeader, parse_ident};
use ::elf::parse::{ParseError, ParsingTable};
use ::elf::segment::ProgramHeader;
pub(super) use entry::EntryAddress;
use handoff::addr::{FOUR_GIB, PhysRange};
pub(super) use tables::{program_headers, section_headers};

/// Upper limit on `PT_LOAD`s, above what any linker writes; bounds the search
/// for the entry point.
const MAX_LOADS: usize = 128;

/// A checked ELF header and program header table.
pub(super) struct Elf<'a> {
    /// Contents of the whole file.
    pub(super) file: &'a [u8],
    pub(super) header: FileHeader<LittleEndian>,
    pub(super) segments: Vec<ProgramHeader>,
}

/// True when `file` begins with an ELF magic number.
pub(super) fn is_elf(file: &[u8]) -> bool {
    file.starts_with(&abi::ELFMAGIC)
}

impl<'a> Elf<'a> {
    /// Reads the file header and the program headers of an x86 program.
    pub(super) fn read(file: &'a [u8]) -> Result<Self, ImageErrorReason> {
        Self::read_for(file, &[abi::EM_386, abi::EM_X86_64])
    }

    /// [`Elf::read`] of a program for one of `machines`.
    fn read_for(file: &'a [u8], machines: &[u16]) -> Result<Self, ImageErrorReason> {
        let header = file_header(file)?;
        if !machines.contains(&header.e_machine) {
            return Err(ElfError::Machine(header.e_machine).into());
        }
        if !matches!(header.e_type, abi::ET_EXEC | abi::ET_DYN) {
            return Err(ElfError::Type(header.e_type).into());
        }
        let at = program_headers(&header)?;
        let size = u64::from(header.e_phnum) * u64::from(header.e_phentsize);
        let table = slice(file, at.start, size).ok_or(ElfError::Table {
            size,
            offset: at.start,
            len: file.len(),
        })?;
        let segments = ParsingTable::new(header.endianness, header.class, table)
            .iter()
            .collect();
        Ok(Self {
            file,
            header,
            segments,
        })
    }

    /// Returns the file bytes of a program header; fails when the file ends
    /// before them.
    pub(super) fn data(
        &self,
        index: usize,
        segment: &ProgramHeader,
    ) -> Result<&'a [u8], ImageErrorReason> {
        slice(self.file, segment.p_offset, segment.p_filesz).ok_or(
            ImageErrorReason::ProgramHeader {
                index,
                why: ProgramHeaderError::CutShort {
                    size: segment.p_filesz,
                    offset: segment.p_offset,
                    len: self.file.len(),
                },
            },
        )
    }

    /// Returns the program headers of type `kind` with their indexes.
    pub(super) fn of_type(&self, kind: u32) -> impl Iterator<Item = (usize, &ProgramHeader)> {
        self.segments
            .iter()
            .enumerate()
            .filter(move |(_, segment)| segment.p_type == kind)
    }

    /// Returns the `PT_LOAD`s with memory, after checking each of them and
    /// their total size.
    fn loads(&self) -> Result<Vec<Load<'a>>, ImageErrorReason> {
        let mut loads = Vec::new();
        let (mut memory, mut stored) = (0_u64, 0_u64);
        for (index, segment) in self.of_type(abi::PT_LOAD) {
            let ProgramHeader {
                p_vaddr,
                p_paddr,
                p_filesz,
                p_memsz,
                ..
            } = *segment;
            if p_memsz == 0 {
                continue;
            }
            let refuse = |why| ImageErrorReason::ProgramHeader { index, why };
            if p_filesz > p_memsz {
                return Err(refuse(ProgramHeaderError::TooMuchData {
                    filesz: p_filesz,
                    memsz: p_memsz,
                }));
            }
            let data = self.data(index, segment)?;
            let range = PhysRange::from_len(p_paddr, p_memsz);
            let (Some(range), Some(_)) = (range, p_vaddr.checked_add(p_memsz)) else {
                return Err(refuse(ProgramHeaderError::Wraps {
                    memsz: p_memsz,
                    paddr: p_paddr,
                    vaddr: p_vaddr,
                }));
            };
            memory = memory.saturating_add(p_memsz);
            stored = stored.saturating_add(p_filesz);
            loads.push(Load {
                index,
                vaddr: p_vaddr,
                range,
                data,
            });
        }
        if loads.is_empty() || loads.len() > MAX_LOADS {
            return Err(ElfError::Loads {
                count: loads.len(),
                max: MAX_LOADS,
            }
            .into());
        }
        if memory > FOUR_GIB {
            return Err(ImageErrorReason::TooMuchMemory { total: memory });
        }
        if stored > len(self.file).saturating_mul(2) {
            return Err(ElfError::SharedBytes {
                stored,
                len: self.file.len(),
            }
            .into());
        }
        Ok(loads)
    }

    /// Returns the largest `p_align` of the `PT_LOAD`s that is a power of two.
    fn align(&self, warnings: &mut Vec<String>) -> u64 {
        let mut align = 1;
        for (index, segment) in self.of_type(abi::PT_LOAD) {
            if segment.p_align > 1 && !segment.p_align.is_power_of_two() {
                warnings.push(format!(
                    "program header {index}: alignment {:#x} is not a power of two, ignored",
                    segment.p_align
                ));
            } else {
                align = align.max(segment.p_align);
            }
        }
        align
    }

    /// Returns the section header table if there is a valid one.
    fn sections(&self, warnings: &mut Vec<String>) -> Option<Sections> {
        let FileHeader {
            e_shoff,
            e_shnum,
            e_shentsize,
            e_shstrndx,
            ..
        } = self.header;
        if e_shoff == 0 || e_shnum == 0 {
            return None;
        }
        let bytes = section_headers(&self.header)
            .and_then(|at| slice(self.file, at.start, at.end - at.start));
        let Some(bytes) = bytes.filter(|_| e_shstrndx < e_shnum) else {
            warnings.push(format!(
                "its section headers ({e_shnum} of {e_shentsize} bytes at offset {e_shoff:#x}, \
                 names in {e_shstrndx}) do not fit the file and are ignored"
            ));
            return None;
        };
        Some(Sections {
            num: u32::from(e_shnum),
            entsize: u32::from(e_shentsize),
            shndx: u32::from(e_shstrndx),
            bytes: bytes.to_vec(),
        })
    }
}

/// Returns the entry point in the ELF header (a virtual address); `None` for a
/// file that is not ELF.
#[must_use]
pub fn linked_entry(file: &[u8]) -> Option<u64> {
    file_header(file).ok().map(|header| header.e_entry)
}

/// Reads the file header alone.
pub(super) fn file_header(file: &[u8]) -> Result<FileHeader<LittleEndian>, ElfError> {
    let short = ElfError::Short { len: file.len() };
    // parse_ident indexes without a bounds check
    let (ident, rest) = file
        .split_at_checked(abi::EI_NIDENT)
        .ok_or_else(|| short.clone())?;
    let ident = parse_ident::<LittleEndian>(ident).map_err(|error| match error {
        ParseError::UnsupportedElfEndianness(_) => ElfError::BigEndian,
        ParseError::UnsupportedElfClass(class) => ElfError::Class(class),
        error => ElfError::Header(error.to_string()),
    })?;
    FileHeader::parse_tail(ident, rest).map_err(|_| short)
}

pub(super) fn layout(file: &[u8]) -> Result<ImageLayout, ImageErrorReason> {
    layout_entered(file, EntryAddress::Virtual)
}

/// Lays out an ELF image whose `e_entry` is such an address.
pub(super) fn layout_entered(
    file: &[u8],
    expected: EntryAddress,
) -> Result<ImageLayout, ImageErrorReason> {
    let elf = Elf::read(file)?;
    if let Some((index, _)) = elf.of_type(abi::PT_INTERP).next() {
        return Err(ImageErrorReason::ProgramHeader {
            index,
            why: ProgramHeaderError::Interpreter,
        });
    }
    let loads = elf.loads()?;
    let mut warnings = Vec::new();
    let segments = merge(&loads, &mut warnings)?;
    let dynamic = elf.header.e_type == abi::ET_DYN;
    let relocs = if dynamic {
        relocs::collect(&elf, &loads, &segments)?
    } else {
        Vec::new()
    };
    let identity = loads.iter().all(|load| load.vaddr == load.range.start);
    let position_independent = dynamic && (identity || relocs.is_empty());
    if dynamic && !position_independent {
        warnings.push(
            "virtual and physical addresses differ, so its relocations are applied for the \
             virtual addresses it was linked at and do not make it movable"
                .into(),
        );
    }
    let entry = entry::physical(elf.header.e_entry, expected, &loads, &mut warnings);
    let format = if elf.header.class == Class::ELF32 {
        Format::Elf32
    } else {
        Format::Elf64
    };
    Ok(ImageLayout {
        format,
        position_independent,
        segments,
        entry: Some(entry),
        notes: notes::read(&elf, &mut warnings),
        sections: elf.sections(&mut warnings),
        relocs,
        align: elf.align(&mut warnings),
        warnings,
    })
}

/// Lays out a program for riscv64 that relocates itself, if it has to. Returns the size of its relocation table in bytes,
/// too, for a program that is linked to be moved (`ET_DYN`).
pub(super) fn self_relocating(file: &[u8]) -> Result<(ImageLayout, Option<u64>), ImageErrorReason> {
    let elf = Elf::read_for(file, &[abi::EM_RISCV])?;
    let loads = elf.loads()?;
    let mut warnings = Vec::new();
    let segments = merge(&loads, &mut warnings)?;
    let entry = EntryAddress::Physical;
    let entry = entry::physical(elf.header.e_entry, entry, &loads, &mut warnings);
    let relocations = match elf.header.e_type {
        abi::ET_DYN => Some(relocs::table_size(&elf)?),
        _ => None,
    };
    let layout = ImageLayout {
        format: Format::Elf64,
        position_independent: true,
        segments,
        entry: Some(entry),
        notes: notes::read(&elf, &mut warnings),
        sections: None,
        relocs: Vec::new(),
        align: elf.align(&mut warnings),
        warnings,
    };
    Ok((layout, relocations))
}
