//! Address limits of a handoff.

extern crate alloc;
use crate::addr::{FOUR_GIB, PhysRange};
use alloc::format;
use alloc::string::String;

/// A blob's memory, and what it reaches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// The blob.
    pub own: PhysRange,
    /// Its bounce buffer.
    pub bounce: PhysRange,
    /// End of the addresses that its page tables can map.
    pub limit: u64,
    /// End of the addresses for page lists and what they move.
    pub list_limit: u64,
}

impl Reach {
    /// Checks that the handoff's page tables can map a range.
    pub fn paged(&self, what: &str, start: u64, len: u64) -> Result<PhysRange, String> {
        within(self.limit, what, start, len)
    }

    /// Checks that a page list may contain a range.
    pub fn listed(&self, what: &str, start: u64, len: u64) -> Result<PhysRange, String> {
        within(self.list_limit, what, start, len)
    }
}

fn within(limit: u64, what: &str, start: u64, len: u64) -> Result<PhysRange, String> {
    let range = PhysRange::from_len(start, len).filter(|range| range.end <= limit);
    range.ok_or_else(|| {
        let (limit, verb) = if limit == FOUR_GIB {
            ("4 GiB".into(), "does not")
        } else {
            (shown(limit), "cannot")
        };
        format!(
            "{what}: {len:#x} bytes at {start:#x} end above {limit}, which the handoff {verb} map"
        )
    })
}

/// Returns a limit as address and size.
pub(super) fn shown(limit: u64) -> String {
    let (shift, unit) = if limit >= 1 << 40 {
        (40, "TiB")
    } else {
        (30, "GiB")
    };
    format!("{limit:#x} ({} {unit})", limit >> shift)
}

/// Checks that a range is below 4 GiB.
#[cfg(target_arch = "x86_64")]
pub(super) fn low(what: &str, addr: u64, len: u64) -> Result<(), String> {
    within(FOUR_GIB, what, addr, len).map(drop)
}
