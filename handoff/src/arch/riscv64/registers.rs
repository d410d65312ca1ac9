//! Bits of control and status registers (RISC-V Privileged Architecture,
//! chapter 12), and the values that the handoff loads.

/// `sstatus`: interrupts enabled.
pub const SSTATUS_SIE: u64 = 1 << 1;
/// `sstatus`: the previous mode was supervisor mode.
pub const SSTATUS_SPP: u64 = 1 << 8;
/// `sstatus`: both bits of the floating point state; set, it is usable and dirty.
pub const SSTATUS_FS: u64 = 3 << 13;
/// `satp`: shift of the mode.
pub const SATP_MODE_SHIFT: u32 = 60;
/// `satp`: the number of the root table's page.
pub const SATP_PPN: u64 = (1 << 44) - 1;
/// `scause`: an interrupt, not an exception.
pub const SCAUSE_INTERRUPT: u64 = 1 << 63;
/// `scause`: `ebreak`.
pub const CAUSE_BREAKPOINT: u64 = 3;
