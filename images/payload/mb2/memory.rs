//! Physical memory as slices: everything below 4 GiB is identity-mapped.

// UNSAFETY: reads memory outside of Rust's objects.
#![expect(unsafe_code)]

/// The first address that is not mapped.
const FOUR_GIB: u64 = 1 << 32;

/// The bytes at `[start, start + len)`; `None` outside of 1 .. 4 GiB (a slice
/// cannot begin at address 0).
pub fn bytes(start: u64, len: u64) -> Option<&'static [u8]> {
    let end = start.checked_add(len)?;
    if start == 0 || end > FOUR_GIB {
        return None;
    }
    // SAFETY: the range is mapped by entry.S. Reading RAM, ROM or a hole of the
    // PC memory map has no effect, and no other code runs that could change the
    // bytes while the slice lives.
    Some(unsafe { core::slice::from_raw_parts(start as *const u8, len as usize) })
}
