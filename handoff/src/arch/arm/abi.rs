//! The interface between the planner and the blob on 32-bit ARM, defined once; header and
//! parameters are those of [`crate::abi::dt`](crate::abi).

use crate::abi::{BOUNCE_SIZE, CRC_TABLES, DtParams, PageTable, Stack};
use core::mem::{offset_of, size_of};
#[cfg(not(freestanding))]
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// "MBTHNDA3", little endian.
pub const MAGIC: u64 = u64::from_le_bytes(*b"MBTHNDA3");
/// Incremented with every incompatible change of a structure in this file or of
/// header and parameters.
pub const VERSION: u32 = 1;

/// Tables for the handoff's own mapping. The first one has no use for this architecture: the second one is its
/// first level.
pub const TABLES: usize = 24;
/// Maximum nesting of exception handlers; a deeper exception stops the CPU.
pub const TRAP_LEVELS: u32 = 3;
/// Bytes of stack for each.
pub const TRAP_STACK: usize = 4096;

/// Registers found at entry.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Arm32EntryState {
    /// r0 to r12, sp, lr.
    pub gpr: [u32; 15],
    /// CPSR.
    pub cpsr: u32,
    /// SCTLR, or HSCTLR in Hyp mode.
    pub sctlr: u32,
    /// VBAR, or HVBAR in Hyp mode.
    pub vbar: u32,
    /// MPIDR: the CPU.
    pub mpidr: u32,
    /// Address at which the blob was running.
    pub va: u32,
}

/// What the exception handler saves.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Arm32Frame {
    /// r0 to r12, sp, lr of the interrupted code.
    pub gpr: [u32; 15],
    /// Its program counter.
    pub pc: u32,
    /// SPSR: its CPSR.
    pub cpsr: u32,
    /// Entry of the vector table: 1 to 7.
    pub vector: u32,
    /// DFSR or IFSR of an abort; HSR in Hyp mode.
    pub syndrome: u32,
    /// DFAR or IFAR of an abort; HDFAR or HIFAR in Hyp mode.
    pub far: u32,
    /// SCTLR, or HSCTLR in Hyp mode.
    pub sctlr: u32,
    /// Zero: keeps the stack aligned to 8 bytes.
    pub unused: u32,
}

/// Memory of the blob that starts as zero.
#[repr(C, align(4096))]
pub struct Arm32Scratch {
    /// Main stack.
    pub stack: Stack,
    /// One stack for each level of exception handlers.
    pub trap_stacks: [[u8; TRAP_STACK]; TRAP_LEVELS as usize],
    /// A piece of a cycle of moves ([`crate::extents`]).
    pub bounce: [u8; BOUNCE_SIZE],
    /// State at entry.
    pub entry: Arm32EntryState,
    /// Nesting level of exception handlers.
    pub trap_level: u32,
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
pub struct Arm32Tables(pub [PageTable; TABLES]);

/// Parameters, tables and scratch memory, in this order after the code.
#[repr(C, align(4096))]
pub struct Arm32Area {
    /// Filled in by the host.
    pub params: DtParams,
    /// Filled in by the host.
    pub tables: Arm32Tables,
    /// Zero at load.
    pub scratch: Arm32Scratch,
}

const _: () = {
    assert!(size_of::<Arm32Frame>() == 22 * 4);
    assert!(size_of::<Arm32Frame>().is_multiple_of(8));
    assert!(offset_of!(Arm32Area, tables) % 4096 == 0);
    assert!(offset_of!(Arm32Area, scratch) % 4096 == 0);
};
