//! Instructions and registers.

// UNSAFETY: privileged instructions.
#![expect(unsafe_code)]

use super::registers::{HSCTLR_ON, SCTLR_ON, TTBCR, has_long_descriptors};
use crate::arch::arm64::paging::MAIR;
use core::arch::asm;

/// Returns ID_MMFR0: formats of page tables.
fn mmfr0() -> u32 {
    let value;
    // SAFETY: reads a register.
    unsafe { asm!("mrc p15, 0, {}, c0, c1, 4", out(reg) value, options(nomem, nostack)) };
    value
}

/// Turns translation and caches on, with the first level of tables at `first`. Returns false if the CPU has
/// no long descriptors: translation is off then.
///
/// # Safety
///
/// Translation is off; no cache has a line of what this CPU wrote since. The tables must map the code,
/// the stack and the data in use one to one; `hyp` tells the mode in which this runs.
pub unsafe fn translation_on(hyp: bool, first: u32) -> bool {
    if !has_long_descriptors(mmfr0()) {
        return false;
    }
    let mair = MAIR as u32;
    // SAFETY: the caller's promise.
    unsafe {
        if hyp {
            asm!(
                "dsb sy",
                "mcr p15, 4, {mair}, c10, c2, 0",  // HMAIR0
                "mcr p15, 4, {ttbcr}, c2, c0, 2",  // HTCR
                "mcrr p15, 4, {first}, {zero}, c2", // HTTBR
                "isb",
                "mcr p15, 4, {zero}, c8, c7, 0",   // TLBIALLH
                "dsb sy",
                "mcr p15, 0, {zero}, c7, c5, 0",   // ICIALLU
                "mcr p15, 0, {zero}, c7, c5, 6",   // BPIALL
                "dsb sy",
                "isb",
                "mcr p15, 4, {sctlr}, c1, c0, 0",  // HSCTLR
                "isb",
                mair = in(reg) mair, ttbcr = in(reg) TTBCR, first = in(reg) first,
                zero = in(reg) 0, sctlr = in(reg) HSCTLR_ON, options(nostack)
            );
        } else {
            asm!(
                "dsb sy",
                "mcr p15, 0, {ttbcr}, c2, c0, 2",  // TTBCR
                "isb",
                "mcr p15, 0, {mair}, c10, c2, 0",  // MAIR0
                "mcrr p15, 0, {first}, {zero}, c2", // TTBR0
                "isb",
                "mcr p15, 0, {zero}, c8, c7, 0",   // TLBIALL
                "dsb sy",
                "mcr p15, 0, {zero}, c7, c5, 0",   // ICIALLU
                "mcr p15, 0, {zero}, c7, c5, 6",   // BPIALL
                "dsb sy",
                "isb",
                "mcr p15, 0, {sctlr}, c1, c0, 0",  // SCTLR
                "isb",
                mair = in(reg) mair, ttbcr = in(reg) TTBCR, first = in(reg) first,
                zero = in(reg) 0, sctlr = in(reg) SCTLR_ON, options(nostack)
            );
        }
    }
    true
}

/// An undefined instruction.
pub fn undefined() {
    // SAFETY: traps; the handler ends the handoff.
    unsafe { asm!("udf #0", options(nostack)) };
}

/// A breakpoint; the handler resumes after it.
pub fn breakpoint() {
    // SAFETY: the handler restores all registers.
    unsafe { asm!("bkpt #0", options(nostack)) };
}

/// Calls code without arguments.
///
/// # Safety
///
/// `addr` must be that of a function of the C calling convention, in ARM state.
pub unsafe fn call(addr: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        let function: extern "C" fn() = core::mem::transmute(addr as usize as *const ());
        function();
    }
}

/// Waits forever; interrupts are masked.
pub fn halt() -> ! {
    loop {
        // SAFETY: stalls this CPU.
        unsafe { asm!("wfi", options(nomem, nostack)) };
    }
}
