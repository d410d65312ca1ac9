//! PE images made of sections, as objcopy and ukify add them.

use crate::image::pe::PeHeaders;

/// Offset of the PE signature.
pub const PE_AT: usize = 0x80;
/// Bytes of an optional header of 64 bits with its 16 data directories.
const OPTIONAL: usize = 112 + 16 * 8;
/// Bytes of the signature and of the COFF header.
const COFF: usize = 24;
/// Alignment of sections in the file.
const FILE_ALIGN: usize = 0x200;
/// Alignment of sections in memory.
const ALIGN: u32 = 0x1000;

/// Builds a PE32+ image.
#[derive(Clone, Debug)]
pub struct PeBuilder {
    machine: u16,
    subsystem: u16,
    sections: Vec<PeSynthSection>,
}

#[derive(Clone, Debug)]
struct PeSynthSection {
    name: String,
    address: u32,
    size: u32,
    data: Vec<u8>,
    flags: u32,
}

impl PeBuilder {
    /// An image for `machine` and `subsystem`: 0x8664 and 10 for an EFI application of x86-64.
    #[must_use]
    pub const fn new(machine: u16, subsystem: u16) -> Self {
        Self {
            machine,
            subsystem,
            sections: Vec::new(),
        }
    }

    /// The sections of `file`, with their addresses: more can be added, as objcopy does.
    #[must_use]
    pub fn of(file: &[u8]) -> Self {
        let headers = PeHeaders::read(file).unwrap();
        let mut pe = Self::new(headers.machine, headers.subsystem);
        for section in &headers.sections {
            let (address, size) = (section.address as u32, section.size as u32);
            let flags = match section.discardable {
                true => DISCARDABLE,
                false => 0xe000_0060,
            };
            pe = pe.placed(section.name, address, section.data.unwrap(), size, flags);
        }
        pe
    }

    /// Drops debug information and relocations.
    #[must_use]
    pub fn stripped(mut self) -> Self {
        self.sections.retain(|section| section.flags != DISCARDABLE);
        self
    }

    /// An EFI application of x86-64.
    #[must_use]
    pub const fn efi() -> Self {
        Self::new(0x8664, 10)
    }

    /// Appends a section after the last one.
    #[must_use]
    pub fn section(self, name: &str, data: &[u8]) -> Self {
        let last = self.sections.last();
        let end = last.map_or(ALIGN, |last| last.address + last.size.max(1));
        let address = end.next_multiple_of(ALIGN);
        self.placed(name, address, data, data.len() as u32, 0x4000_0040)
    }

    /// Appends a section with this address, size in memory and flags.
    #[must_use]
    pub fn placed(mut self, name: &str, address: u32, data: &[u8], size: u32, flags: u32) -> Self {
        self.sections.push(PeSynthSection {
            name: name.to_owned(),
            address,
            size,
            data: data.to_vec(),
            flags,
        });
        self
    }

    /// Returns the file.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let table = PE_AT + COFF + OPTIONAL;
        let headers = (table + 40 * self.sections.len()).next_multiple_of(FILE_ALIGN);
        let mut file = vec![0; headers];
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"MZ");
        put(0x3c, &(PE_AT as u32).to_le_bytes());
        put(PE_AT, b"PE\0\0");
        put(PE_AT + 4, &self.machine.to_le_bytes());
        put(PE_AT + 6, &(self.sections.len() as u16).to_le_bytes());
        put(PE_AT + 20, &(OPTIONAL as u16).to_le_bytes());
        let optional = PE_AT + COFF;
        put(optional, &0x20b_u16.to_le_bytes());
        put(optional + 32, &ALIGN.to_le_bytes());
        put(optional + 36, &(FILE_ALIGN as u32).to_le_bytes());
        put(optional + 68, &self.subsystem.to_le_bytes());
        put(optional + 108, &16_u32.to_le_bytes());
        let mut at = headers;
        for (index, section) in self.sections.iter().enumerate() {
            let header = table + 40 * index;
            let raw = section.data.len().next_multiple_of(FILE_ALIGN);
            put(header, section.name.as_bytes());
            for (field, value) in [
                (8, section.size),
                (12, section.address),
                (16, raw as u32),
                (20, if raw == 0 { 0 } else { at as u32 }),
                (36, section.flags),
            ] {
                put(header + field, &value.to_le_bytes());
            }
            at += raw;
        }
        for section in &self.sections {
            file.extend_from_slice(&section.data);
            file.resize(file.len().next_multiple_of(FILE_ALIGN), 0);
        }
        file
    }
}

/// Flags of a section that is discarded after EFI has loaded the image.
const DISCARDABLE: u32 = 0x4200_0040;

/// An image like Debian's xen.efi 4.17: code with the Multiboot headers at 2 MiB, more code at 6 MiB, bss, relocations.
#[must_use]
pub fn xen_efi() -> PeBuilder {
    let header = super::HeaderBuilder::new()
        .words(1, &[4, 6])
        .words(6, &[])
        .optional(10, &[0x20_0000, u32::MAX, 0x20_0000, 2])
        .optional(7, &[])
        .optional(9, &[0x60_0100]);
    xen_efi_with(header)
}

/// The same with another Multiboot2 header.
#[must_use]
pub fn xen_efi_with(header: super::HeaderBuilder) -> PeBuilder {
    // jmp to 0x600010
    let mut text = vec![0xe9];
    text.extend((0x60_0010_u32 - 0x20_0005).to_le_bytes());
    text.resize(0x18, 0);
    text.extend(header.build());
    for string in ["----[ Xen-%d.%d%s  ", "Xen version %d.%d%s ("] {
        text.extend(string.as_bytes());
        text.push(0);
    }
    text.resize(0x800, 0xcc);
    PeBuilder::efi()
        .placed(".text", 0x20_0000, &text, 0x800, 0x6000_0020)
        .placed(".init", 0x60_0000, &[0xfa; 0x1008], 0x1008, 0xe000_0060)
        .placed(".bss", 0x80_2000, &[], 0x5000, 0xc000_0080)
        .placed(".reloc", 0x80_7000, &[1; 0x20], 0x20, DISCARDABLE)
}
