//! ELF structures that the `elf` crate cannot write or does not have (System V ABI, chapters 4 and 5). All integers are
//! little endian.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

bitflags::bitflags! {
    /// `sh_flags`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct SectionFlags: u64 {
        /// `SHF_ALLOC`: the section is part of the loaded image.
        const ALLOC = 1 << 1;
        // those that mbtool does not read
        const _ = !0;
    }
}

/// `Elf32_Shdr`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub struct SectionHeader32 {
    pub name: U32,
    pub kind: U32,
    /// [`SectionFlags`].
    pub flags: U32,
    pub addr: U32,
    pub offset: U32,
    pub size: U32,
    pub link: U32,
    pub info: U32,
    pub addralign: U32,
    pub entsize: U32,
}

/// `Elf64_Shdr`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub struct SectionHeader64 {
    pub name: U32,
    pub kind: U32,
    /// [`SectionFlags`].
    pub flags: U64,
    pub addr: U64,
    pub offset: U64,
    pub size: U64,
    pub link: U32,
    pub info: U32,
    pub addralign: U64,
    pub entsize: U64,
}

/// Start of a note. Name and descriptor follow, each padded to the segment's alignment.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct NoteStart {
    /// Bytes of the name, its NUL included.
    pub name_size: U32,
    /// Bytes of the descriptor.
    pub desc_size: U32,
    /// Type, of the owner that the name gives.
    pub kind: U32,
}

const _: () = {
    assert!(size_of::<SectionHeader32>() == 40);
    assert!(size_of::<SectionHeader64>() == 64);
    assert!(size_of::<NoteStart>() == 12);
};
