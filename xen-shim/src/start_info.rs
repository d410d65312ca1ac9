//! PVH boot information: `hvm_start_info` version 1 and its tables (Xen,
//! public/arch-x86/hvm/start_info.h). All addresses are physical; all integers
//! little endian.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Value of the first field of a [`StartInfo`].
pub const MAGIC: u32 = 0x336e_c578;
/// Version with a memory map.
pub const VERSION: u32 = 1;

/// `struct hvm_start_info`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct StartInfo {
    /// [`MAGIC`].
    pub magic: u32,
    /// [`VERSION`].
    pub version: u32,
    /// SIF_*; none is defined for PVH.
    pub flags: u32,
    /// Entries at `modules`.
    pub module_count: u32,
    /// Address of [`ModuleEntry`]s; 0: none.
    pub modules: u64,
    /// Address of the command line, which ends in a NUL; 0: none.
    pub cmdline: u64,
    /// Address of the RSDP; 0: unknown.
    pub rsdp: u64,
    /// Address of [`MemmapEntry`]s.
    pub memmap: u64,
    /// Entries at `memmap`.
    pub memmap_count: u32,
    /// Zero.
    pub reserved: u32,
}

/// `struct hvm_modlist_entry`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct ModuleEntry {
    /// Address.
    pub start: u64,
    /// Bytes.
    pub len: u64,
    /// Address of its command line, which ends in a NUL; 0: none.
    pub cmdline: u64,
    /// Zero.
    pub reserved: u64,
}

/// `struct hvm_memmap_table_entry`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct MemmapEntry {
    /// First byte.
    pub start: u64,
    /// Bytes.
    pub len: u64,
    /// E820 type.
    pub kind: u32,
    /// Zero.
    pub reserved: u32,
}

const _: () = {
    assert!(size_of::<StartInfo>() == 56);
    assert!(size_of::<ModuleEntry>() == 32);
    assert!(size_of::<MemmapEntry>() == 24);
};
