//! The interface between the planner and the blob on riscv64, defined once; as
//! [`crate::abi`] for x86_64, with which it shares consoles, regions and moves.

use crate::abi::{BOUNCE_SIZE, CRC_TABLES, DtParams, PageTable, Stack};
use core::mem::{offset_of, size_of};
#[cfg(not(freestanding))]
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// "MBTHNDRV", little endian.
pub const MAGIC: u64 = u64::from_le_bytes(*b"MBTHNDRV");
/// Incremented with every incompatible change of a structure in this file.
pub const VERSION: u32 = 2;

/// Tables for the handoff's own mapping.
pub const TABLES: usize = 24;
/// Tables for an entry with translation on: a root, and up to four levels for
/// each of two addresses.
pub const ENTRY_TABLES: usize = 9;
/// Maximum nesting of trap handlers; a deeper trap stops the hart.
pub const TRAP_LEVELS: u64 = 3;
/// Bytes of stack for each.
pub const TRAP_STACK: usize = 4096;

/// Registers found at entry.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct RiscvEntryState {
    /// x0 (0) to x31.
    pub gpr: [u64; 32],
    /// `satp`.
    pub satp: u64,
    /// `sstatus`.
    pub sstatus: u64,
    /// `stvec`.
    pub stvec: u64,
    /// `sie`.
    pub sie: u64,
    /// Address at which the blob was running.
    pub va: u64,
}

/// What the trap handler saves.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct RiscvFrame {
    /// x0 (0) to x31.
    pub gpr: [u64; 32],
    /// `sepc`.
    pub sepc: u64,
    /// `scause`.
    pub scause: u64,
    /// `stval`.
    pub stval: u64,
    /// `sstatus`.
    pub sstatus: u64,
    /// `satp`.
    pub satp: u64,
    /// Zero: keeps the stack aligned to 16 bytes.
    pub unused: u64,
}

/// Memory of the blob that starts as zero.
#[repr(C, align(4096))]
pub struct RiscvScratch {
    /// Main stack.
    pub stack: Stack,
    /// One stack for each level of trap handlers.
    pub trap_stacks: [[u8; TRAP_STACK]; TRAP_LEVELS as usize],
    /// Tables that map the trampoline where it runs and one to one.
    pub entry_tables: [PageTable; ENTRY_TABLES],
    /// A piece of a cycle of moves ([`crate::extents`]).
    pub bounce: [u8; BOUNCE_SIZE],
    /// State at entry.
    pub entry: RiscvEntryState,
    /// Nesting level of trap handlers.
    pub trap_level: u64,
    /// t0 of the trapped code, between two instructions of the handler.
    pub trap_t0: u64,
    /// `PHASE_*`.
    pub phase: u32,
    /// Bit n: sink n failed and is disabled. Bit 31: see
    /// [`crate::console::UNMAPPED`].
    pub console_dead: u32,
    /// Tables of the CRC, computed at start.
    pub crc: [[u32; 256]; CRC_TABLES],
}

/// The handoff's own page tables.
#[repr(C, align(4096))]
#[cfg_attr(
    not(freestanding),
    derive(FromBytes, IntoBytes, Immutable, KnownLayout)
)]
pub struct RiscvTables(pub [PageTable; TABLES]);

/// Parameters, tables and scratch memory, in this order after the code.
#[repr(C, align(4096))]
pub struct RiscvArea {
    /// Filled in by the host.
    pub params: DtParams,
    /// Filled in by the host.
    pub tables: RiscvTables,
    /// Zero at load.
    pub scratch: RiscvScratch,
}

const _: () = {
    assert!(size_of::<RiscvFrame>() == 38 * 8);
    assert!(size_of::<RiscvFrame>().is_multiple_of(16));
    assert!(offset_of!(RiscvArea, tables) % 4096 == 0);
    assert!(offset_of!(RiscvArea, scratch) % 4096 == 0);
    assert!(offset_of!(RiscvScratch, entry_tables) % 4096 == 0);
};
