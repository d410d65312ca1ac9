//! Moves memory to its final address: the Rust side of `relocate.S`.

// UNSAFETY: calls assembly that moves memory by address.
#![expect(unsafe_code)]

use super::cpu;
use crate::abi::{Extent, RelocateRaw};
use crate::pagelist;
use core::arch::{global_asm, naked_asm};
use core::mem::{offset_of, size_of};

global_asm!(
    include_str!("relocate.S"),
    DESTINATION = const pagelist::DESTINATION,
    INDIRECTION = const pagelist::INDIRECTION,
    DONE = const pagelist::DONE,
    SOURCE = const pagelist::SOURCE,
    TO = const offset_of!(Extent, to),
    FROM = const offset_of!(Extent, from),
    LEN = const offset_of!(Extent, len),
    EXTENT = const size_of::<Extent>(),
);

// A call of an external symbol may go through a GOT, a jump in assembly does not.

/// See `relocate.S`.
#[unsafe(naked)]
unsafe extern "C" fn move_list(head: u64, limit: u64, swap: u32) -> u32 {
    naked_asm!("jmp handoff_move_list")
}

/// See `relocate.S`.
#[unsafe(naked)]
unsafe extern "C" fn move_extents(first: *const Extent, count: u64, swap: u32) {
    naked_asm!("jmp handoff_move_extents")
}

/// Executes all moves (page list, then extents), then clears. Returns false
/// when the list has no end.
///
/// # Safety
///
/// Sources, destinations and list pages must be mapped memory with no other
/// user; list pages must be no destination.
#[must_use]
pub unsafe fn relocate(raw: &RelocateRaw) -> bool {
    let count = raw.extents.len().min(raw.extent_count as usize);
    // SAFETY: the caller's promise; the extents are in bounds.
    unsafe {
        let ended = raw.head == 0 || move_list(raw.head, raw.words, raw.swap) != 0;
        move_extents(raw.extents.as_ptr(), count as u64, raw.swap);
        for clear in raw.clears.iter().take(raw.clear_count as usize) {
            cpu::clear(clear.start, clear.len);
        }
        ended
    }
}

#[cfg(test)]
mod tests;
