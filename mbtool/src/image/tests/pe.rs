#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::as_conversions)]

//! Synthetic PE images.

use super::*;

const PE_AT: usize = 0x80;
/// Bytes of an optional header of 64 bits with its 16 data directories.
const OPTIONAL: usize = 112 + 16 * 8;

/// A PE32+ image with nothing but headers and named sections.
fn pe(machine: u16, subsystem: u16, sections: &[&str]) -> Vec<u8> {
    let mut file = vec![0; PE_AT + BEFORE_OPTIONAL_HEADER + OPTIONAL];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"MZ");
    put(0x3c, &(PE_AT as u32).to_le_bytes());
    put(PE_AT, b"PE\0\0");
    put(PE_AT + 4, &machine.to_le_bytes());
    put(PE_AT + 6, &(sections.len() as u16).to_le_bytes());
    put(PE_AT + 20, &(OPTIONAL as u16).to_le_bytes());
    let optional = PE_AT + BEFORE_OPTIONAL_HEADER;
    put(optional, &0x20b_u16.to_le_bytes());
    put(optional + 68, &subsystem.to_le_bytes());
    put(optional + 108, &16_u32.to_le_bytes());
    for name in sections {
        let mut section = [0; 40];
        section[..name.len()].copy_from_slice(name.as_bytes());
        file.extend(section);
    }
    file
}

#[test]
fn the_sections_and_the_machine_tell_what_it_is() {
    let strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    for (file, expected) in [
        (pe(0x8664, 10, &[".text"]), PeKind::EfiApplication),
        (pe(0x8664, 11, &[]), PeKind::EfiDriver),
        (pe(0x8664, 3, &[".text"]), PeKind::Other(3)),
        (pe(0xaa64, 10, &[".linux"]), PeKind::Foreign("ARM64")),
        (
            pe(0x8664, 10, &[".text", ".osrel", ".cmdline", ".linux"]),
            PeKind::UnifiedKernel(strings(&[".osrel", ".cmdline", ".linux"])),
        ),
        (
            pe(0x8664, 10, &[".text", ".config", ".kernel", ".ramdisk"]),
            PeKind::UnifiedXen(strings(&[".config", ".kernel", ".ramdisk"])),
        ),
        (pe(0x8664, 10, &[])[..PE_AT + 10].to_vec(), PeKind::Damaged),
    ] {
        assert!(is_pe(&file));
        assert_eq!(kind(&file), expected);
    }
    assert!(!is_pe(b"MZ"));
    assert!(!is_pe(&[0; 0x100]));
}

/// Each "/4" names a string at an offset in the file; here it would be as long as the rest of the file.
#[test]
fn names_in_a_string_table_are_not_resolved() {
    let mut file = pe(0x8664, 10, &["/4"; 96]);
    assert_eq!(kind(&file), PeKind::EfiApplication);
    file[PE_AT + 6..PE_AT + 8].copy_from_slice(&u16::MAX.to_le_bytes());
    file.resize(40 * 0x1_0000 + 0x1000, b'a');
    assert_eq!(kind(&file), PeKind::Damaged);
}

/// No panic, whatever the bytes are: mutations of a good file, each cut at a random place.
#[test]
fn damaged_files_are_no_panic() {
    let good = pe(0x8664, 10, &[".text", ".linux", "/4", "//AAAAAB"]);
    // xorshift: the same files each time
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for _ in 0..20_000 {
        let mut file = good.clone();
        for _ in 0..=random(6) {
            let at = match random(3) {
                // the fields that are looked at lie here
                0 => 0x3c + random(4),
                1 => PE_AT + random(BEFORE_OPTIONAL_HEADER + 4),
                _ => random(file.len()),
            };
            file[at] = [0, 1, 0x7f, 0xff, random(256) as u8][random(5)];
        }
        file.truncate(random(good.len() + 1));
        let _ = (is_pe(&file), kind(&file).describe());
    }
}
