//! Watchpoints on both ends of the blob, for the time after the jump.
//!
//! A runaway target often overwrites memory from one end to the other, including the
//! blob's IDT, before it has loaded its own; its fault is then not reported. A write to
//! the first or last word of the blob raises #DB while the dump code is still intact.

// UNSAFETY: debug registers.
#![expect(unsafe_code)]

use crate::print::Print;
use core::arch::asm;

// DR7 (Intel SDM vol. 3, 19.2.4)
const G0: u64 = 1 << 1;
const G1: u64 = 1 << 3;
const GE: u64 = 1 << 9;
/// Always 1.
const ONE: u64 = 1 << 10;
/// Four bytes, writes.
const WRITE4: u64 = 0b1101;

/// DR7: watches writes of four bytes at DR0 and DR1.
pub const DR7: u64 = G0 | G1 | GE | ONE | WRITE4 << 16 | WRITE4 << 20;
/// DR7 with no watchpoint.
pub const DR7_OFF: u64 = ONE;
/// DR6 with no condition reported.
pub const DR6_NONE: u64 = 0xffff_0ff0;

/// Prints both addresses, and watches writes to the 4 bytes at each address (multiples of 4).
///
/// # Safety
///
/// CPL 0, and no other code may use the debug registers.
pub unsafe fn watch(out: &mut impl Print, first: u64, second: u64) {
    out.str("[handoff] guard: watching writes to ").addr(first);
    out.str(" and ").addr(second).str("\n");
    // SAFETY: the caller's promise.
    unsafe {
        disarm();
        asm!(
            "mov dr0, {first}",
            "mov dr1, {second}",
            "mov dr6, {none}",
            "mov dr7, {on}",
            first = in(reg) first,
            second = in(reg) second,
            none = in(reg) DR6_NONE,
            on = in(reg) DR7,
            options(nostack)
        );
    }
}

/// Disables the watchpoints.
///
/// # Safety
///
/// As for [`watch`].
pub unsafe fn disarm() {
    // SAFETY: the caller's promise.
    unsafe { asm!("mov dr7, {}", in(reg) DR7_OFF, options(nostack)) };
}
