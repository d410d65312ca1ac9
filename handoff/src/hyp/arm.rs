//! Calls on arm.

// UNSAFETY: assembly, instructions that maintain caches.
#![expect(unsafe_code)]

use super::live::{AREA_SIZE, HypLevel, REPLY_AT, SAVED_AT, TARGET_AT};
use core::arch::{asm, global_asm};

/// Mode bits of HYP in the program status register.
const MODE_HYP: u32 = 0x1a;

global_asm!(
    include_str!("arm.S"),
    SAVED = const SAVED_AT,
    REPLY = const REPLY_AT,
    TARGET = const TARGET_AT,
    SIZE = const AREA_SIZE,
);

/// Returns the address of a symbol of the assembly, relative to `pc`: a blob has no table of addresses.
macro_rules! address {
    ($symbol:literal) => {{
        let at: usize;
        // SAFETY: computes an address.
        unsafe {
            asm!("ldr {0}, 3f", "2: add {0}, pc, {0}", "b 4f",
                 concat!("3: .long ", $symbol, " - 2b - 8"), "4:",
                 out(reg) at, options(nostack));
        }
        at
    }};
}

/// Where registers are kept.
pub fn area() -> usize {
    address!("handoff_hyp_area")
}

/// Vectors during a call.
pub fn vectors() -> usize {
    address!("handoff_hyp_vectors")
}

/// The landing of a restart, and the end of its code.
pub fn landing() -> (usize, usize) {
    (address!("handoff_hyp_landing"), address!("handoff_hyp_end"))
}

/// Returns the level that this code runs at.
#[must_use]
pub fn level() -> HypLevel {
    let status: u32;
    // SAFETY: reads a register.
    unsafe { asm!("mrs {}, cpsr", out(reg) status, options(nomem, nostack)) };
    match status & 0x1f {
        MODE_HYP => HypLevel::Hyp,
        _ => HypLevel::Kernel,
    }
}

/// Writes a range back to the point of coherency.
pub fn clean(start: usize, end: usize) {
    let type_register: u32;
    // SAFETY: reads a register (CTR).
    unsafe {
        asm!("mrc p15, 0, {}, c0, c0, 1", out(reg) type_register, options(nomem, nostack));
    }
    // log2 of the words of the smallest line
    let line = 4_usize << (type_register >> 16 & 15);
    for at in (start & !(line - 1)..end).step_by(line) {
        // SAFETY: changes no memory (DCCMVAC).
        unsafe { asm!("mcr p15, 0, {}, c7, c10, 1", in(reg) at, options(nostack)) };
    }
    // SAFETY: a barrier.
    unsafe { asm!("dsb sy", "isb", options(nostack)) };
}
