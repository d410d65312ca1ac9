//! Instructions and registers.

// UNSAFETY: privileged instructions.
#![expect(unsafe_code)]

use core::arch::asm;

/// Loads `satp`; returns the value that it has afterwards: the old one if the
/// mode is not supported.
///
/// # Safety
///
/// The tables must map the code, the stack and the data in use where they are.
pub unsafe fn set_satp(satp: u64) -> u64 {
    let now;
    // SAFETY: the caller's promise.
    unsafe {
        asm!("csrw satp, {0}", "sfence.vma", "csrr {1}, satp", in(reg) satp, out(reg) now,
             options(nostack));
    }
    now
}

/// Makes written code visible to instruction fetch on this hart.
pub fn fence_i() {
    // SAFETY: has no effect on memory.
    unsafe { asm!("fence rw, rw", "fence.i", options(nostack)) };
}

/// An illegal instruction.
pub fn illegal() {
    // SAFETY: traps; the handler ends the handoff.
    unsafe {
        asm!(
            ".option push",
            ".option norvc",
            "unimp",
            ".option pop",
            options(nostack)
        )
    };
}

/// A breakpoint; the handler resumes after it.
pub fn breakpoint() {
    // SAFETY: the handler restores all registers.
    unsafe { asm!("ebreak", options(nostack)) };
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

/// Waits forever; interrupts are off.
pub fn halt() -> ! {
    loop {
        // SAFETY: stalls this hart.
        unsafe { asm!("wfi", options(nomem, nostack)) };
    }
}
