//! The memory map that the image receives: E820 types and areas.

use crate::host::{MapEntry, MemoryKind, map};
use handoff::addr::{FOUR_GIB, MIB, PAGE_SIZE, PhysRange, align_down};
use handoff::runs;

/// E820 type of RAM.
const RAM: u32 = 1;
/// Plausible base memory sizes in the BIOS data area, in KiB.
const BASE_KIB: std::ops::RangeInclusive<u16> = 256..=640;

/// Returns `entries` with all of `range` typed [`MemoryKind::Reserved`], whatever it
/// was before.
#[must_use]
pub fn with_reserved(entries: &[MapEntry], range: PhysRange) -> Vec<MapEntry> {
    let mut out: Vec<MapEntry> = entries
        .iter()
        .flat_map(|entry| {
            let parts = entry.range().minus(&range).into_iter().flatten();
            parts.map(|part| MapEntry::new(part, entry.kind))
        })
        .collect();
    out.push(MapEntry::new(range, MemoryKind::Reserved));
    out.sort_unstable_by_key(|entry| entry.start);
    out
}

/// Returns `entries` for a kernel that must stay in `region`: all other RAM
/// becomes reserved.
#[must_use]
pub fn confined(entries: &[MapEntry], region: PhysRange) -> Vec<MapEntry> {
    runs::without(map::ram_ranges(entries), [region])
        .into_iter()
        .fold(entries.to_vec(), |entries, range| {
            with_reserved(&entries, range)
        })
}

/// E820 type number of `kind`. Kinds that a target could mistake for usable
/// RAM, such as persistent memory, are reserved (2).
#[must_use]
pub const fn e820_type(kind: MemoryKind) -> u32 {
    match kind {
        MemoryKind::Ram => 1,
        MemoryKind::Reserved | MemoryKind::Pmem | MemoryKind::Pram | MemoryKind::SoftReserved => 2,
        MemoryKind::AcpiTables => 3,
        MemoryKind::AcpiNvs => 4,
        MemoryKind::Unusable => 5,
    }
}

/// E820 type number of `kind` for Linux, which has its own types for persistent
/// memory (arch/x86/include/asm/e820/types.h).
#[must_use]
pub const fn linux_type(kind: MemoryKind) -> u32 {
    match kind {
        MemoryKind::Pmem => 7,
        MemoryKind::Pram => 12,
        MemoryKind::SoftReserved => 0xefff_ffff,
        _ => e820_type(kind),
    }
}

/// Returns the areas for `boot_params`: adjacent entries of one type merged.
#[must_use]
pub fn linux_areas(entries: &[MapEntry]) -> Vec<(PhysRange, u32)> {
    joined(entries, linux_type)
}

/// Merges adjacent entries of one type.
fn joined(entries: &[MapEntry], type_of: impl Fn(MemoryKind) -> u32) -> Vec<(PhysRange, u32)> {
    let mut joined: Vec<(PhysRange, u32)> = Vec::with_capacity(entries.len() + 2);
    for entry in entries.iter().filter(|entry| !entry.range().is_empty()) {
        let kind = type_of(entry.kind);
        match joined.last_mut() {
            Some((range, last)) if *last == kind && range.end == entry.start => {
                range.end = entry.end;
            }
            _ => joined.push((entry.range(), kind)),
        }
    }
    joined
}

/// Returns the areas for boot information tag 6, as Xen requires them: adjacent
/// entries of one type merged, none crosses 4 GiB, none that starts below 4 GiB
/// is 4 GiB long, and there are at least two.
#[must_use]
pub fn areas(entries: &[MapEntry]) -> Vec<(PhysRange, u32)> {
    let mut areas = split_at(joined(entries, e820_type), FOUR_GIB);
    if areas
        .iter()
        .any(|(range, _)| range.start < FOUR_GIB && range.len() >= FOUR_GIB)
    {
        areas = split_at(areas, FOUR_GIB / 2);
    }
    if let [(only, _)] = areas[..] {
        areas = split_at(areas, align_down(only.start + only.len() / 2, PAGE_SIZE));
    }
    areas
}

