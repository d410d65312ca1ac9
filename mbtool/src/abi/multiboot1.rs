//! Multiboot (1): the image header and the information structure (specification 0.6.96, sections 3.1 and 3.3). All
//! integers are little endian, none is aligned.

use std::mem::offset_of;
use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

bitflags::bitflags! {
    /// Flags of an image's header. A loader must understand those of [`REQUIRED`](Self::REQUIRED).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Mb1HeaderFlags: u32 {
        /// Modules at page boundaries.
        const ALIGN_MODULES = 1 << 0;
        /// Memory sizes are needed, and the memory map where there is one.
        const MEMORY_INFO = 1 << 1;
        /// A video mode is wanted.
        const VIDEO_MODE = 1 << 2;
        /// The address fields are valid.
        const ADDRESS_FIELDS = 1 << 16;
        // what no specification knows
        const _ = !0;
    }
}

impl Mb1HeaderFlags {
    /// Bits that a loader must understand.
    pub const REQUIRED: Self = Self::from_bits_retain(0xffff);
    /// Bits that the specification defines.
    pub const KNOWN: Self = Self::ALIGN_MODULES
        .union(Self::MEMORY_INFO)
        .union(Self::VIDEO_MODE)
        .union(Self::ADDRESS_FIELDS);
}

bitflags::bitflags! {
    /// Which fields of [`Mb1Info`] are valid; those that mbtool sends.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Mb1InfoFlags: u32 {
        /// `mem_lower`, `mem_upper`.
        const MEMORY = 1 << 0;
        /// `cmdline`.
        const CMDLINE = 1 << 2;
        /// `mods_count`, `mods_addr`.
        const MODULES = 1 << 3;
        /// `elf_*`.
        const ELF_SECTIONS = 1 << 5;
        /// `mmap_length`, `mmap_addr`.
        const MAP = 1 << 6;
        /// `boot_loader_name`.
        const LOADER = 1 << 9;
        /// `framebuffer_*`.
        const FRAMEBUFFER = 1 << 12;
        // of fields that mbtool does not send
        const _ = !0;
    }
}

/// Start of an image's header.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct Mb1HeaderStart {
    /// 0x1badb002.
    pub magic: U32,
    /// [`Mb1HeaderFlags`].
    pub flags: U32,
    /// Makes the sum of these three fields 0 modulo 2^32.
    pub checksum: U32,
}

/// Follows [`Mb1HeaderStart`]; valid with [`Mb1HeaderFlags::ADDRESS_FIELDS`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub struct Mb1HeaderAddresses {
    pub header_addr: U32,
    pub load_addr: U32,
    pub load_end_addr: U32,
    pub bss_end_addr: U32,
    pub entry_addr: U32,
}

/// Follows [`Mb1HeaderAddresses`]; valid with [`Mb1HeaderFlags::VIDEO_MODE`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub struct Mb1HeaderVideo {
    pub mode_type: U32,
    pub width: U32,
    pub height: U32,
    pub depth: U32,
}

/// The information structure, framebuffer fields included.
#[repr(C)]
#[derive(Clone, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub struct Mb1Info {
    /// [`Mb1InfoFlags`].
    pub flags: U32,
    pub mem_lower: U32,
    pub mem_upper: U32,
    pub boot_device: U32,
    pub cmdline: U32,
    pub mods_count: U32,
    pub mods_addr: U32,
    pub elf_num: U32,
    pub elf_size: U32,
    pub elf_addr: U32,
    pub elf_shndx: U32,
    pub mmap_length: U32,
    pub mmap_addr: U32,
    pub drives_length: U32,
    pub drives_addr: U32,
    pub config_table: U32,
    pub boot_loader_name: U32,
    pub apm_table: U32,
    /// VBE: not sent.
    pub vbe: [u8; 16],
    pub framebuffer_addr: U64,
    pub framebuffer_pitch: U32,
    pub framebuffer_width: U32,
    pub framebuffer_height: U32,
    pub framebuffer_bpp: u8,
    /// 1: RGB, 2: EGA text.
    pub framebuffer_type: u8,
    /// RGB: position and size of red, green and blue.
    pub color_info: [u8; 6],
    pub pad: [u8; 4],
}

/// A module.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct Mb1Module {
    /// First byte.
    pub start: U32,
    /// One past the last byte.
    pub end: U32,
    /// Address of its string.
    pub cmdline: U32,
    /// Zero.
    pub reserved: U32,
}

/// An entry of the memory map.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct Mb1MapEntry {
    /// Bytes of the rest of the entry.
    pub size: U32,
    /// First byte.
    pub base: U64,
    /// Bytes.
    pub length: U64,
    /// E820 type.
    pub kind: U32,
}

const _: () = {
    assert!(size_of::<Mb1HeaderStart>() == 12);
    assert!(size_of::<Mb1HeaderAddresses>() == 20);
    assert!(size_of::<Mb1HeaderVideo>() == 16);
    assert!(size_of::<Mb1Info>() == 120);
    assert!(offset_of!(Mb1Info, elf_num) == 28);
    assert!(offset_of!(Mb1Info, mmap_length) == 44);
    assert!(offset_of!(Mb1Info, boot_loader_name) == 64);
    assert!(offset_of!(Mb1Info, framebuffer_addr) == 88);
    assert!(offset_of!(Mb1Info, color_info) == 110);
    assert!(size_of::<Mb1Module>() == 16);
    assert!(size_of::<Mb1MapEntry>() == 24);
};
