//! Physical addresses and half-open ranges, with checked arithmetic.
//!
//! Every operation is checked. A range is `[start, end)` in bytes; an empty
//! range has `start == end`. No operation wraps around or underflows: a known
//! defect of other loaders is a free-space search that returns a range outside
//! of RAM when alignment passes the end of a region.

use core::fmt;

/// Size of the pages that `kexec_load(2)` and Xen's kexec deal in, in bytes.
pub const PAGE_SIZE: u64 = 4096;
/// 1 MiB: memory below it is used by firmware and boot trampolines.
pub const MIB: u64 = 1 << 20;
/// The first address that a 32-bit kernel cannot reach.
pub const FOUR_GIB: u64 = 1 << 32;

/// Rounds `addr` down to a multiple of `align`, a power of two.
#[must_use]
pub const fn align_down(addr: u64, align: u64) -> u64 {
    debug_assert!(align.is_power_of_two());
    addr & !(align - 1)
}

/// Rounds `addr` up to a multiple of `align`, a power of two. `None` where the
/// result does not fit.
#[must_use]
pub const fn align_up(addr: u64, align: u64) -> Option<u64> {
    debug_assert!(align.is_power_of_two());
    match addr.checked_add(align - 1) {
        Some(sum) => Some(sum & !(align - 1)),
        None => None,
    }
}

/// `len` rounded up to whole pages, in bytes; [`u64::MAX`] where that does not fit.
#[must_use]
pub const fn whole_pages(len: u64) -> u64 {
    match align_up(len, PAGE_SIZE) {
        Some(pages) => pages,
        None => u64::MAX,
    }
}

/// A half-open range of physical memory, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PhysRange {
    /// First byte.
    pub start: u64,
    /// One past the last byte; never below `start`.
    pub end: u64,
}

impl PhysRange {
    /// Makes `[start, end)`; `None` when `end < start`.
    #[must_use]
    pub const fn new(start: u64, end: u64) -> Option<Self> {
        if end < start {
            None
        } else {
            Some(Self { start, end })
        }
    }

    /// Makes `[start, start + len)`; `None` when the end does not fit in 64 bits.
    #[must_use]
    pub const fn from_len(start: u64, len: u64) -> Option<Self> {
        match start.checked_add(len) {
            Some(end) => Some(Self { start, end }),
            None => None,
        }
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.end - self.start
    }

    /// True for a range without a byte.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.start >= self.end
    }

    /// True when `addr` is one of the bytes.
    #[must_use]
    pub const fn contains(&self, addr: u64) -> bool {
        self.start <= addr && addr < self.end
    }

    /// True when every byte of `other` is in `self`. An empty `other` is in
    /// everything that touches its position.
    #[must_use]
    pub const fn covers(&self, other: &Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// True when the two share a byte; empty ranges share none.
    #[must_use]
    pub const fn overlaps(&self, other: &Self) -> bool {
        !self.is_empty() && !other.is_empty() && self.start < other.end && other.start < self.end
    }

    /// Returns the common bytes; `None` when there are none.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        let start = self.start.max(other.start);
        let end = self.end.min(other.end);
        (start < end).then_some(Self { start, end })
    }

    /// Returns the parts of `self` before and after `other`; an empty part is
    /// `None`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> [Option<Self>; 2] {
        if self.is_empty() {
            return [None, None];
        }
        if !self.overlaps(other) {
            return [Some(*self), None];
        }
        let part = |start, end| (start < end).then_some(Self { start, end });
        [part(self.start, other.start), part(other.end, self.end)]
    }

    /// The smallest range of whole multiples of `align` that has every byte of
    /// `self`; `None` where it does not fit in 64 bits.
    #[must_use]
    pub fn align_outward(&self, align: u64) -> Option<Self> {
        Some(Self {
            start: align_down(self.start, align),
            end: align_up(self.end, align)?,
        })
    }

    /// The largest range of whole multiples of `align` inside `self`; `None`
    /// when there is none.
    #[must_use]
    pub fn align_inward(&self, align: u64) -> Option<Self> {
        let start = align_up(self.start, align)?;
        let end = align_down(self.end, align);
        (start < end).then_some(Self { start, end })
    }
}

impl fmt::Display for PhysRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}-{:#x}", self.start, self.end)
    }
}

impl fmt::Debug for PhysRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn r(start: u64, end: u64) -> PhysRange {
        PhysRange::new(start, end).unwrap()
    }

    #[test]
    fn alignment_past_the_end_of_a_region_finds_nothing() {
        // the u-root defect: RAM [0x1000,0x9f000), 2 MiB alignment
        assert_eq!(r(0x1000, 0x9f000).align_inward(2 * MIB), None);
        assert_eq!(align_up(u64::MAX, PAGE_SIZE), None);
        assert_eq!(whole_pages(0), 0);
        assert_eq!(whole_pages(1), PAGE_SIZE);
        assert_eq!(whole_pages(u64::MAX - 1), u64::MAX);
        assert_eq!(PhysRange::new(2, 1), None);
        assert_eq!(PhysRange::from_len(u64::MAX, 1), None);
    }

    #[test]
    fn minus_splits_and_ignores_disjoint_ranges() {
        assert_eq!(r(0, 10).minus(&r(3, 5)), [Some(r(0, 3)), Some(r(5, 10))]);
        assert_eq!(r(0, 10).minus(&r(0, 10)), [None, None]);
        assert_eq!(r(0, 10).minus(&r(10, 20)), [Some(r(0, 10)), None]);
        assert_eq!(r(0, 10).minus(&r(5, 5)), [Some(r(0, 10)), None]);
    }

    #[test]
    fn empty_ranges_overlap_nothing() {
        assert!(!r(5, 5).overlaps(&r(0, 10)));
        assert!(r(0, 10).covers(&r(5, 5)));
        assert!(r(0, 10).overlaps(&r(9, 11)));
    }
}
