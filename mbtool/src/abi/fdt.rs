//! Flattened device trees (Devicetree Specification v0.4, chapter 5). All integers are big endian.

use std::mem::offset_of;
use zerocopy::big_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// `magic`.
pub const MAGIC: u32 = 0xd00d_feed;
/// Version of this format: the first whose header has `size_dt_struct`.
pub const VERSION: u32 = 17;
/// The oldest version that a reader of [`VERSION`] reads: its nodes have unit names, not paths.
pub const COMPATIBLE: u32 = 16;
/// Alignment of tokens, names and values in the structure block, in bytes.
pub const TOKEN_ALIGN: usize = 4;

/// Start of a node; its name follows.
pub const BEGIN_NODE: u32 = 1;
/// End of a node.
pub const END_NODE: u32 = 2;
/// A property: [`FdtProperty`] and the value follow.
pub const PROP: u32 = 3;
/// Nothing.
pub const NOP: u32 = 4;
/// End of the structure block.
pub const END: u32 = 9;

/// `struct fdt_header`. Offsets are in bytes from its start.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub struct FdtHeader {
    /// [`MAGIC`].
    pub magic: U32,
    /// Bytes of the whole blob.
    pub totalsize: U32,
    pub off_dt_struct: U32,
    pub off_dt_strings: U32,
    pub off_mem_rsvmap: U32,
    pub version: U32,
    pub last_comp_version: U32,
    pub boot_cpuid_phys: U32,
    pub size_dt_strings: U32,
    /// Version 17 and later.
    pub size_dt_struct: U32,
}

/// `struct fdt_reserve_entry`; one of zeros ends the list.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub struct FdtReserveEntry {
    pub address: U64,
    pub size: U64,
}

/// What follows a [`PROP`] token; then comes the value.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct FdtProperty {
    /// Bytes of the value.
    pub len: U32,
    /// Offset of the name in the strings block.
    pub nameoff: U32,
}

const _: () = {
    assert!(size_of::<FdtHeader>() == 40);
    assert!(offset_of!(FdtHeader, size_dt_struct) == 36);
    assert!(size_of::<FdtReserveEntry>() == 16);
    assert!(size_of::<FdtProperty>() == 8);
};
