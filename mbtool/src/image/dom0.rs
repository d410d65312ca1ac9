//! A kernel as Xen starts it for a paravirtualized dom0: how much
//! pseudo-physical memory it occupies, from its program headers and notes
//! (Xen's `public/elfnote.h`).

use super::bytes::{len, read_at};
use super::elf::{self, Elf};
use super::error::{ImageError, ImageErrorReason, LinuxImageError, ProgramHeaderError};
use super::{ElfNote, linux, notes};
use crate::decompress::{decompress_capped, decompress_prefix};
use ::elf::abi::{PT_LOAD, PT_NOTE};
use handoff::addr::{FOUR_GIB, PhysRange};
use zerocopy::little_endian::U32;

/// Owner of the notes.
const OWNER: &str = "Xen";
/// `XEN_ELFNOTE_ENTRY`: where a paravirtualized guest is entered.
const ENTRY: u32 = 1;
/// `XEN_ELFNOTE_INIT_P2M`: virtual base address of the p2m list.
const INIT_P2M: u32 = 15;
/// `XEN_ELFNOTE_MOD_START_PFN`: the kernel accepts an initrd that is not
/// mapped.
const MOD_START_PFN: u32 = 16;
/// `XEN_ELFNOTE_SUPPORTED_FEATURES`: a bit mask.
const SUPPORTED: u32 = 17;
/// Bit `XENFEAT_dom0` of that mask.
const DOM0_BIT: u32 = 1 << 11;
/// Maximum size of an unpacked kernel, in bytes.
const MAX_KERNEL: u64 = 1 << 30;
/// Number of bytes to unpack to find the program headers, which follow the ELF
/// header in every kernel. The notes are about in the middle of a kernel; the
/// data after them is not unpacked.
const FIRST_READ: u64 = 64 << 10;

/// Pseudo-physical memory that a dom0 kernel occupies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dom0Footprint {
    /// Pseudo-physical range from the first to the last byte, including
    /// zero-filled memory.
    pub memory: PhysRange,
    /// The larger of the unpacked file size and the memory size, in bytes.
    pub unpacked: u64,
    /// True when the initrd is not part of the kernel's mapping and is placed
    /// after it.
    pub initrd_apart: bool,
    /// True when the p2m list is not part of the kernel's mapping and is placed
    /// after it.
    pub p2m_apart: bool,
}

/// Reads a kernel file: a bzImage, or an ELF file, compressed or not. A bzImage
/// is unpacked up to its notes; the data after them is not checked.
///
/// # Errors
///
/// When the file cannot be read, or is not a paravirtualized dom0 kernel.
pub fn look(file: &[u8], name: &str) -> Result<Dom0Footprint, ImageError> {
    let fail = |reason| ImageError {
        name: name.into(),
        reason,
    };
    let unpacked = |error| fail(LinuxImageError::Unpack(error).into());
    if elf::is_elf(file) {
        return read(file, len(file)).map_err(fail);
    }
    if !linux::is_bzimage(file) {
        let file = decompress_capped(file.to_vec(), name, MAX_KERNEL).map_err(unpacked)?;
        return read(&file.bytes, len(&file.bytes)).map_err(fail);
    }
    let packed = linux::packed(file).map_err(|why| fail(why.into()))?;
    if elf::is_elf(packed) {
        return read(packed, len(packed)).map_err(fail);
    }
    let size = unpacked_size(packed).map_err(fail)?;
    let prefix = |len: u64| decompress_prefix(packed, name, len.min(size)).map_err(unpacked);
    let mut start = prefix(FIRST_READ)?;
    for needed in [headers_end, notes_end] {
        let needed = needed(&start).map_err(fail)?;
        if needed > size {
            return Err(fail(
                LinuxImageError::UnpackedSizeTooSmall { size, needed }.into(),
            ));
        }
        if needed > len(&start) {
            start = prefix(needed)?;
        }
    }
    read(&start, size).map_err(fail)
}

/// Bytes that the payload of a bzImage unpacks to: its last four bytes, where
/// Xen takes the size from too.
fn unpacked_size(packed: &[u8]) -> Result<u64, ImageErrorReason> {
    let size = packed
        .last_chunk()
        .map_or(0, |size| u32::from_le_bytes(*size));
    let size = u64::from(size);
    if size == 0 || size > MAX_KERNEL {
        return Err(LinuxImageError::UnpackedSize {
            size,
            max: MAX_KERNEL,
        }
        .into());
    }
    Ok(size)
}

/// Where the program headers of an ELF file end, in bytes from its start.
fn headers_end(file: &[u8]) -> Result<u64, ImageErrorReason> {
    let header = elf::file_header(file)?;
    let size = u64::from(header.e_phnum) * u64::from(header.e_phentsize);
    Ok(header.e_phoff.saturating_add(size))
}

/// Where the last note of an ELF file ends, in bytes from its start; 0 without
/// notes.
fn notes_end(file: &[u8]) -> Result<u64, ImageErrorReason> {
    let elf = Elf::read(file)?;
    let ends = elf
        .of_type(PT_NOTE)
        .map(|(_, note)| note.p_offset.saturating_add(note.p_filesz));
    Ok(ends.max().unwrap_or(0))
}

/// Reads the headers and the notes of an ELF file of `size` bytes, of which
/// `file` has the first.
fn read(file: &[u8], size: u64) -> Result<Dom0Footprint, ImageErrorReason> {
    let elf = Elf::read(file)?;
    let mut warnings = Vec::new();
    let notes = notes::read(&elf, &mut warnings);
    let has = |kind| notes.iter().any(|note| is(note, kind));
    if !has(ENTRY) {
        return Err(LinuxImageError::NotPv.into());
    }
    let features = notes.iter().find(|note| is(note, SUPPORTED));
    let features = features.and_then(|note| read_at::<U32>(&note.desc, 0));
    if features.is_some_and(|features| features.get() & DOM0_BIT == 0) {
        return Err(LinuxImageError::NotDom0.into());
    }
    let mut memory: Option<PhysRange> = None;
    for (index, segment) in elf.of_type(PT_LOAD) {
        let range = PhysRange::from_len(segment.p_paddr, segment.p_memsz)
            .filter(|range| range.end <= FOUR_GIB)
            .ok_or(ImageErrorReason::ProgramHeader {
                index,
                why: ProgramHeaderError::Above4Gib {
                    memsz: segment.p_memsz,
                    paddr: segment.p_paddr,
                },
            })?;
        let all = memory.unwrap_or(range);
        memory = Some(PhysRange {
            start: all.start.min(range.start),
            end: all.end.max(range.end),
        });
    }
    let memory = memory.ok_or(LinuxImageError::NoMemory)?;
    Ok(Dom0Footprint {
        memory,
        unpacked: size.max(memory.len()),
        initrd_apart: has(MOD_START_PFN),
        p2m_apart: has(INIT_P2M),
    })
}

fn is(note: &ElfNote, kind: u32) -> bool {
    note.name == OWNER && note.kind == kind
}
