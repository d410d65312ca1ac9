//! Machine memory that dom0's pseudo-physical range hides: made unusable for Xen,
//! and backed up.

use super::dom0_e820::{Dom0Range, Dom0RangeError, MAX_RUNS};
use crate::host::RawRange;
use crate::host::{MapEntry, MemoryKind, map};
use handoff::addr::{MIB, PAGE_SIZE, PhysRange, align_up};
use handoff::runs;

/// Upper limit on the size of a note.
const MAX_NOTE: u64 = 2 * MIB;

impl Dom0Range {
    /// Returns the machine's RAM in dom0's range outside of `regions`, to be
    /// made unusable for Xen and to be backed up.
    ///
    /// # Errors
    ///
    /// When memory that must be RAM is not, or there are too many pieces.
    pub fn hidden(
        &self,
        entries: &[MapEntry],
        regions: &[PhysRange],
    ) -> Result<Vec<PhysRange>, Dom0RangeError> {
        let kernel = PhysRange {
            end: self.kernel_end,
            ..self.range
        };
        if let Some(hole) = hole(entries, kernel) {
            return Err(Dom0RangeError::NotRam {
                range: kernel,
                hole,
            });
        }
        let inside = map::ram_ranges(entries).filter_map(|run| run.intersect(&self.range));
        let runs = runs::without(inside, regions.iter().copied());
        if runs.len() > MAX_RUNS {
            return Err(Dom0RangeError::Scattered {
                range: self.range,
                runs: runs.len(),
            });
        }
        Ok(runs)
    }
}

/// Returns the first part of `range` that is not RAM (or unusable, which Linux
/// accepts here).
fn hole(entries: &[MapEntry], range: PhysRange) -> Option<PhysRange> {
    let mut at = range.start;
    for entry in entries {
        if entry.end <= at || entry.start >= range.end {
            continue;
        }
        if entry.start > at {
            break;
        }
        if !matches!(entry.kind, MemoryKind::Ram | MemoryKind::Unusable) {
            return entry.range().intersect(&range);
        }
        at = entry.end;
    }
    let next = entries.iter().find(|entry| entry.start > at);
    let end = next.map_or(range.end, |next| next.start.min(range.end));
    PhysRange::new(at, end).filter(|hole| !hole.is_empty() && at < range.end)
}