/// Splits the area that crosses `at`.
fn split_at(areas: Vec<(PhysRange, u32)>, at: u64) -> Vec<(PhysRange, u32)> {
    let cut = |(range, kind): (PhysRange, u32)| {
        let crosses = range.start < at && at < range.end;
        let end = if crosses { at } else { range.end };
        let tail = crosses.then_some((
            PhysRange {
                start: at,
                end: range.end,
            },
            kind,
        ));
        std::iter::once((
            PhysRange {
                start: range.start,
                end,
            },
            kind,
        ))
        .chain(tail)
    };
    areas.into_iter().flat_map(cut).collect()
}

/// `mem_lower` of boot information tag 4, in KiB, at most 640: from the BIOS
/// data area if plausible, else the size of the lowest RAM (which may lack page
/// 0).
#[must_use]
pub fn mem_lower(entries: &[MapEntry], base_kib: Option<u16>) -> u32 {
    if let Some(kib) = base_kib.filter(|kib| BASE_KIB.contains(kib)) {
        return u32::from(kib);
    }
    let bottom = map::ram_ranges(entries).find(|run| run.contains(PAGE_SIZE));
    bottom.map_or(0, |run| (run.end >> 10).min(640) as u32)
}

/// `mem_upper` of boot information tag 4, in KiB: RAM from 1 MiB up to the first
/// hole.
#[must_use]
pub fn mem_upper(entries: &[MapEntry]) -> u32 {
    let run = map::ram_ranges(entries).find(|run| run.contains(MIB));
    run.map_or(0, |run| {
        u32::try_from((run.end - MIB) >> 10).unwrap_or(u32::MAX)
    })
}

