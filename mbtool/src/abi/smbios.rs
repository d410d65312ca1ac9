//! Entry points of SMBIOS (DSP0134 3.7, section 5.2): where the table of structures is. All integers are little endian.

use std::mem::offset_of;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// `anchor` of an [`EntryPoint32`].
pub const ANCHOR_32: [u8; 4] = *b"_SM_";
/// `anchor` of an [`EntryPoint64`].
pub const ANCHOR_64: [u8; 5] = *b"_SM3_";

/// The entry point of SMBIOS 2.1.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub struct EntryPoint32 {
    /// [`ANCHOR_32`].
    pub anchor: [u8; 4],
    /// Makes the sum of all `length` bytes 0 modulo 256.
    pub checksum: u8,
    pub length: u8,
    pub major: u8,
    pub minor: u8,
    pub max_structure_size: U16,
    pub revision: u8,
    pub formatted_area: [u8; 5],
    pub intermediate_anchor: [u8; 5],
    pub intermediate_checksum: u8,
    pub table_length: U16,
    pub table_address: U32,
    pub structures: U16,
    pub bcd_revision: u8,
}

/// The entry point of SMBIOS 3.0.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub struct EntryPoint64 {
    /// [`ANCHOR_64`].
    pub anchor: [u8; 5],
    /// Makes the sum of all `length` bytes 0 modulo 256.
    pub checksum: u8,
    pub length: u8,
    pub major: u8,
    pub minor: u8,
    pub docrev: u8,
    pub revision: u8,
    pub reserved: u8,
    pub table_max_size: U32,
    pub table_address: U64,
}

const _: () = {
    assert!(size_of::<EntryPoint32>() == 31);
    assert!(offset_of!(EntryPoint32, table_address) == 24);
    assert!(size_of::<EntryPoint64>() == 24);
    assert!(offset_of!(EntryPoint64, table_address) == 16);
};
