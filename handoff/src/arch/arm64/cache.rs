//! Maintenance of caches.

// UNSAFETY: cache instructions by address.
#![expect(unsafe_code)]

use core::arch::asm;

/// Bytes of the smallest data cache line (`CTR_EL0.DminLine`).
fn line() -> u64 {
    let ctr: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) ctr, options(nomem, nostack)) };
    4 << (ctr >> 16 & 15)
}

/// Writes memory back to the point of coherency, and drops it from the data caches: what runs with
/// caches off sees it.
pub fn clean(start: u64, len: u64) {
    let line = line();
    let mut at = start & !(line - 1);
    let end = start.saturating_add(len);
    while at < end {
        // SAFETY: changes no memory contents as this CPU sees them; the caller's memory is mapped.
        unsafe { asm!("dc civac, {}", in(reg) at, options(nostack)) };
        at += line;
    }
    // SAFETY: waits for the above.
    unsafe { asm!("dsb sy", options(nostack)) };
}

/// Makes written code visible to instruction fetch.
pub fn sync_code() {
    // SAFETY: has no effect on memory.
    unsafe { asm!("dsb sy", "ic iallu", "dsb sy", "isb", options(nostack)) };
}