/// Returns the memory to back up: all of `hidden`, and the rest of each note that
/// begins or ends in it, as a note must be contiguous. Whole pages.
#[must_use]
pub fn to_save(
    hidden: &[PhysRange],
    notes: impl Iterator<Item = RawRange> + Clone,
) -> Vec<PhysRange> {
    let saved = |part: &PhysRange| {
        let mut part = part.align_outward(PAGE_SIZE).unwrap_or(*part);
        let across = |part: &PhysRange, note: &RawRange| {
            note.range().is_some_and(|note| {
                let apart = note.is_empty() || !note.overlaps(part);
                !apart && note.len() < MAX_NOTE && !part.covers(&note)
            })
        };
        // growth may cut another note; each is covered once
        while let Some(note) = notes.clone().find(|note| across(&part, note)) {
            part.start = part.start.min(note.start / PAGE_SIZE * PAGE_SIZE);
            part.end = part
                .end
                .max(align_up(note.end, PAGE_SIZE).unwrap_or(note.end));
        }
        part
    };
    // merge parts that now overlap
    let mut merged: Vec<PhysRange> = Vec::with_capacity(hidden.len());
    for part in hidden.iter().map(saved) {
        match merged.last_mut() {
            Some(last) if part.start <= last.end => last.end = last.end.max(part.end),
            _ => merged.push(part),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn r(start: u64, end: u64) -> PhysRange {
        PhysRange { start, end }
    }

    const fn e(start: u64, end: u64, kind: MemoryKind) -> MapEntry {
        MapEntry { start, end, kind }
    }

    /// Range for Debian's 6.1 without an initrd.
    const WINDOW: Dom0Range = Dom0Range {
        range: r(16 * MIB, 134 * MIB),
        kernel_end: 76 * MIB,
        block: 128 * MIB,
    };

    #[test]
    fn the_region_is_not_hidden() {
        let machine = [
            e(0, 0x9_fc00, MemoryKind::Ram),
            e(MIB, 3072 * MIB, MemoryKind::Ram),
            e(4096 * MIB, 6144 * MIB, MemoryKind::Ram),
        ];
        let hidden = |region| WINDOW.hidden(&machine, &[region]).unwrap();
        let all = r(16 * MIB, 134 * MIB);
        assert_eq!(hidden(r(2048 * MIB, 2816 * MIB)), [all]);
        assert_eq!(hidden(r(134 * MIB, 800 * MIB)), [all]);
        assert_eq!(hidden(r(16 * MIB, 784 * MIB)), []);
        assert_eq!(hidden(r(2 * MIB, 784 * MIB)), []);
        assert_eq!(hidden(r(64 * MIB, 784 * MIB)), [r(16 * MIB, 64 * MIB)]);
        assert_eq!(hidden(r(8 * MIB, 100 * MIB)), [r(100 * MIB, 134 * MIB)]);
        let inside = [r(16 * MIB, 32 * MIB), r(64 * MIB, 134 * MIB)];
        assert_eq!(hidden(r(32 * MIB, 64 * MIB)), inside);
    }

    #[test]
    fn memory_that_is_not_ram_is_unchanged_or_refused() {
        let machine = |start, end| {
            vec![
                e(MIB, start, MemoryKind::Ram),
                e(start, end, MemoryKind::Reserved),
                e(end, 1024 * MIB, MemoryKind::Ram),
            ]
        };
        let hidden = WINDOW.hidden(&machine(100 * MIB, 101 * MIB), &[]).unwrap();
        assert_eq!(hidden, [r(16 * MIB, 100 * MIB), r(101 * MIB, 134 * MIB)]);
        for (start, end) in [(32, 33), (15, 17), (75, 90)] {
            let err = WINDOW
                .hidden(&machine(start * MIB, end * MIB), &[])
                .unwrap_err();
            let hole = r(start.max(16) * MIB, end.min(76) * MIB);
            assert!(err.to_string().contains(&hole.to_string()), "{err}");
        }
        // no memory at all
        let short = [e(MIB, 64 * MIB, MemoryKind::Ram)];
        let err = WINDOW.hidden(&short, &[]).unwrap_err();
        assert!(err.to_string().contains("0x4000000-0x4c00000"), "{err}");
        assert!(WINDOW.hidden(&[], &[]).is_err());
        let gap = [
            e(MIB, 64 * MIB, MemoryKind::Ram),
            e(65 * MIB, 1024 * MIB, MemoryKind::Ram),
        ];
        let err = WINDOW.hidden(&gap, &[]).unwrap_err();
        assert!(err.to_string().contains("0x4000000-0x4100000"), "{err}");
    }

    #[test]
    fn notes_stay_contiguous() {
        let note = |start, end| RawRange { start, end };
        let hidden = [r(16 * MIB, 100 * MIB), r(101 * MIB, 134 * MIB)];
        let across = [
            note(16 * MIB - 8, 16 * MIB + 8),
            note(134 * MIB - 0x24, 134 * MIB + 0x1000),
            note(20 * MIB, 21 * MIB),
            note(1024 * MIB, 1024 * MIB + 8),
        ];
        assert_eq!(
            to_save(&hidden, across.into_iter()),
            [
                r(16 * MIB - 0x1000, 100 * MIB),
                r(101 * MIB, 134 * MIB + 0x1000)
            ]
        );
        // the first note is cut only once the second is covered
        let page = 134 * MIB + 0x1000;
        let late = [
            note(page - 0x10, page + 0x200),
            note(134 * MIB - 8, 134 * MIB + 8),
        ];
        assert_eq!(
            to_save(&hidden[1..], late.into_iter()),
            [r(101 * MIB, page + 0x1000)]
        );
        let between = [note(100 * MIB - 8, 101 * MIB + 8)];
        assert_eq!(
            to_save(&hidden, between.into_iter()),
            [r(16 * MIB, 134 * MIB)]
        );
    }
}
