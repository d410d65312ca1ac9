//! Synthetic Multiboot2 files, valid and deliberately broken, for the tests of
//! this crate and of its users.
//!
//! Panics when a test requests a file that cannot be represented.

#![allow(clippy::as_conversions, clippy::indexing_slicing, clippy::unwrap_used)]

mod elf;
mod linux;
mod pe;

pub use elf::{ElfBuilder, SynthSegment, dom0_kernel, dom0_notes};
pub use linux::{arm64_image, bzimage, xen_arm64, zimage};
pub use pe::{PE_AT, PeBuilder, xen_efi, xen_efi_with};

use crate::abi::multiboot2::HeaderTagFlags;
use multiboot2_header::MAGIC;

/// Builds a Multiboot2 header.
#[derive(Clone, Debug, Default)]
pub struct HeaderBuilder {
    /// Architecture field: 0 is i386, 4 is MIPS.
    pub arch: u32,
    /// Added to the correct checksum.
    pub checksum_error: u32,
    /// Added to the correct length before the checksum is computed.
    pub length_error: u32,
    /// Omits the end tag.
    pub no_end: bool,
    /// Bytes of the tags added so far.
    pub tags: Vec<u8>,
}

impl HeaderBuilder {
    /// Creates a header without tags.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a tag with this payload and the matching size field.
    #[must_use]
    pub fn tag(self, kind: u16, flags: u16, payload: &[u8]) -> Self {
        let size = 8 + payload.len() as u32;
        self.sized_tag(kind, flags, size, payload)
    }

    /// Appends a tag with an arbitrary size field; the payload is padded to 8
    /// bytes.
    #[must_use]
    pub fn sized_tag(mut self, kind: u16, flags: u16, size: u32, payload: &[u8]) -> Self {
        self.tags.extend(kind.to_le_bytes());
        self.tags.extend(flags.to_le_bytes());
        self.tags.extend(size.to_le_bytes());
        self.tags.extend(payload);
        self.tags.resize(self.tags.len().next_multiple_of(8), 0);
        self
    }

    /// Appends a required tag whose payload is `words`.
    #[must_use]
    pub fn words(self, kind: u16, words: &[u32]) -> Self {
        self.tag(kind, 0, &words_to_bytes(words))
    }

    /// Appends an optional tag whose payload is `words`.
    #[must_use]
    pub fn optional(self, kind: u16, words: &[u32]) -> Self {
        self.tag(
            kind,
            HeaderTagFlags::OPTIONAL.bits(),
            &words_to_bytes(words),
        )
    }

    /// Appends tag 2 (addresses).
    #[must_use]
    pub fn address(self, header: u32, load: u32, load_end: u32, bss_end: u32) -> Self {
        self.words(2, &[header, load, load_end, bss_end])
    }

    /// Appends tag 3 (entry address).
    #[must_use]
    pub fn entry(self, entry: u32) -> Self {
        self.words(3, &[entry])
    }

    /// Appends tag 10 (relocatable).
    #[must_use]
    pub fn relocatable(self, min: u32, max: u32, align: u32, preference: u32) -> Self {
        self.words(10, &[min, max, align, preference])
    }

    /// Returns the bytes of the header, including the end tag.
    #[must_use]
    pub fn build(self) -> Vec<u8> {
        let mut tags = self.tags;
        if !self.no_end {
            tags.extend([0, 0, 0, 0, 8, 0, 0, 0]);
        }
        let length = (16 + tags.len() as u32).wrapping_add(self.length_error);
        let sum = MAGIC.wrapping_add(self.arch).wrapping_add(length);
        let checksum = 0_u32.wrapping_sub(sum).wrapping_add(self.checksum_error);
        let mut bytes = words_to_bytes(&[MAGIC, self.arch, length, checksum]);
        bytes.extend(tags);
        bytes
    }
}

