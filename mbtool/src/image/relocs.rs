//! Relocations of `ET_DYN` images: the base-relative ones, from `DT_RELA`,
//! `DT_REL`, `DT_RELR` and the PLT's table. All other types need a dynamic
//! linker and are refused.

mod kinds;

use super::bytes::{len, read_at, slice};
use super::elf::Elf;
use super::error::{ImageErrorReason, RelocationError};
use super::merge::Load;
use super::{LoadSegment, RelativeReloc};
use ::elf::abi;
use ::elf::dynamic::Dyn;
use ::elf::file::Class;
use ::elf::parse::ParsingTable;
use ::elf::relocation::{Rel, Rela};
use kinds::Kinds;
use zerocopy::little_endian::{U32, U64};

/// Tags of the `DT_RELR` table: size, address, entry size (gABI).
const DT_RELRSZ: i64 = 35;
const DT_RELR: i64 = 36;
const DT_RELRENT: i64 = 37;
/// Maximum number of relocations; bounds the memory that bitmaps in `DT_RELR`
/// can request.
const MAX_RELOCS: usize = 4 << 20;

/// State for reading the tables and checking their entries.
struct Collector<'a> {
    class: Class,
    loads: &'a [Load<'a>],
    segments: &'a [LoadSegment],
    kinds: Kinds,
    relocs: Vec<RelativeReloc>,
}

/// Bytes of the `DT_RELA` and `DT_RELR` tables of `elf`.
pub(super) fn table_size(elf: &Elf<'_>) -> Result<u64, ImageErrorReason> {
    let Some((index, dynamic)) = elf.of_type(abi::PT_DYNAMIC).next() else {
        return Ok(0);
    };
    let bytes = elf.data(index, dynamic)?;
    let entries = ParsingTable::new(elf.header.endianness, elf.header.class, bytes);
    let sizes = entries
        .iter()
        .take_while(|entry: &Dyn| entry.d_tag != abi::DT_NULL)
        .filter(|entry| matches!(entry.d_tag, abi::DT_RELASZ | DT_RELRSZ));
    Ok(sizes
        .map(|entry| entry.d_val())
        .fold(0, u64::saturating_add))
}

