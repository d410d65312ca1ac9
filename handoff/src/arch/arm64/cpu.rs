//! Instructions and registers.

// UNSAFETY: privileged instructions.
#![expect(unsafe_code)]

use super::paging::{MAIR, tcr};
use super::registers::Regime;
use core::arch::asm;

/// Returns `ID_AA64MMFR0_EL1`: physical addresses and granules.
pub fn mmfr0() -> u64 {
    let value;
    // SAFETY: reads a register.
    unsafe { asm!("mrs {}, id_aa64mmfr0_el1", out(reg) value, options(nomem, nostack)) };
    value
}

/// Returns `ID_AA64ISAR0_EL1`: instructions.
pub fn isar0() -> u64 {
    let value;
    // SAFETY: reads a register.
    unsafe { asm!("mrs {}, id_aa64isar0_el1", out(reg) value, options(nomem, nostack)) };
    value
}

/// Returns `ID_AA64MMFR3_EL1`: second control registers. By its number: assemblers may not know the name.
fn mmfr3() -> u64 {
    let value;
    // SAFETY: reads a register; one that is not assigned reads as 0.
    unsafe { asm!("mrs {}, s3_0_c0_c7_3", out(reg) value, options(nomem, nostack)) };
    value
}

/// Clears `TCR2` and `SCTLR2` where the CPU has them: Linux since 6.5 sets permission indirection (`TCR2.PIE`), by which
/// permissions in descriptors mean something else.
///
/// # Safety
///
/// Translation is off; `regime` is the one in which this runs.
unsafe fn clear_second_controls(regime: Regime) {
    let features = mmfr3();
    // SAFETY: the caller's promise, and the registers exist: TCRX, then SCTLRX.
    unsafe {
        match (regime, features & 15 != 0) {
            (_, false) => {}
            (Regime::El1, true) => asm!("msr s3_0_c2_c0_3, xzr", options(nostack)),
            (Regime::El2 | Regime::El2Host, true) => {
                asm!("msr s3_4_c2_c0_3, xzr", options(nostack))
            }
        }
        match (regime, features >> 4 & 15 != 0) {
            (_, false) => {}
            (Regime::El1, true) => asm!("msr s3_0_c1_c0_3, xzr", options(nostack)),
            (Regime::El2 | Regime::El2Host, true) => {
                asm!("msr s3_4_c1_c0_3, xzr", options(nostack))
            }
        }
    }
}

/// Turns translation and caches on, with the tables at `root`. Returns false if the CPU has no 4 KiB
/// granule: translation is off then.
///
/// # Safety
///
/// Translation is off; no cache has a line of what this CPU wrote since. The tables must map the code,
/// the stack and the data in use one to one; `regime` is the one in which this runs.
pub unsafe fn translation_on(regime: Regime, root: u64) -> bool {
    let Some(tcr) = tcr(regime, mmfr0()) else {
        return false;
    };
    let sctlr = regime.sctlr();
    // SAFETY: the caller's promise.
    unsafe {
        clear_second_controls(regime);
        match regime {
            Regime::El1 => asm!(
                "dsb sy",
                "msr mair_el1, {mair}",
                "msr tcr_el1, {tcr}",
                "msr ttbr0_el1, {root}",
                "isb",
                "tlbi vmalle1",
                "dsb sy",
                "ic iallu",
                "dsb sy",
                "isb",
                "msr sctlr_el1, {sctlr}",
                "isb",
                mair = in(reg) MAIR, tcr = in(reg) tcr, root = in(reg) root, sctlr = in(reg) sctlr,
                options(nostack)
            ),
            Regime::El2 | Regime::El2Host => asm!(
                "dsb sy",
                "msr mair_el2, {mair}",
                "msr tcr_el2, {tcr}",
                "msr ttbr0_el2, {root}",
                "isb",
                "tlbi alle2",
                "dsb sy",
                "ic iallu",
                "dsb sy",
                "isb",
                "msr sctlr_el2, {sctlr}",
                "isb",
                mair = in(reg) MAIR, tcr = in(reg) tcr, root = in(reg) root, sctlr = in(reg) sctlr,
                options(nostack)
            ),
        }
    }
    true
}

/// Clears `HCR_EL2.E2H` and all else in it but AArch64 at EL1, and returns what it has then: E2H may be
/// fixed. Only with translation off.
///
/// # Safety
///
/// At EL2, with translation off.
pub unsafe fn plain_el2(hcr: u64) -> u64 {
    let now;
    // SAFETY: the caller's promise.
    unsafe {
        asm!("msr hcr_el2, {0}", "isb", "mrs {1}, hcr_el2", in(reg) hcr, out(reg) now,
             options(nostack));
    }
    now
}

/// An undefined instruction.
pub fn undefined() {
    // SAFETY: traps; the handler ends the handoff.
    unsafe { asm!("udf #0", options(nostack)) };
}

/// A breakpoint; the handler resumes after it.
pub fn breakpoint() {
    // SAFETY: the handler restores all registers.
    unsafe { asm!("brk #0", options(nostack)) };
}

/// Calls code without arguments.
///
/// # Safety
///
/// `addr` must be that of a function of the C calling convention.
pub unsafe fn call(addr: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        let function: extern "C" fn() = core::mem::transmute(addr as *const ());
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
