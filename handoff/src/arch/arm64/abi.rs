//! The interface between the planner and the blob on arm64, defined once; header and
//! parameters are those of [`crate::abi::dt`](crate::abi).

use crate::abi::{BOUNCE_SIZE, CRC_TABLES, DtParams, PageTable, Stack};
use core::mem::{offset_of, size_of};
#[cfg(not(freestanding))]
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// "MBTHNDA6", little endian.
pub const MAGIC: u64 = u64::from_le_bytes(*b"MBTHNDA6");
/// Incremented with every incompatible change of a structure in this file or of
/// header and parameters.
pub const VERSION: u32 = 1;

/// Tables for the handoff's own mapping.
pub const TABLES: usize = 48;
/// Maximum nesting of exception handlers; a deeper exception stops the CPU.
pub const TRAP_LEVELS: u64 = 3;
/// Bytes of stack for each.
pub const TRAP_STACK: usize = 4096;

/// [`DtParams::exit`]: Linux (Documentation/arch/arm64/booting.rst), at the exception
/// level of the entry.
pub const ARM64_EXIT_LINUX: u32 = 1;
/// [`DtParams::exit`]: Xen, at EL2 with `HCR_EL2.E2H` clear.
pub const ARM64_EXIT_XEN: u32 = 2;
/// Registers found at entry.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Arm64EntryState {
    /// x0 to x30, then sp.
    pub gpr: [u64; 32],
    /// `CurrentEL`: the exception level in bits 2 and 3.
    pub current_el: u64,
    /// `SCTLR` of that level.
    pub sctlr: u64,
    /// `HCR_EL2`; 0 at EL1.
    pub hcr: u64,
    /// `VBAR` of that level.
    pub vbar: u64,
    /// `MPIDR_EL1`: the CPU.
    pub mpidr: u64,
    /// Address at which the blob was running.
    pub va: u64,
}

/// What the exception handler saves.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Arm64Frame {
    /// x0 to x30, then the stack pointer of the interrupted code.
    pub gpr: [u64; 32],
    /// Entry of the vector table: 0 to 15.
    pub vector: u64,
    /// `ELR`.
    pub elr: u64,
    /// `SPSR`.
    pub spsr: u64,
    /// `ESR`.
    pub esr: u64,
    /// `FAR`.
    pub far: u64,
    /// `SCTLR`.
    pub sctlr: u64,
    /// `HCR_EL2`; 0 at EL1.
    pub hcr: u64,
    /// `CurrentEL`.
    pub current_el: u64,
}

/// Memory of the blob that starts as zero.
#[repr(C, align(4096))]
pub struct Arm64Scratch {
    /// Main stack.
    pub stack: Stack,
    /// One stack for each level of exception handlers.
    pub trap_stacks: [[u8; TRAP_STACK]; TRAP_LEVELS as usize],
    /// A piece of a cycle of moves ([`crate::extents`]).
    pub bounce: [u8; BOUNCE_SIZE],
    /// State at entry.
    pub entry: Arm64EntryState,
    /// Nesting level of exception handlers.
    pub trap_level: u64,
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
pub struct Arm64Tables(pub [PageTable; TABLES]);

/// Parameters, tables and scratch memory, in this order after the code.
#[repr(C, align(4096))]
pub struct Arm64Area {
    /// Filled in by the host.
    pub params: DtParams,
    /// Filled in by the host.
    pub tables: Arm64Tables,
    /// Zero at load.
    pub scratch: Arm64Scratch,
}

const _: () = {
    assert!(size_of::<Arm64Frame>() == 40 * 8);
    assert!(size_of::<Arm64Frame>().is_multiple_of(16));
    assert!(offset_of!(Arm64Area, tables) % 4096 == 0);
    assert!(offset_of!(Arm64Area, scratch) % 4096 == 0);
};
