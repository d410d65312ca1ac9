//! What a Xen dom0 knows of the machine beside its memory map.
//!
//! Xen's kexec keeps an image's pages in its free heap, and loses the data of a
//! destination that is a free page of that heap itself (docs/xen-kexec-defect.md). So the
//! planner must know which pages cannot be free: those of the crash area, and
//! those that a domain owns.

pub mod read;

use super::{CrashRegion, Entry, Kind};
use handoff::addr::PhysRange;
use serde::{Deserialize, Serialize};

/// Most runs that [`bounded`] keeps: the largest ones.
pub const MAX_RUNS: usize = 512;

/// Half-open, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// First byte.
    pub start: u64,
    /// One past the last.
    pub end: u64,
}

impl Run {
    /// The run as the planner has it.
    #[must_use]
    pub const fn range(&self) -> PhysRange {
        PhysRange {
            start: self.start,
            end: self.end,
        }
    }
}

impl From<PhysRange> for Run {
    fn from(range: PhysRange) -> Self {
        let PhysRange { start, end } = range;
        Self { start, end }
    }
}

/// Why a run cannot be part of Xen's free heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Safe {
    /// Reserved by `crashkernel=` on Xen's command line.
    CrashArea,
    /// A domain owns every page of it, by the machine-to-physical table.
    Owned,
}

/// A run of pages that are not Xen's to give away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SafeRun {
    /// First byte.
    pub start: u64,
    /// One past the last.
    pub end: u64,
    /// Why.
    pub kind: Safe,
}

impl SafeRun {
    /// The run as the planner has it.
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
    /// Runs of pages that data may be loaded to, sorted; at most [`MAX_RUNS`].
    pub safe: Vec<SafeRun>,
    /// Why it is not known which pages domains own, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owned_unknown: Option<String>,
    /// Bytes of Xen's free heap, where it keeps a loaded image; `None`: not known.
    #[serde(default)]
    pub heap_free: Option<u64>,
    /// Crash note of each physical CPU; empty without a crash area.
    #[serde(default)]
    pub cpu_notes: Vec<Run>,
    /// Xen's VMCOREINFO note.
    #[serde(default)]
    pub vmcoreinfo: Option<Run>,
    /// Xen's code and data.
    #[serde(default)]
    pub image: Option<Run>,
}

impl XenHost {
    /// The safe runs, of one kind or of both; sorted.
    pub fn safe(&self) -> impl Iterator<Item = PhysRange> + '_ {
        self.safe.iter().map(SafeRun::range)
    }
}

/// The safe runs of a machine: RAM of the crash regions and RAM in `owned`,
/// whole pages; sorted, not overlapping. Where there are more than
/// [`MAX_RUNS`], the largest.
#[must_use]
pub fn bounded(map: &[Entry], crash: &[CrashRegion], owned: &[PhysRange]) -> Vec<SafeRun> {
    let ram: Vec<PhysRange> = map
        .iter()
        .filter(|entry| entry.kind == Kind::Ram)
        .filter_map(|entry| entry.range().align_inward(handoff::addr::PAGE_SIZE))
        .collect();
    let inside = |range: PhysRange, kind| {
        let parts = ram.iter().filter_map(move |run| run.intersect(&range));
        let parts = parts.filter_map(|part| part.align_inward(handoff::addr::PAGE_SIZE));
        parts.map(move |PhysRange { start, end }| SafeRun { start, end, kind })
    };
    let reserved = crash.iter().filter_map(CrashRegion::range);
    let mut runs: Vec<SafeRun> = reserved
        .flat_map(|range| inside(range, Safe::CrashArea).collect::<Vec<_>>())
        .collect();
    let crash_runs = runs.clone();
    for range in owned {
        for run in inside(*range, Safe::Owned) {
            // what both have is the crash area's
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

    fn ram(start: u64, end: u64) -> Entry {
        let kind = Kind::Ram;
        Entry { start, end, kind }
    }

    fn safe(start: u64, end: u64, kind: Safe) -> SafeRun {
        SafeRun { start, end, kind }
    }

    #[test]
    fn what_is_safe_is_ram_and_in_whole_pages() {
        let map = [ram(0x1000, 0x8000), ram(0x10000, 0x20800)];
        let crash = [CrashRegion {
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
    fn the_largest_runs_are_kept() {
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