/// Collects the relocations of `elf`, whose `PT_LOAD`s are `loads`, merged to
/// `segments`.
pub(super) fn collect(
    elf: &Elf<'_>,
    loads: &[Load<'_>],
    segments: &[LoadSegment],
) -> Result<Vec<RelativeReloc>, ImageErrorReason> {
    let Some((index, dynamic)) = elf.of_type(abi::PT_DYNAMIC).next() else {
        return Ok(Vec::new());
    };
    let bytes = elf.data(index, dynamic)?;
    let entries: Vec<Dyn> = ParsingTable::new(elf.header.endianness, elf.header.class, bytes)
        .iter()
        .take_while(|entry: &Dyn| entry.d_tag != abi::DT_NULL)
        .collect();
    let value = |tag: i64| {
        entries
            .iter()
            .find(|entry| entry.d_tag == tag)
            .map(|entry| entry.d_val())
    };
    if value(abi::DT_NEEDED).is_some() {
        return Err(ImageErrorReason::Relocations(
            RelocationError::SharedLibraries,
        ));
    }
    let class = elf.header.class;
    let kinds = Kinds::new(elf.header.e_machine);
    let mut collector = Collector {
        class,
        loads,
        segments,
        kinds,
        relocs: Vec::new(),
    };
    let wide = class == Class::ELF64;
    let (word, rel_size, rela_size) = if wide { (8, 16, 24) } else { (4, 8, 12) };
    let table = |what, addr, size, entsize, expected| Table {
        what,
        addr: value(addr),
        size: value(size),
        entsize: value(entsize),
        expected,
    };
    let rela = table(
        "DT_RELA",
        abi::DT_RELA,
        abi::DT_RELASZ,
        abi::DT_RELAENT,
        rela_size,
    );
    let rel = table(
        "DT_REL",
        abi::DT_REL,
        abi::DT_RELSZ,
        abi::DT_RELENT,
        rel_size,
    );
    let relr = table("DT_RELR", DT_RELR, DT_RELRSZ, DT_RELRENT, word);
    let plt_is_rela = value(abi::DT_PLTREL) == u64::try_from(abi::DT_RELA).ok();
    let plt_size = if plt_is_rela { rela_size } else { rel_size };
    let plt = Table {
        what: "DT_JMPREL",
        addr: value(abi::DT_JMPREL),
        size: value(abi::DT_PLTRELSZ),
        entsize: Some(plt_size),
        expected: plt_size,
    };
    collector.explicit(&rela, true)?;
    collector.explicit(&rel, false)?;
    collector.explicit(&plt, plt_is_rela)?;
    collector.packed(&relr)?;
    collector.kinds.refuse_others()?;
    Ok(collector.relocs)
}

/// Location of one table, from the dynamic section.
struct Table {
    what: &'static str,
    addr: Option<u64>,
    size: Option<u64>,
    entsize: Option<u64>,
    expected: u64,
}

impl<'a> Collector<'a> {
    /// Returns the bytes of `table`, empty when it is absent.
    fn bytes(&self, table: &Table) -> Result<&'a [u8], ImageErrorReason> {
        let Table {
            what,
            addr,
            size,
            entsize,
            expected,
        } = *table;
        let (Some(addr), Some(size)) = (addr, size) else {
            return Ok(&[]);
        };
        if entsize != Some(expected) || size % expected != 0 {
            return Err(ImageErrorReason::Relocations(RelocationError::EntrySize {
                table: what,
                size,
                entsize: entsize.unwrap_or(0),
                expected,
            }));
        }
        let inside = |load: &Load<'a>| {
            let offset = addr.checked_sub(load.vaddr)?;
            slice(load.data, offset, size)
        };
        self.loads
            .iter()
            .find_map(inside)
            .ok_or(ImageErrorReason::Relocations(RelocationError::NotLoaded {
                table: what,
                size,
                addr,
            }))
    }

    /// Reads a table with one entry per relocation.
    fn explicit(&mut self, table: &Table, addends: bool) -> Result<(), ImageErrorReason> {
        let bytes = self.bytes(table)?;
        let endian = ::elf::endian::LittleEndian;
        if addends {
            for Rela {
                r_offset,
                r_type,
                r_addend,
                ..
            } in ParsingTable::<_, Rela>::new(endian, self.class, bytes).iter()
            {
                if self.kinds.is_relative(r_type, r_offset) {
                    self.push(r_offset, Some(r_addend.cast_unsigned()))?;
                }
            }
        } else {
            for Rel {
                r_offset, r_type, ..
            } in ParsingTable::<_, Rel>::new(endian, self.class, bytes).iter()
            {
                if self.kinds.is_relative(r_type, r_offset) {
                    self.push(r_offset, None)?;
                }
            }
        }
        Ok(())
    }

    /// Reads `DT_RELR`: an even entry is an address; an odd one is a bitmap of
    /// the words after the last address.
    fn packed(&mut self, table: &Table) -> Result<(), ImageErrorReason> {
        let bytes = self.bytes(table)?;
        let width = self.width();
        let step = u64::from(width);
        let mut next = None;
        for at in (0..bytes.len()).step_by(usize::from(width)) {
            let entry = word(bytes, at, width).unwrap_or(0);
            if entry & 1 == 0 {
                self.push(entry, None)?;
                next = entry.checked_add(step);
                continue;
            }
            let past = || ImageErrorReason::Relocations(RelocationError::NoAddress { offset: at });
            let base = next.ok_or_else(past)?;
            for bit in 0..8 * step - 1 {
                if entry >> (bit + 1) & 1 == 1 {
                    self.push(base.checked_add(bit * step).ok_or_else(past)?, None)?;
                }
            }
            next = base.checked_add((8 * step - 1) * step);
        }
        Ok(())
    }

    const fn width(&self) -> u8 {
        match self.class {
            Class::ELF32 => 4,
            Class::ELF64 => 8,
        }
    }

    /// Adds a relocation of the word at virtual address `vaddr`; without an
    /// `addend`, the word itself holds it.
    fn push(&mut self, vaddr: u64, addend: Option<u64>) -> Result<(), ImageErrorReason> {
        if self.relocs.len() >= MAX_RELOCS {
            return Err(ImageErrorReason::Relocations(RelocationError::TooMany(
                MAX_RELOCS,
            )));
        }
        let width = self.width();
        let addr = self.loads.iter().find_map(|load| {
            let offset = vaddr.checked_sub(load.vaddr)?;
            let end = offset.checked_add(u64::from(width))?;
            (end <= load.range.len()).then(|| load.range.start + offset)
        });
        let outside = RelocationError::Outside { width, vaddr };
        let addr = addr.ok_or(ImageErrorReason::Relocations(outside))?;
        let addend = addend.unwrap_or_else(|| self.loaded_word(addr, width));
        self.relocs.push(RelativeReloc {
            addr,
            addend,
            width,
        });
        Ok(())
    }

    /// Returns the initial value of the word at `addr`.
    fn loaded_word(&self, addr: u64, width: u8) -> u64 {
        let after = self
            .segments
            .partition_point(|segment| segment.range.start <= addr);
        let Some(segment) = after
            .checked_sub(1)
            .and_then(|index| self.segments.get(index))
        else {
            return 0;
        };
        let offset = addr - segment.range.start;
        let available = len(&segment.data)
            .saturating_sub(offset)
            .min(u64::from(width));
        let mut bytes = [0; 8];
        let stored = slice(&segment.data, offset, available).unwrap_or_default();
        for (to, from) in bytes.iter_mut().zip(stored) {
            *to = *from;
        }
        u64::from_le_bytes(bytes)
    }
}

fn word(bytes: &[u8], at: usize, width: u8) -> Option<u64> {
    if width == 4 {
        read_at::<U32>(bytes, at).map(u64::from)
    } else {
        read_at::<U64>(bytes, at).map(u64::from)
    }
}
