//! Maintenance of caches.

// UNSAFETY: cache instructions by address.
#![expect(unsafe_code)]

use core::arch::asm;

/// Writes memory back to the point of coherency, and drops it from the data caches: what runs with
/// caches off sees it. Memory from 4 GiB on does not exist for this architecture's handoff.
pub fn clean(start: u64, len: u64) {
    let ctr: u32;
    // SAFETY: reads CTR.
    unsafe { asm!("mrc p15, 0, {}, c0, c0, 1", out(reg) ctr, options(nomem, nostack)) };
    // DminLine: log2 of the line in words
    let line = 4_u64 << (ctr >> 16 & 15);
    let mut at = start & !(line - 1);
    let end = start.saturating_add(len);
    while at < end {
        // SAFETY: changes no memory contents as this CPU sees them; the caller's memory is mapped.
        unsafe { asm!("mcr p15, 0, {}, c7, c14, 1", in(reg) at as u32, options(nostack)) };
        at += line;
    }
    // SAFETY: waits for the above.
    unsafe { asm!("dsb sy", options(nostack)) };
}

/// Makes written code visible to instruction fetch: invalidates the instruction cache and branch
/// prediction.
pub fn sync_code() {
    // SAFETY: has no effect on memory.
    unsafe {
        asm!("dsb sy", "mcr p15, 0, {0}, c7, c5, 0", "mcr p15, 0, {0}, c7, c5, 6", "dsb sy", "isb",
             in(reg) 0, options(nostack));
    }
}
