//! Facts about a machine in a Xen dom0, besides the memory map.
//!
//! Xen's kexec allocates the pages of an image from its free heap, and loses data whose
//! destination is itself a free page of that heap (docs/xen-kexec-defect.md). So the
//! planner must know pages that cannot be free: those of the crash area, and those owned
//! by a domain.

pub mod read;

use super::{MapEntry, MemoryKind, RawRange};
use handoff::addr::PhysRange;
use serde::{Deserialize, Serialize};

/// Maximum number of ranges that [`bounded`] returns: the largest ones.
pub const MAX_RUNS: usize = 512;

/// Why a range cannot be part of Xen's free heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Safe {
    /// Reserved by `crashkernel=` on Xen's command line.
    CrashArea,
    /// A domain owns every page of it, by the machine-to-physical table.
    Owned,
}

/// A range of pages that Xen cannot allocate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SafeRun {
    /// First byte.
    pub start: u64,
    /// One past the last.
    pub end: u64,
    /// Reason.
    pub kind: Safe,
}

impl SafeRun {
    /// Returns the range without its kind.
    #[must_use]
    pub const fn range(&self) -> PhysRange {
        PhysRange {
            start: self.start,
            end: self.end,
        }
    }
}

/// The Xen below a PV dom0. In a [`super::Host`] with one of these, the memory
/// map is the machine's, and the crash region is Xen's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct XenHost {
    /// "4.17.7".
    pub version: String,
    /// Its command line, without dom0's part; `None` if Xen does not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_line: Option<String>,
    /// Runs of pages that data may be loaded to, sorted; at most [`MAX_RUNS`].
    pub safe: Vec<SafeRun>,
    /// Why the ownership of pages is unknown, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owned_unknown: Option<String>,
    /// Size of Xen's free heap in bytes, from which it allocates loaded images;
    /// `None` if unknown.
    #[serde(default)]
    pub heap_free: Option<u64>,
    /// Crash note of each physical CPU; empty without a crash area.
    #[serde(default)]
    pub cpu_notes: Vec<RawRange>,
    /// Xen's VMCOREINFO note.
    #[serde(default)]
    pub vmcoreinfo: Option<RawRange>,
    /// Xen's code and data.
    #[serde(default)]
    pub image: Option<RawRange>,
}

impl XenHost {
    /// Returns the safe ranges, optionally of one kind; sorted.
    pub fn safe(&self) -> impl Iterator<Item = PhysRange> + '_ {
        self.safe.iter().map(SafeRun::range)
    }
}

/// Returns the safe ranges of a machine: RAM of the crash regions and RAM in
/// `owned`, whole pages; sorted, not overlapping. Where there are more than
/// [`MAX_RUNS`], the largest.
#[must_use]
pub fn bounded(map: &[MapEntry], crash: &[RawRange], owned: &[PhysRange]) -> Vec<SafeRun> {
    let ram: Vec<PhysRange> = map
        .iter()
        .filter(|entry| entry.kind == MemoryKind::Ram)
        .filter_map(|entry| entry.range().align_inward(handoff::addr::PAGE_SIZE))
        .collect();
    let inside = |range: PhysRange, kind| {
        let parts = ram.iter().filter_map(move |run| run.intersect(&range));
        let parts = parts.filter_map(|part| part.align_inward(handoff::addr::PAGE_SIZE));
        parts.map(move |PhysRange { start, end }| SafeRun { start, end, kind })
    };
    let reserved = crash.iter().filter_map(RawRange::range);
    let mut runs: Vec<SafeRun> = reserved
        .flat_map(|range| inside(range, Safe::CrashArea).collect::<Vec<_>>())
        .collect();
    let crash_runs = runs.clone();
    for range in owned {
        for run in inside(*range, Safe::Owned) {
            // the common part belongs to the crash area
            let taken = crash_runs.iter().map(SafeRun::range);
            let pieces = handoff::runs::without([run.range()], taken);
            runs.extend(pieces.into_iter().map(|PhysRange { start, end }| SafeRun {
                start,
                end,
                kind: Safe::Owned,
            }));
        }
    }
    runs.retain(|run| run.start < run.end);
    runs.sort_by_key(|run| (std::cmp::Reverse(run.range().len()), run.start));
    runs.truncate(MAX_RUNS);
    runs.sort_unstable();
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn r(start: u64, end: u64) -> PhysRange {
        PhysRange::new(start, end).unwrap()
    }

    fn ram(start: u64, end: u64) -> MapEntry {
        let kind = MemoryKind::Ram;
        MapEntry { start, end, kind }
    }

    fn safe(start: u64, end: u64, kind: Safe) -> SafeRun {
        SafeRun { start, end, kind }
    }

    #[test]
    fn safe_ranges_are_whole_pages_of_ram() {
        let map = [ram(0x1000, 0x8000), ram(0x10000, 0x20800)];
        let crash = [RawRange {
            start: 0x12000,
            end: 0x14000,
        }];
        let owned = [r(0x2000, 0x12_000), r(0x13000, 0x30000)];
        assert_eq!(
            bounded(&map, &crash, &owned),
            [
                safe(0x2000, 0x8000, Safe::Owned),
                safe(0x10000, 0x12000, Safe::Owned),
                safe(0x12000, 0x14000, Safe::CrashArea),
                safe(0x14000, 0x20000, Safe::Owned),
            ]
        );
    }

    #[test]
    fn the_largest_ranges_are_selected() {
        let map = [ram(0, 1 << 30)];
        let owned: Vec<PhysRange> = (1..1000_u64)
            .map(|n| r(n << 16, (n << 16) + ((n % 10 + 1) << 12)))
            .collect();
        let kept = bounded(&map, &[], &owned);
        assert_eq!(kept.len(), MAX_RUNS);
        assert!(kept.is_sorted());
        assert!(kept.iter().all(|run| run.range().len() >= 5 << 12));
    }
}