/// Adds `pages` to a memory map as RAM.
pub(in crate::plan) fn add_ram(areas: &mut Vec<(PhysRange, u32)>, pages: PhysRange) {
    if areas
        .iter()
        .any(|(range, kind)| *kind == RAM && range.covers(&pages))
    {
        return;
    }
    let rest = |(range, kind): &(PhysRange, u32)| {
        let kind = *kind;
        range
            .minus(&pages)
            .into_iter()
            .flatten()
            .map(move |range| (range, kind))
    };
    let mut carved: Vec<_> = areas.iter().flat_map(rest).collect();
    carved.push((pages, RAM));
    carved.sort_unstable();
    *areas = carved;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn e(start: u64, end: u64, kind: MemoryKind) -> MapEntry {
        MapEntry { start, end, kind }
    }

    fn r(start: u64, end: u64) -> PhysRange {
        PhysRange::new(start, end).unwrap()
    }

    #[test]
    fn no_area_crosses_4_gib_and_there_are_at_least_two() {
        let map = [
            e(0, 0x9fc00, MemoryKind::Ram),
            e(MIB, 6 << 30, MemoryKind::Ram),
        ];
        assert_eq!(
            areas(&map),
            [
                (r(0, 0x9fc00), 1),
                (r(MIB, FOUR_GIB), 1),
                (r(FOUR_GIB, 6 << 30), 1)
            ]
        );
        let one = areas(&[e(0, 0x5000, MemoryKind::Ram)]);
        assert_eq!(one, [(r(0, 0x2000), 1), (r(0x2000, 0x5000), 1)]);
        // a length of 4 GiB is 0 in 32 bits
        assert_eq!(
            areas(&[e(0, FOUR_GIB, MemoryKind::Ram)])[0],
            (r(0, FOUR_GIB / 2), 1)
        );
    }

    #[test]
    fn persistent_memory_is_merged_with_reserved_areas() {
        let kinds = [
            MemoryKind::Reserved,
            MemoryKind::Pmem,
            MemoryKind::Pram,
            MemoryKind::SoftReserved,
        ];
        let map: Vec<MapEntry> = (0..)
            .zip(kinds)
            .map(|(i, kind)| e(i, i + 1, kind))
            .collect();
        assert_eq!(areas(&map).iter().map(|(_, kind)| kind).max(), Some(&2));
        let map = [
            e(0, 8192, MemoryKind::Pmem),
            e(8192, 16384, MemoryKind::Reserved),
            e(16384, 20480, MemoryKind::Ram),
        ];
        assert_eq!(areas(&map), [(r(0, 16384), 2), (r(16384, 20480), 1)]);
    }

    #[test]
    fn low_memory_is_reserved_completely() {
        let map = [
            e(0x1000, 0x9fc00, MemoryKind::Ram),
            e(0x9fc00, 0xa0000, MemoryKind::AcpiNvs),
        ];
        assert_eq!(
            with_reserved(&map, r(0, 0xa0000)),
            [e(0, 0xa0000, MemoryKind::Reserved)]
        );
    }

    #[test]
    fn a_confined_kernel_has_ram_only_in_its_region() {
        let map = [
            e(0, MIB, MemoryKind::Ram),
            e(MIB, 64 * MIB, MemoryKind::Ram),
            e(1 << 30, 2 << 30, MemoryKind::Pmem),
        ];
        let confined = confined(&map, r(16 * MIB, 32 * MIB));
        let ram: Vec<PhysRange> = map::ram_ranges(&confined).collect();
        assert_eq!(ram, [r(16 * MIB, 32 * MIB)]);
        assert_eq!(confined.last().unwrap().kind, MemoryKind::Pmem);
    }

    #[test]
    fn base_memory_comes_from_the_bios_or_the_map() {
        let map = [
            e(0x1000, 0x9f000, MemoryKind::Ram),
            e(MIB, 0x3fff_0000, MemoryKind::Ram),
        ];
        assert_eq!(mem_lower(&map, Some(639)), 639);
        for unknown in [None, Some(0), Some(0xffff)] {
            assert_eq!(mem_lower(&map, unknown), 636);
        }
        assert_eq!(mem_upper(&map), 0x3fef_0000 >> 10);
        assert_eq!((mem_lower(&[], None), mem_upper(&[])), (0, 0));
    }

    proptest! {
        #[test]
        fn areas_cover_the_same_ranges_as_the_map(
            lens in proptest::collection::vec((1_u64..0x180_0000, 0_u64..3, 0_usize..8), 1..20)
        ) {
            let kinds = [
                MemoryKind::Ram, MemoryKind::Reserved, MemoryKind::AcpiTables, MemoryKind::AcpiNvs,
                MemoryKind::Unusable, MemoryKind::Pmem, MemoryKind::Pram, MemoryKind::SoftReserved,
            ];
            let mut at = 0;
            let mut map = Vec::new();
            for (len, gap, kind) in lens {
                at += gap * 0x1000;
                map.push(e(at, at + len * 0x1000, kinds[kind]));
                at += len * 0x1000;
            }
            let areas = areas(&map);
            prop_assert!(areas.len() >= 2 || map[0].range().len() == 0x1000);
            for (range, kind) in &areas {
                prop_assert!(range.start >= FOUR_GIB || range.end <= FOUR_GIB);
                prop_assert!(range.start >= FOUR_GIB || range.len() < FOUR_GIB);
                prop_assert!(!range.is_empty() && (1..=5).contains(kind));
            }
            for entry in &map {
                let kind = e820_type(entry.kind);
                for addr in [entry.start, entry.end - 1] {
                    let at = areas.iter().find(|(range, _)| range.contains(addr));
                    prop_assert_eq!(at.map(|(_, kind)| *kind), Some(kind));
                }
            }
            let sum: u64 = areas.iter().map(|(range, _)| range.len()).sum();
            prop_assert_eq!(sum, map.iter().map(|entry| entry.range().len()).sum::<u64>());
        }
    }

    #[test]
    fn added_pages_are_ram_and_other_areas_are_unchanged() {
        let mut areas = vec![(r(0, 0x10000), 2), (r(0x10000, 0x20000), 1)];
        add_ram(&mut areas, r(0x4000, 0x6000));
        let want = [
            (r(0, 0x4000), 2),
            (r(0x4000, 0x6000), 1),
            (r(0x6000, 0x10000), 2),
            (r(0x10000, 0x20000), 1),
        ];
        assert_eq!(areas, want);
        add_ram(&mut areas, r(0x10000, 0x11000));
        assert_eq!(areas, want, "RAM already");
    }
}
