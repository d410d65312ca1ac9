//! Multiboot2: the image header (specification 2.0, section 3.1) and the fixed parts of boot information tags
//! (section 3.6). All integers are little endian. Headers and tags start at multiples of 8.

use std::mem::offset_of;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

bitflags::bitflags! {
    /// Flags of a header tag.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct HeaderTagFlags: u16 {
        /// A loader that does not know the tag may ignore it.
        const OPTIONAL = 1 << 0;
        // what no specification knows
        const _ = !0;
    }
}

bitflags::bitflags! {
    /// Field of the console header tag (type 4).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ConsoleFlags: u32 {
        /// At least one console must be present.
        const REQUIRED = 1 << 0;
        /// The image can use EGA text.
        const EGA_TEXT = 1 << 1;
        // what no specification knows
        const _ = !0;
    }
}

/// Start of an image header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct Mb2HeaderStart {
    /// 0xe85250d6.
    pub magic: U32,
    /// 0: i386.
    pub architecture: U32,
    /// Bytes of the header, this structure and its tags.
    pub length: U32,
    /// Makes the sum of these four fields 0 modulo 2^32.
    pub checksum: U32,
}

/// Start of a header tag.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct HeaderTagStart {
    /// Type.
    pub kind: U16,
    /// [`HeaderTagFlags`].
    pub flags: U16,
    /// Bytes of the tag, this structure included, padding excluded.
    pub size: U32,
}

/// Start of the boot information.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct InfoStart {
    /// Bytes of the boot information, this structure included.
    pub total_size: U32,
    /// Zero.
    pub reserved: U32,
}

/// Start of a boot information tag.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct InfoTagStart {
    /// Type.
    pub kind: U32,
    /// Bytes of the tag, this structure included, padding excluded.
    pub size: U32,
}

/// Fields of tag 3, before its string.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct InfoModule {
    /// First byte.
    pub start: U32,
    /// One past the last byte.
    pub end: U32,
}

/// Fields of tag 4.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct InfoMemory {
    /// KiB from address 0.
    pub lower: U32,
    /// KiB from 1 MiB.
    pub upper: U32,
}

/// Fields of tag 6, before its entries.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct InfoMap {
    /// Bytes of an entry, at least those of [`InfoMapEntry`].
    pub entry_size: U32,
    /// Zero.
    pub entry_version: U32,
}

/// An entry of tag 6.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct InfoMapEntry {
    /// First byte.
    pub base: U64,
    /// Bytes.
    pub length: U64,
    /// E820 type.
    pub kind: U32,
    /// Zero.
    pub reserved: U32,
}

/// Fields of tag 8, before what depends on its type.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct InfoFramebuffer {
    /// Physical address.
    pub addr: U64,
    /// Bytes from one line to the next.
    pub pitch: U32,
    /// Pixels, or characters.
    pub width: U32,
    /// Lines.
    pub height: U32,
    /// Bits per pixel, or per character.
    pub bpp: u8,
    /// 1: RGB, [`InfoColors`] follows; 2: EGA text.
    pub kind: u8,
    /// Zero.
    pub reserved: U16,
}

/// Bit fields of a pixel: position of the lowest bit and number of bits.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub struct InfoColors {
    pub red: [u8; 2],
    pub green: [u8; 2],
    pub blue: [u8; 2],
}

/// A mode in tag 7 (VBE 3.0, function 01h), up to the address of its framebuffer.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct VbeMode {
    /// Attributes, and windows of a banked mode.
    pub windows: [u8; 16],
    /// Bytes of a line.
    pub pitch: U16,
    /// Pixels.
    pub width: U16,
    /// Lines.
    pub height: U16,
    /// Size of a character, planes.
    pub characters: [u8; 3],
    /// Bits per pixel.
    pub bpp: u8,
    /// Banks, memory model, colors.
    pub colors: [u8; 14],
    /// Physical address of the framebuffer.
    pub base: U32,
}

/// Fields of tag 13, before the tables.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct InfoSmbios {
    /// Version of SMBIOS.
    pub major: u8,
    /// Its part after the dot.
    pub minor: u8,
    /// Zero.
    pub reserved: [u8; 6],
}

/// Fields of tag 9, before the section headers.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct InfoSections {
    /// Number of section headers.
    pub num: U32,
    /// Bytes of a section header.
    pub entsize: U32,
    /// Index of the section with the names.
    pub shndx: U32,
}

const _: () = {
    assert!(size_of::<Mb2HeaderStart>() == 16);
    assert!(size_of::<HeaderTagStart>() == 8);
    assert!(size_of::<InfoStart>() == 8);
    assert!(size_of::<InfoTagStart>() == 8);
    assert!(size_of::<InfoModule>() == 8);
    assert!(size_of::<InfoMemory>() == 8);
    assert!(size_of::<InfoMap>() == 8);
    assert!(size_of::<InfoMapEntry>() == 24);
    assert!(size_of::<InfoFramebuffer>() == 24);
    assert!(size_of::<InfoColors>() == 6);
    assert!(offset_of!(VbeMode, bpp) == 25);
    assert!(offset_of!(VbeMode, base) == 40);
    assert!(size_of::<InfoSmbios>() == 8);
    assert!(size_of::<InfoSections>() == 12);
};
