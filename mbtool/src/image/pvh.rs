//! PVH: an ELF kernel with a note that gives its entry point as a Xen guest
//! without firmware (Xen's `public/elfnote.h`, `docs/misc/pvh`).
//!
//! - Note 18 (`PHYS32_ENTRY`): a physical address, entered in 32-bit mode.
//! - Note 19 (`PHYS32_RELOC`): the kernel may be loaded elsewhere; up to three
//!   32-bit words: alignment, lowest address of its first byte, highest address
//!   of its last one.

use super::bytes::read_at;
use super::elf::Elf;
use super::error::{ImageErrorReason, PvhNoteError};
use super::layout::ImageLayout;
use super::{ElfNote, Preference, Relocatable, Requirements, elf, notes};
use handoff::addr::PAGE_SIZE;
use zerocopy::little_endian::{U32, U64};

/// Owner field of Xen's notes.
const OWNER: &str = "Xen";
/// `XEN_ELFNOTE_PHYS32_ENTRY`.
const ENTRY: u32 = 18;
/// `XEN_ELFNOTE_PHYS32_RELOC`.
const RELOC: u32 = 19;
/// Default alignment in bytes, if neither the note nor a program header has
/// one.
const ALIGN: u64 = 2 << 20;

/// True for ELF with a `PHYS32_ENTRY` note.
pub(super) fn is_pvh(file: &[u8]) -> bool {
    let notes = |file| {
        let elf = Elf::read(file).ok()?;
        Some(notes::read(&elf, &mut Vec::new()))
    };
    elf::is_elf(file) && notes(file).is_some_and(|notes| notes.iter().any(|note| is(note, ENTRY)))
}

fn is(note: &ElfNote, kind: u32) -> bool {
    note.name == OWNER && note.kind == kind
}

/// Reads entry point and placement constraints of the program in `layout`.
///
/// # Errors
/// When there is no note 18, or a note is invalid.
pub(super) fn read(layout: &ImageLayout) -> Result<(Requirements, u64), ImageErrorReason> {
    let find = |kind| layout.notes.iter().find(|note| is(note, kind));
    let Some(note) = find(ENTRY) else {
        return Err(ImageErrorReason::NoPvhNote);
    };
    let entry = match note.desc.len() {
        4 => read_at::<U32>(&note.desc, 0).map(u64::from),
        8 => read_at::<U64>(&note.desc, 0).map(u64::from),
        _ => None,
    };
    let entry = entry
        .filter(|entry| u32::try_from(*entry).is_ok())
        .ok_or_else(|| {
            ImageErrorReason::Pvh(PvhNoteError::Entry {
                bytes: note.desc.clone(),
            })
        })?;
    let relocatable = find(RELOC)
        .map(|note| relocatable(note, layout.align))
        .transpose()?;
    let requirements = Requirements {
        relocatable,
        ..Requirements::default()
    };
    Ok((requirements, entry))
}

fn relocatable(note: &ElfNote, elf_align: u64) -> Result<Relocatable, ImageErrorReason> {
    let (words, _) = note.desc.as_chunks::<4>();
    let mut words = words.iter().map(|word| u32::from_le_bytes(*word).into());
    let (align, min, max) = (words.next(), words.next(), words.next());
    let by_elf = if elf_align >= PAGE_SIZE {
        elf_align
    } else {
        ALIGN
    };
    let tag = Relocatable {
        min: min.unwrap_or(0),
        max: max.unwrap_or(u64::from(u32::MAX)),
        align: align.unwrap_or(by_elf),
        preference: Preference::Lowest,
    };
    let odd = note.desc.len() > 12 || !note.desc.len().is_multiple_of(4);
    if odd || !tag.align.is_power_of_two() || tag.min > tag.max {
        return Err(ImageErrorReason::Pvh(PvhNoteError::Relocatable {
            len: note.desc.len(),
            align: tag.align,
            min: tag.min,
            max: tag.max,
        }));
    }
    Ok(tag)
}
