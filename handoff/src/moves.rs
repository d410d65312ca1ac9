//! Moves memory to its final address, on machines with a device tree.

// UNSAFETY: copies memory by address.
#![expect(unsafe_code)]

use crate::abi::RelocateRaw;
use crate::pagelist::{PageMove, Walk};
use core::ptr;

const PAGE: usize = 4096;

/// Executes all moves (page list, then extents), then clears. Calls `written` with address and
/// length of what it wrote. Returns false when the list has no end.
///
/// # Safety
///
/// Sources, destinations and list pages must be mapped memory with no other
/// user; list pages must be no destination.
#[must_use]
pub unsafe fn relocate(raw: &RelocateRaw, written: impl Fn(u64, u64)) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        if raw.head != 0 && !list(raw, &written) {
            return false;
        }
        for extent in raw.extents.iter().take(raw.extent_count as usize) {
            let (to, from, len) = (extent.to, extent.from, extent.len as usize);
            if raw.swap == 0 {
                ptr::copy(from as *const u8, to as *mut u8, len);
            } else {
                ptr::swap_nonoverlapping(from as *mut u8, to as *mut u8, len);
                written(from, extent.len);
            }
            written(to, extent.len);
        }
        for clear in raw.clears.iter().take(raw.clear_count as usize) {
            ptr::write_bytes(clear.start as *mut u8, 0, clear.len as usize);
            written(clear.start, clear.len);
        }
    }
    true
}

/// Executes a page list.
///
/// # Safety
///
/// As for [`relocate`].
unsafe fn list(raw: &RelocateRaw, written: &impl Fn(u64, u64)) -> bool {
    // SAFETY: the caller's promise: a list page is mapped memory.
    let read = |at: u64| Some(unsafe { (at as *const u64).read_volatile() });
    for step in Walk::new(raw.head, raw.words, read) {
        let Ok(PageMove { to, from }) = step else {
            return false;
        };
        // SAFETY: as above, for sources and destinations.
        unsafe {
            if raw.swap == 0 {
                ptr::copy(from as *const u8, to as *mut u8, PAGE);
            } else if from != to {
                ptr::swap_nonoverlapping(from as *mut u8, to as *mut u8, PAGE);
                written(from, PAGE as u64);
            }
        }
        written(to, PAGE as u64);
    }
    true
}