/// Returns the tags of Debian's Xen 4.17.
#[must_use]
pub fn xen_header() -> HeaderBuilder {
    HeaderBuilder::new()
        .words(1, &[4, 6])
        .words(6, &[])
        .optional(10, &[0x20_0000, u32::MAX, 0x20_0000, 2])
        .optional(4, &[2])
        .optional(5, &[0, 0, 0])
        .optional(7, &[])
        .optional(9, &[0x3d_d531])
}

/// Encodes words in little-endian order.
#[must_use]
pub fn words_to_bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Returns `header` followed by `len - header.len()` bytes that differ from
/// their neighbors.
#[must_use]
pub fn program(header: HeaderBuilder, len: usize) -> Vec<u8> {
    let mut bytes = header.build();
    assert!(
        bytes.len() <= len,
        "a header of {} bytes in {len}",
        bytes.len()
    );
    bytes.extend((bytes.len()..len).map(|at| (at % 251) as u8 + 1));
    bytes
}

/// A small image like Debian's Xen 4.17: ELF32 `ET_EXEC`, one `PT_LOAD` with
/// bss at 0x200000 aligned to 0x40, a note whose address is an offset, Xen's
/// header tags.
#[must_use]
pub fn xen_like() -> Vec<u8> {
    let mut note = words_to_bytes(&[4, 20, 3]);
    note.extend(b"GNU\0");
    note.extend(1..=20);
    let mut load = program(xen_header(), 0x800);
    load[0x400..0x400 + note.len()].copy_from_slice(&note);
    let load = SynthSegment {
        align: 0x40,
        ..SynthSegment::load(0x20_0000, load, 0x3000)
    };
    let note = SynthSegment {
        kind: 4,
        vaddr: 0x400,
        paddr: 0x400,
        align: 4,
        data: note,
        within: Some((0, 0x400)),
        ..SynthSegment::default()
    };
    ElfBuilder::elf32(0x20_0000)
        .segment(load)
        .segment(note)
        .build()
}

/// A small flat image at `load`: header, code, 0x1000 bytes of bss.
#[must_use]
pub fn flat(load: u32) -> Vec<u8> {
    let len = 0x200;
    let header = HeaderBuilder::new().address(load, load, load + len, load + len + 0x1000);
    program(header.entry(load + 0x100), len as usize)
}

/// Offset of the relocated words in [`pie`]'s segment.
pub const PIE_WORDS: u64 = 0x100;

/// An ELF64 `ET_DYN` linked at 0 with `R_X86_64_RELATIVE` relocations for the
/// words at [`PIE_WORDS`]: word `n` becomes base + `addends[n]`.
#[must_use]
pub fn pie(header: HeaderBuilder, addends: &[u64]) -> Vec<u8> {
    let relocs: Vec<_> = (0..)
        .zip(addends)
        .map(|(n, addend)| (PIE_WORDS + 8 * n, 8, *addend))
        .collect();
    pie_with(header, &relocs)
}

/// Like [`pie`], with any relocations: offset, type, addend.
#[must_use]
pub fn pie_with(header: HeaderBuilder, relocs: &[(u64, u32, u64)]) -> Vec<u8> {
    let mut load = program(header, 0x400);
    let rela_at = load.len() as u64;
    for (offset, kind, addend) in relocs {
        for word in [*offset, u64::from(*kind), *addend] {
            load.extend(word.to_le_bytes());
        }
    }
    let dynamic_at = load.len() as u64;
    let mut dynamic = Vec::new();
    for word in [7, rela_at, 8, 24 * relocs.len() as u64, 9, 24, 0, 0] {
        dynamic.extend(word.to_le_bytes());
    }
    load.extend(&dynamic);
    let dynamic = SynthSegment {
        kind: 2,
        vaddr: dynamic_at,
        paddr: dynamic_at,
        align: 8,
        data: dynamic,
        within: Some((0, dynamic_at)),
        ..SynthSegment::default()
    };
    let memsz = load.len() as u64 + 0x1000;
    ElfBuilder::elf64(0x80)
        .dynamic()
        .load(0, load, memsz)
        .segment(dynamic)
        .build()
}

