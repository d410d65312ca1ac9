//! Address limits of the handoff.

extern crate alloc;
use crate::addr::{FOUR_GIB, PhysRange};
use crate::arch::x86_64::paging;
use alloc::format;
use alloc::string::String;

/// Checks that a range is below 4 GiB.
pub(super) fn low(what: &str, addr: u64, len: u64) -> Result<(), String> {
    match PhysRange::from_len(addr, len) {
        Some(range) if range.end <= FOUR_GIB => Ok(()),
        _ => Err(format!(
            "{what}: {len:#x} bytes at {addr:#x} end above 4 GiB, which the handoff does not map"
        )),
    }
}

/// Checks that the handoff's page tables can map a range.
pub(super) fn paged(what: &str, start: u64, len: u64) -> Result<PhysRange, String> {
    let range = PhysRange::from_len(start, len).filter(|range| range.end <= paging::LIMIT);
    range.ok_or_else(|| {
        format!(
            "{what}: {len:#x} bytes at {start:#x} end above {:#x} (128 TiB), which the handoff \
             cannot map",
            paging::LIMIT
        )
    })
}
