//! Allocation of an image's pages in Xen (xen/common/kimage.c; x86
//! machine_kexec.c).

use super::super::Errno;
use super::super::wire::KexecSegment;
use super::FakeHost;
use handoff::addr::{MIB, PAGE_SIZE, PhysRange};
use std::collections::BTreeSet;

/// Size that a table of each level maps: L1 to L3, in bytes. An L4 maps all.
const SPANS: [u64; 3] = [2 * MIB, 1 << 30, 1 << 39];

/// Pages for an image: control pages and tables, from the heap, or from free parts
/// of the crash area, bottom up.
pub struct ImagePages {
    /// The crash area, and the address to continue at.
    area: Option<(PhysRange, u64)>,
    segments: Vec<PhysRange>,
    free: u64,
    /// Number of pages taken.
    pub taken: u64,
    tables: BTreeSet<(usize, u64)>,
}

impl ImagePages {
    /// For an image of these segments.
    pub fn new(setup: &FakeHost, crash: bool, raw: &[KexecSegment]) -> Self {
        Self {
            area: crash.then_some((setup.crash, setup.crash.start)),
            segments: raw.iter().map(dest).collect(),
            free: setup.free_pages,
            taken: 0,
            tables: BTreeSet::new(),
        }
    }

    /// Takes `count` pages from the heap.
    pub fn take(&mut self, count: u64) -> Result<(), Errno> {
        self.free = self.free.checked_sub(count).ok_or(Errno::ENOMEM)?;
        self.taken += count;
        Ok(())
    }

    /// Takes a page for Xen itself; returns its address, if it matters.
    pub fn control(&mut self) -> Result<u64, Errno> {
        let Some((area, next)) = &mut self.area else {
            self.take(1)?;
            return Ok(MIB);
        };
        let mut hole = PhysRange {
            start: *next,
            end: *next + PAGE_SIZE,
        };
        while let Some(segment) = self.segments.iter().find(|s| s.overlaps(&hole)) {
            hole.start = segment.end;
            hole.end = hole.start + PAGE_SIZE;
        }
        if hole.end > area.end {
            return Err(Errno::ENOMEM);
        }
        *next = hole.end;
        Ok(hole.start)
    }

    /// Takes page tables for the page at `addr`.
    pub fn map(&mut self, addr: u64) -> Result<(), Errno> {
        let tables = [(4, 0)]
            .into_iter()
            .chain((0..3usize).rev().map(|level| (level, addr / SPANS[level])));
        for table in tables {
            if self.tables.insert(table) {
                self.control()?;
            }
        }
        Ok(())
    }
}

/// Returns the destination of a segment's data.
pub(super) const fn dest(segment: &KexecSegment) -> PhysRange {
    PhysRange {
        start: segment.dest,
        end: segment.dest.wrapping_add(segment.dest_len),
    }
}
