//! Memory ranges in a dump, and their addresses after the crash.

use super::LOW;
use crate::host::{MapEntry, map};
use handoff::addr::PhysRange;
use handoff::runs;

/// Memory that the handoff backs up before the crash kernel starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Source range.
    pub from: PhysRange,
    /// Destination address.
    pub to: u64,
}

impl Backup {
    /// Returns the address of the byte at `addr` after the crash: in the backup
    /// if it is part of it.
    #[must_use]
    pub const fn of(&self, addr: u64) -> u64 {
        if self.from.contains(addr) {
            self.to + (addr - self.from.start)
        } else {
            addr
        }
    }
}

/// One contiguous range of memory in a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DumpRange {
    /// Range in the crashed system.
    pub memory: PhysRange,
    /// Its address in the crash kernel.
    pub at: u64,
}

/// Returns the memory to back up: all of [`LOW`], if any RAM is in it.
#[must_use]
pub fn to_save(entries: &[MapEntry]) -> Option<PhysRange> {
    let mut ram = map::ram_ranges(entries);
    ram.any(|run| run.overlaps(&LOW)).then_some(LOW)
}

/// Returns the address of the byte at `addr` after the crash: in a backup if it
/// is part of one.
#[must_use]
pub fn moved(backups: &[Backup], addr: u64) -> u64 {
    let copy = backups.iter().find(|backup| backup.from.contains(addr));
    copy.map_or(addr, |backup| backup.of(addr))
}

/// Returns all RAM of the machine except page 0 and the crash regions, sorted,
/// split where one of `backups` (which do not overlap) begins or ends.
#[must_use]
pub fn loads(entries: &[MapEntry], regions: &[PhysRange], backups: &[Backup]) -> Vec<DumpRange> {
    let page_0 = PhysRange {
        start: 0,
        end: LOW.start,
    };
    let holes = regions.iter().copied().chain([page_0]);
    let load = |memory: PhysRange| DumpRange {
        memory,
        at: moved(backups, memory.start),
    };
    let runs = runs::without(map::ram_ranges(entries), holes);
    let pieces = runs.into_iter().flat_map(|run| cut(run, backups));
    pieces.map(load).collect()
}

/// Splits `run` into pieces that are backed up either completely or not at all.
#[must_use]
pub fn cut(run: PhysRange, backups: &[Backup]) -> Vec<PhysRange> {
    let mut pieces = vec![run];
    for Backup { from, .. } in backups {
        let cut = |piece: &PhysRange| {
            let inside = piece.intersect(from).filter(|part| !part.is_empty());
            let [before, after] = match inside {
                Some(part) => piece.minus(&part),
                None => [Some(*piece), None],
            };
            [before, inside, after]
        };
        pieces = pieces.iter().flat_map(cut).flatten().collect();
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::MemoryKind;
    use handoff::addr::MIB;

    const fn e(start: u64, end: u64, kind: MemoryKind) -> MapEntry {
        MapEntry { start, end, kind }
    }

    const fn r(start: u64, end: u64) -> PhysRange {
        PhysRange { start, end }
    }

    fn pc() -> Vec<MapEntry> {
        vec![
            e(0, 0x9_fc00, MemoryKind::Ram),
            e(0x9_fc00, 0xa_0000, MemoryKind::Reserved),
            e(MIB, 0x7ffd_d000, MemoryKind::Ram),
            e(0x7ffd_d000, 0x8000_0000, MemoryKind::Reserved),
            e(4096 * MIB, 6144 * MIB, MemoryKind::Ram),
        ]
    }

    #[test]
    fn all_ram_except_page_0_and_the_regions_is_dumped() {
        let region = r(0x3000_0000, 0x4000_0000);
        let backup = Backup {
            from: LOW,
            to: 0x3ff0_0000,
        };
        assert_eq!(to_save(&pc()), Some(LOW));
        let found = loads(&pc(), &[region], &[backup]);
        let at = |start, end, at| DumpRange {
            memory: r(start, end),
            at,
        };
        assert_eq!(
            found,
            [
                at(0x1000, 0x9_fc00, 0x3ff0_0000),
                at(MIB, 0x3000_0000, MIB),
                at(0x4000_0000, 0x7ffd_d000, 0x4000_0000),
                at(4096 * MIB, 6144 * MIB, 4096 * MIB),
            ]
        );
        let plain = loads(&pc(), &[region], &[]);
        assert_eq!(plain[0], at(0x1000, 0x9_fc00, 0x1000));
        assert_eq!(plain[1..], found[1..]);
    }

    #[test]
    fn a_range_across_the_end_of_low_memory_is_split() {
        let one = [e(0, 2 * MIB, MemoryKind::Ram)];
        let backup = Backup {
            from: LOW,
            to: 0x50_0000,
        };
        let found = loads(&one, &[], &[backup]);
        let memory: Vec<PhysRange> = found.iter().map(|load| load.memory).collect();
        assert_eq!(memory, [LOW, r(0xa_0000, 2 * MIB)]);
        assert_eq!(found[0].at, 0x50_0000);
        assert_eq!(found[1].at, 0xa_0000);
        assert_eq!(backup.of(0x2000), 0x50_1000);
        assert_eq!(backup.of(0xa_0000), 0xa_0000);
    }

    #[test]
    fn a_range_is_split_around_a_backup() {
        let low = Backup {
            from: LOW,
            to: 0x3f00_0000,
        };
        let dom0 = Backup {
            from: r(16 * MIB, 144 * MIB),
            to: 0x3000_0000,
        };
        let found = loads(&pc(), &[r(0x3000_0000, 0x4000_0000)], &[low, dom0]);
        let at = |start, end, at| DumpRange {
            memory: r(start, end),
            at,
        };
        assert_eq!(
            found,
            [
                at(0x1000, 0x9_fc00, 0x3f00_0000),
                at(MIB, 16 * MIB, MIB),
                at(16 * MIB, 144 * MIB, 0x3000_0000),
                at(144 * MIB, 0x3000_0000, 144 * MIB),
                at(0x4000_0000, 0x7ffd_d000, 0x4000_0000),
                at(4096 * MIB, 6144 * MIB, 4096 * MIB),
            ]
        );
        assert_eq!(moved(&[low, dom0], 0x188_6000), 0x3088_6000);
        assert_eq!(moved(&[low, dom0], 144 * MIB), 144 * MIB);
    }

    #[test]
    fn a_machine_without_low_ram_has_no_backup() {
        let high = [
            e(MIB, 2 * MIB, MemoryKind::Ram),
            e(0, 0x1000, MemoryKind::Ram),
        ];
        assert_eq!(to_save(&high), None);
    }
}
