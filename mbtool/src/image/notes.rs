//! ELF notes, for display. A Multiboot2 load does not depend on them, so broken
//! notes never fail an image. Xen's `mkelf32` writes a `PT_NOTE` whose `p_vaddr`
//! is an offset; only the file offset is used here.

use super::ElfNote;
use super::bytes::read_at;
use super::elf::Elf;
use crate::abi::elf::NoteStart;
use ::elf::abi::PT_NOTE;

/// Maximum number of notes.
const MAX_NOTES: usize = 256;

/// Reads all valid notes; adds a warning for each broken segment.
pub(super) fn read(elf: &Elf<'_>, warnings: &mut Vec<String>) -> Vec<ElfNote> {
    let mut notes = Vec::new();
    for (index, segment) in elf.of_type(PT_NOTE) {
        let align = if segment.p_align == 8 { 8 } else { 4 };
        let complete = elf
            .data(index, segment)
            .is_ok_and(|bytes| section(bytes, align, &mut notes).is_some());
        if !complete {
            warnings.push(format!(
                "program header {index} (PT_NOTE) is broken and ignored"
            ));
        }
        if notes.len() >= MAX_NOTES {
            warnings.push(format!("more than {MAX_NOTES} notes: the rest is ignored"));
            break;
        }
    }
    notes
}

/// Reads the notes of one segment; `None` when one exceeds the segment.
fn section(bytes: &[u8], align: usize, notes: &mut Vec<ElfNote>) -> Option<()> {
    let mut at = 0;
    while at < bytes.len() && notes.len() < MAX_NOTES {
        let start: NoteStart = read_at(bytes, at)?;
        let name_len = usize::try_from(start.name_size.get()).ok()?;
        let desc_len = usize::try_from(start.desc_size.get()).ok()?;
        let name_at = at + size_of::<NoteStart>();
        let desc_at = name_at
            .checked_add(name_len)?
            .checked_next_multiple_of(align)?;
        let desc_end = desc_at.checked_add(desc_len)?;
        let name = bytes.get(name_at..name_at + name_len)?;
        let name = name.strip_suffix(&[0]).unwrap_or(name);
        let desc = bytes.get(desc_at..desc_end)?.to_vec();
        notes.push(ElfNote {
            name: String::from_utf8_lossy(name).into_owned(),
            kind: start.kind.get(),
            desc,
        });
        at = desc_end.checked_next_multiple_of(align)?;
    }
    Some(())
}
