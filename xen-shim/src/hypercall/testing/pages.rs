//! Where Xen takes the pages of an image from (xen/common/kimage.c; x86
//! machine_kexec.c).

use super::super::Errno;
use super::super::wire::KexecSegment;
use super::FakeHost;
use handoff::addr::{MIB, PAGE_SIZE, PhysRange};
use std::collections::BTreeSet;

/// Bytes that a table of each level spans: L1 to L3. An L4 spans all.
const SPANS: [u64; 3] = [2 * MIB, 1 << 30, 1 << 39];

/// ImagePages for an image: control pages and tables, from the heap or from holes of
/// the crash area, bottom up.
pub struct ImagePages {
    /// The crash area, and where to look on.
    area: Option<(PhysRange, u64)>,
    segments: Vec<PhysRange>,
    free: u64,
    /// So many were taken.
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

    /// Takes so many from the heap.
    pub fn take(&mut self, count: u64) -> Result<(), Errno> {
        self.free = self.free.checked_sub(count).ok_or(Errno::ENOMEM)?;
        self.taken += count;
        Ok(())
    }

    /// A page for Xen itself; its address, where it matters.
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

    /// Tables for the page at `addr`.
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

/// The bytes that a segment goes to.
pub(super) const fn dest(segment: &KexecSegment) -> PhysRange {
    PhysRange {
        start: segment.dest,
        end: segment.dest.wrapping_add(segment.dest_len),
    }
}
