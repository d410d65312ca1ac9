//! `known-pages notes`: the notes of a core.

use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Result, ensure};
use elf::abi::PT_NOTE;
use guest_programs::known_pages::MARKER;

use crate::elf_core::Core;

/// Upper limit on the size of all notes, in bytes.
const LIMIT: u64 = 64 << 20;

/// One note (ELF gABI, "Note Section").
#[derive(Debug, PartialEq, Eq)]
struct Note<'a> {
    name: &'a [u8],
    kind: u32,
    desc: &'a [u8],
}

/// Prints all notes: name, type, size, and the first lines of a VMCOREINFO.
pub fn run(path: &Path) -> Result<()> {
    let core = Core::open(path)?;
    for header in core.of_type(PT_NOTE) {
        ensure!(
            header.p_filesz <= LIMIT,
            "{} bytes of notes",
            header.p_filesz
        );
        let mut bytes = vec![0; header.p_filesz as usize];
        core.file.read_exact_at(&mut bytes, header.p_offset)?;
        for note in split(&bytes) {
            let name = String::from_utf8_lossy(note.name);
            let (kind, size) = (note.kind, note.desc.len());
            println!("{MARKER}note={name} type={kind:#x} size={size}");
            if name.starts_with("VMCOREINFO") {
                let text = String::from_utf8_lossy(note.desc);
                for line in text.lines().take(4) {
                    println!("{MARKER}{name}: {}", line.trim_end_matches('\0'));
                }
            }
        }
    }
    Ok(())
}

/// Splits the notes up to the first that has no name or passes the end.
fn split(mut bytes: &[u8]) -> Vec<Note<'_>> {
    let mut notes = Vec::new();
    while let Some((note, rest)) = first(bytes) {
        notes.push(note);
        bytes = rest;
    }
    notes
}

fn first(bytes: &[u8]) -> Option<(Note<'_>, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<12>()?;
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let (name_len, desc_len, kind) = (word(0) as usize, word(4) as usize, word(8));
    if name_len == 0 {
        return None;
    }
    let (name, rest) = rest.split_at_checked(name_len.next_multiple_of(4))?;
    let (desc, rest) = rest.split_at_checked(desc_len.next_multiple_of(4))?;
    let name = name[..name_len].split(|&byte| byte == 0).next()?;
    let desc = &desc[..desc_len];
    Some((Note { name, kind, desc }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(name: &[u8], kind: u32, desc: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [name.len() as u32, desc.len() as u32, kind] {
            bytes.extend(word.to_le_bytes());
        }
        for part in [name, desc] {
            bytes.extend(part);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn notes_up_to_the_first_without_a_name() {
        let mut bytes = note(b"CORE\0", 1, &[7; 336]);
        bytes.extend(note(b"VMCOREINFO\0", 0, b"OSRELEASE=6.1\n"));
        let all = bytes.len();
        bytes.extend(note(b"", 0, b""));
        let found = split(&bytes);
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].name, found[0].kind, found[0].desc.len()),
            (&b"CORE"[..], 1, 336)
        );
        assert_eq!(found[1].desc, b"OSRELEASE=6.1\n");
        // cut short
        assert_eq!(split(&bytes[..all - 4]).len(), 1);
        assert!(split(&[0xff; 40]).is_empty());
    }
}
