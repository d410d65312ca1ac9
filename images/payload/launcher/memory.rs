//! Physical memory: reading, and storing segments.

// UNSAFETY: reads and writes memory outside of Rust's objects.
#![expect(unsafe_code)]

use crate::plan::Segment;
use core::arch::asm;

/// The first address that `entry.S` does not map.
const FOUR_GIB: u64 = 1 << 32;
/// The first address that no page table here maps.
const LIMIT: u64 = 512 << 30;

/// The bytes at `[start, start + len)`; `None` outside of 1 .. 4 GiB.
pub fn bytes(start: u64, len: u64) -> Option<&'static [u8]> {
    let end = start.checked_add(len)?;
    if start == 0 || end > FOUR_GIB {
        return None;
    }
    // SAFETY: mapped by entry.S; the data of QEMU there (boot information and
    // modules) is unchanged until `store`, which does not write to the plan.
    Some(unsafe { core::slice::from_raw_parts(start as *const u8, len as usize) })
}

/// Stores a segment and zeroes the rest of its memory; `None` above 512 GiB.
pub fn store(segment: &Segment<'_>) -> Option<()> {
    let end = segment.destination.checked_add(segment.memsz)?;
    if end > LIMIT {
        return None;
    }
    // SAFETY: the range is mapped if it is RAM (else the page fault ends the test),
    // and `main` made sure that it overlaps
    // neither this image nor the plan that `segment.bytes` is part of.
    unsafe {
        // the destination may be address 0
        let rest = segment.memsz - segment.bytes.len() as u64;
        asm!("rep movsb", "mov rcx, rdx", "rep stosb",
             inout("rsi") segment.bytes.as_ptr() => _, inout("rdi") segment.destination => _,
             inout("rcx") segment.bytes.len() => _, in("rdx") rest, in("al") 0_u8,
             options(nostack));
    }
    Some(())
}

/// True when `[start, start + len)` shares a byte with `other`.
pub fn overlaps(start: u64, len: u64, other: &[u8]) -> bool {
    let range = other.as_ptr_range();
    start < range.end as u64 && start.saturating_add(len) > range.start as u64
}

/// True when `[start, start + len)` shares a byte with this program, stack
/// and tables included.
pub fn overlaps_image(start: u64, len: u64) -> bool {
    let (from, to): (u64, u64);
    // SAFETY: LEA computes an address; it touches no memory.
    unsafe {
        asm!(
            "lea {}, [rip + __image_start]",
            "lea {}, [rip + __bss_end]",
            out(reg) from,
            out(reg) to,
            options(nomem, nostack, preserves_flags, pure)
        );
    }
    start < to && start.saturating_add(len) > from
}
