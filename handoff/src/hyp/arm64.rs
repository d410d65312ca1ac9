//! Calls on arm64.

// UNSAFETY: assembly, instructions that maintain caches.
#![expect(unsafe_code)]

use super::live::{AREA_SIZE, HypLevel, REPLY_AT, SAVED_AT, TARGET_AT};
use core::arch::{asm, global_asm};

global_asm!(
    include_str!("arm64.S"),
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
            asm!(concat!("adrp {0}, ", $symbol), concat!("add {0}, {0}, :lo12:", $symbol),
                 out(reg) at, options(nomem, nostack));
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
    let level: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mrs {}, CurrentEL", out(reg) level, options(nomem, nostack)) };
    match level >> 2 & 3 {
        2 => HypLevel::Hyp,
        _ => HypLevel::Kernel,
    }
}

/// Writes a range back to the point of coherency.
pub fn clean(start: usize, end: usize) {
    let type_register: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) type_register, options(nomem, nostack)) };
    // log2 of the words of the smallest line
    let line = 4_usize << (type_register >> 16 & 15);
    for at in (start & !(line - 1)..end).step_by(line) {
        // SAFETY: changes no memory.
        unsafe { asm!("dc cvac, {}", in(reg) at, options(nostack)) };
    }
    // SAFETY: a barrier.
    unsafe { asm!("dsb sy", "isb", options(nostack)) };
}