/// A Multiboot (1) header: magic, `flags`, a correct checksum, then `fields`.
#[must_use]
pub fn mb1_header(flags: u32, fields: &[u32]) -> Vec<u8> {
    let magic = super::mb1::MAGIC;
    let checksum = 0_u32.wrapping_sub(magic).wrapping_sub(flags);
    let mut words = vec![magic, flags, checksum];
    words.extend(fields);
    words_to_bytes(&words)
}

/// Returns `header` after `lead` bytes, then bytes that differ from their
/// neighbors up to `len`.
#[must_use]
pub fn mb1_program(lead: usize, header: &[u8], len: usize) -> Vec<u8> {
    let mut bytes = vec![0x90; lead];
    bytes.extend(header);
    bytes.extend((bytes.len()..len).map(|at| (at % 251) as u8 + 1));
    bytes
}

/// A small Multiboot (1) image without container, loaded at `load`: header at
/// 0x20, entry at 0x100, 0x1000 bytes of bss.
#[must_use]
pub fn mb1_flat(load: u32) -> Vec<u8> {
    let fields = [load + 0x20, load, load + 0x200, load + 0x1200, load + 0x100];
    mb1_program(0x20, &mb1_header(0x1_0003, &fields), 0x200)
}

/// An ELF note with the owner "Xen".
#[must_use]
pub fn xen_note(kind: u32, desc: &[u8]) -> Vec<u8> {
    let mut note = words_to_bytes(&[4, desc.len() as u32, kind]);
    note.extend(b"Xen\0");
    note.extend(desc);
    note.resize(note.len().next_multiple_of(4), 0);
    note
}

/// A small ELF64 kernel at 16 MiB, virtually in the higher half, with these
/// notes; its code starts with 0x40 bytes before the entry point.
#[must_use]
pub fn pvh_kernel(notes: &[Vec<u8>]) -> Vec<u8> {
    let load = SynthSegment {
        vaddr: 0xffff_ffff_8100_0000,
        align: 0x20_0000,
        ..SynthSegment::load(0x100_0000, mb1_program(0x40, &[], 0x400), 0x3000)
    };
    let note = SynthSegment {
        kind: 4,
        align: 4,
        data: notes.concat(),
        ..SynthSegment::default()
    };
    ElfBuilder::elf64(0xffff_ffff_8100_0000)
        .segment(load)
        .segment(note)
        .build()
}

/// A Linux for riscv64 of two segments, linked at the top of virtual and at the start of physical memory; relocatable with
/// such tags in its dynamic section.
pub fn vmlinux_riscv64(tags: Option<&[(u64, u64)]>) -> ElfBuilder {
    const LINK: u64 = 0xffff_ffff_8000_0000;
    let load = |offset: u64, data: Vec<u8>, memsz| SynthSegment {
        vaddr: LINK + offset,
        paddr: offset,
        ..SynthSegment::load(offset, data, memsz)
    };
    let mut code = b"MZ\0\0Linux version 6.12.0 (x)\n\0".to_vec();
    code.resize(0x3000, 0x13);
    let mut file = ElfBuilder::elf64(LINK + 4)
        .segment(load(0, code, 0x3000))
        .segment(load(0x20_0000, vec![7; 0x800], 0x10_0000));
    file.machine = 243;
    if let Some(tags) = tags {
        file.kind = 3;
        let table = tags.iter().chain(&[(0, 0)]);
        let bytes = table.flat_map(|(tag, value)| [tag.to_le_bytes(), value.to_le_bytes()]);
        file = file.segment(SynthSegment {
            kind: 2,
            data: bytes.flatten().collect(),
            ..SynthSegment::default()
        });
    }
    file
}
