//! Where the tables of headers are in the file.

use super::super::error::ElfError;
use ::elf::abi;
use ::elf::endian::LittleEndian;
use ::elf::file::{Class, FileHeader};
use std::ops::Range;

/// Offsets of the program headers.
///
/// # Errors
///
/// When there are none, or their size is not that of the class.
pub(in crate::image) fn program_headers(
    header: &FileHeader<LittleEndian>,
) -> Result<Range<u64>, ElfError> {
    let expected: u16 = match header.class {
        Class::ELF32 => 32,
        Class::ELF64 => 56,
    };
    let (count, size) = (header.e_phnum, header.e_phentsize);
    if count == 0 || count == abi::PN_XNUM || size != expected {
        return Err(ElfError::ProgramHeaders {
            count,
            size,
            expected,
        });
    }
    Ok(range(header.e_phoff, count, size))
}

/// Offsets of the section headers; `None` when there are none, or their size is not that of the class.
pub(in crate::image) fn section_headers(header: &FileHeader<LittleEndian>) -> Option<Range<u64>> {
    let expected: u16 = match header.class {
        Class::ELF32 => 40,
        Class::ELF64 => 64,
    };
    let (count, size) = (header.e_shnum, header.e_shentsize);
    let present = header.e_shoff != 0 && count != 0 && size == expected;
    present.then(|| range(header.e_shoff, count, size))
}

/// A table that passes the last offset there can be ends there: it is outside of every file.
fn range(at: u64, count: u16, size: u16) -> Range<u64> {
    at..at.saturating_add(u64::from(count) * u64::from(size))
}
