//! Section headers of PE images (Microsoft, PE format, "Section Table").

use bitflags::bitflags;
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// `IMAGE_SECTION_HEADER`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
pub struct PeSectionHeader {
    /// Name, padded with NULs. "/4" is an offset into the string table, which only objects have.
    pub name: [u8; 8],
    /// Bytes in memory; the rest of the file's bytes is padding.
    pub virtual_size: U32,
    /// Address, from the start of the image.
    pub virtual_address: U32,
    /// Bytes in the file.
    pub size_of_raw_data: U32,
    /// Their offset.
    pub pointer_to_raw_data: U32,
    /// 0 in images.
    pub pointer_to_relocations: U32,
    /// 0 in images.
    pub pointer_to_linenumbers: U32,
    /// 0 in images.
    pub number_of_relocations: U16,
    /// 0 in images.
    pub number_of_linenumbers: U16,
    /// [`PeSectionFlags`].
    pub characteristics: U32,
}

const _: () = assert!(size_of::<PeSectionHeader>() == 40);

bitflags! {
    /// `Characteristics` of a section.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct PeSectionFlags: u32 {
        /// Not needed once the image has been loaded: relocations, debug information.
        const DISCARDABLE = 0x0200_0000;
    }
}
