//! The interface between the planner and the blob, defined once.
//!
//! The blob is a flat image that starts with a [`BlobHeader`]. The [`Area`] follows
//! its code: parameters, descriptor tables and page tables, all filled in by the
//! host before loading, then scratch memory that starts as zero. Nothing is patched
//! at jump time. All integers are little endian.

mod dt;
mod frames;
mod params;
mod scratch;
mod tables;

pub use dt::*;
pub use frames::*;
pub use params::*;
pub use scratch::*;
pub use tables::*;

use core::mem::{offset_of, size_of};
#[cfg(not(freestanding))]
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// "MBTHNDOF", little endian.
pub const MAGIC: u64 = u64::from_le_bytes(*b"MBTHNDOF");
/// Incremented with every incompatible change of a structure in this file or its
/// submodules.
pub const VERSION: u32 = 3;

/// The first bytes of the blob. Offsets count from the header.
#[repr(C)]
#[cfg_attr(
    not(freestanding),
    derive(FromBytes, IntoBytes, Immutable, KnownLayout)
)]
#[derive(Clone, Copy, Debug)]
pub struct BlobHeader {
    /// [`MAGIC`].
    pub magic: u64,
    /// [`VERSION`].
    pub version: u32,
    /// Read-only, executable bytes at the start; a multiple of the page size.
    pub text_size: u32,
    /// Memory size in bytes; a multiple of the page size.
    pub mem_size: u32,
    /// Offset of the [`Area`]; a multiple of the page size.
    pub area: u32,
    /// Offset of the long mode entry point.
    pub entry64: u32,
    /// Offset of the function that the long mode stubs call.
    pub trap64: u32,
    /// Offset of the code that the protected mode stubs jump to.
    pub trap32: u32,
    /// Offset of the protected mode #DF handler.
    pub df32: u32,
    /// Zero.
    pub reserved: [u32; 2],
}

/// Parameters, tables and scratch memory, in this order after the code.
#[repr(C, align(4096))]
pub struct Area {
    /// Filled in by the host.
    pub params: Params,
    /// Filled in by the host.
    pub tables: Tables,
    /// Zero at load.
    pub scratch: Scratch,
}

const _: () = {
    assert!(size_of::<BlobHeader>() == 48);
    assert!(offset_of!(Area, tables) % 4096 == 0);
    assert!(offset_of!(Area, scratch) % 4096 == 0);
    assert!(offset_of!(Tables, idt32) % 4096 == 0);
    assert!(offset_of!(Tables, gdt) == offset_of!(Tables, idt32) + 4096);
    assert!(offset_of!(Area, tables.pool) % 4096 == 0);
    assert!(size_of::<PseudoDescriptor>() == 10);
    assert!(size_of::<Params>() == 6224);
    assert!(size_of::<Tables>() == 4 * 4096 + size_of::<Pool>());
};
