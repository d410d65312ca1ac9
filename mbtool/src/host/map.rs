//! The normalized memory map: sorted, merged, half-open, no overlaps.
//!
//! If inputs disagree about a byte, the more restrictive type applies, so that
//! memory with any special type is never used as RAM. [`ORDER`] lists the types
//! from the least to the most restrictive.

use super::{MapEntry, MemoryKind};
use handoff::addr::PhysRange;

/// All types; each is overridden by all types after it.
///
/// RAM has the lowest priority. ACPI tables are overridden by types that must
/// never be reclaimed; broken RAM overrides even "reserved", which a kernel may
/// map.
pub const ORDER: [MemoryKind; 8] = [
    MemoryKind::Ram,
    MemoryKind::SoftReserved,
    MemoryKind::Pram,
    MemoryKind::Pmem,
    MemoryKind::AcpiTables,
    MemoryKind::AcpiNvs,
    MemoryKind::Reserved,
    MemoryKind::Unusable,
];

/// Errors in a list of ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// `end < start`.
    #[error("memory range number {index} ends at {end:#x}, before its start {start:#x}")]
    Backwards {
        /// Position in the input, from 0.
        index: usize,
        /// First byte.
        start: u64,
        /// One past the last byte.
        end: u64,
    },
}

/// Position of a type in [`ORDER`]: the higher, the more restrictive.
#[must_use]
pub const fn rank(kind: MemoryKind) -> usize {
    match kind {
        MemoryKind::Ram => 0,
        MemoryKind::SoftReserved => 1,
        MemoryKind::Pram => 2,
        MemoryKind::Pmem => 3,
        MemoryKind::AcpiTables => 4,
        MemoryKind::AcpiNvs => 5,
        MemoryKind::Reserved => 6,
        MemoryKind::Unusable => 7,
    }
}

/// Sorts, splits and merges `entries`. Empty ranges are dropped; adjacent
/// ranges of one type become one.
///
/// # Errors
///
/// When a range ends before it starts.
pub fn normalize(entries: &[MapEntry]) -> Result<Vec<MapEntry>, MapError> {
    // (address, rank, +1 or -1): the set of types covering an address changes
    // only there
    let mut edges: Vec<(u64, usize, i32)> = Vec::with_capacity(entries.len() * 2);
    for (index, entry) in entries.iter().enumerate() {
        if entry.end < entry.start {
            return Err(MapError::Backwards {
                index,
                start: entry.start,
                end: entry.end,
            });
        }
        if entry.start < entry.end {
            edges.push((entry.start, rank(entry.kind), 1));
            edges.push((entry.end, rank(entry.kind), -1));
        }
    }
    edges.sort_unstable_by_key(|edge| edge.0);

    let mut map: Vec<MapEntry> = Vec::new();
    let mut depth = [0_i32; ORDER.len()];
    let mut from = 0;
    for (addr, rank, step) in edges {
        if from < addr
            && let Some(top) = depth.iter().rposition(|count| *count > 0)
        {
            append(
                &mut map,
                MapEntry {
                    start: from,
                    end: addr,
                    kind: ORDER[top],
                },
            );
        }
        depth[rank] += step;
        from = addr;
    }
    Ok(map)
}

/// Adds `next`, which starts where the last entry ends or after it.
fn append(map: &mut Vec<MapEntry>, next: MapEntry) {
    match map.last_mut() {
        Some(last) if last.end == next.start && last.kind == next.kind => last.end = next.end,
        _ => map.push(next),
    }
}

/// The RAM of a normalized map, in order.
pub fn ram_ranges(map: &[MapEntry]) -> impl Iterator<Item = PhysRange> + '_ {
    map.iter()
        .filter(|entry| entry.kind == MemoryKind::Ram)
        .map(MapEntry::range)
}

/// Bytes of RAM in a normalized map.
#[must_use]
pub fn total_ram(map: &[MapEntry]) -> u64 {
    ram_ranges(map).map(|range| range.len()).sum()
}

/// True when `range` has at least one byte and every byte of it is RAM in a
/// normalized map.
#[must_use]
pub fn is_ram(map: &[MapEntry], range: PhysRange) -> bool {
    !range.is_empty() && ram_ranges(map).any(|ram| ram.covers(&range))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(start: u64, end: u64, kind: MemoryKind) -> MapEntry {
        MapEntry { start, end, kind }
    }

    #[test]
    fn order_and_rank_agree() {
        for (at, kind) in ORDER.into_iter().enumerate() {
            assert_eq!(rank(kind), at);
        }
    }

    #[test]
    fn a_reserved_range_splits_ram() {
        let map = normalize(&[
            entry(0x9000, 0xa000, MemoryKind::Ram),
            entry(0x1000, 0x9000, MemoryKind::Ram),
            entry(0x4000, 0x5000, MemoryKind::Pmem),
        ])
        .unwrap();
        assert_eq!(
            map,
            [
                entry(0x1000, 0x4000, MemoryKind::Ram),
                entry(0x4000, 0x5000, MemoryKind::Pmem),
                entry(0x5000, 0xa000, MemoryKind::Ram),
            ]
        );
        assert_eq!(total_ram(&map), 0x8000);
        assert!(is_ram(
            &map,
            PhysRange {
                start: 0x5000,
                end: 0xa000
            }
        ));
        assert!(!is_ram(
            &map,
            PhysRange {
                start: 0x3fff,
                end: 0x4001
            }
        ));
        assert!(!is_ram(
            &map,
            PhysRange {
                start: 0x6000,
                end: 0x6000
            }
        ));
    }

    #[test]
    fn the_top_of_the_address_space_fits() {
        let map = normalize(&[entry(u64::MAX - 1, u64::MAX, MemoryKind::Ram)]).unwrap();
        assert_eq!(total_ram(&map), 1);
    }

    #[test]
    fn a_backwards_range_is_named() {
        let err = normalize(&[
            entry(0, 1, MemoryKind::Ram),
            entry(0x20, 0x10, MemoryKind::Ram),
        ])
        .unwrap_err();
        assert_eq!(
            err,
            MapError::Backwards {
                index: 1,
                start: 0x20,
                end: 0x10
            }
        );
        assert_eq!(
            err.to_string(),
            "memory range number 1 ends at 0x10, before its start 0x20"
        );
    }

    const SPACE: u64 = 48;

    fn any_entry() -> impl Strategy<Value = MapEntry> {
        (0..SPACE, 0..SPACE, 0..ORDER.len())
            .prop_map(|(a, b, kind)| entry(a.min(b), a.max(b), ORDER[kind]))
    }

    /// Returns the type of one byte, computed from the inputs.
    fn expected(entries: &[MapEntry], addr: u64) -> Option<MemoryKind> {
        entries
            .iter()
            .filter(|entry| entry.range().contains(addr))
            .map(|entry| entry.kind)
            .max_by_key(|kind| rank(*kind))
    }

    proptest! {
        #[test]
        fn every_byte_has_its_most_restrictive_type(
            entries in proptest::collection::vec(any_entry(), 0..12)
        ) {
            let map = normalize(&entries).unwrap();
            for pair in map.windows(2) {
                prop_assert!(pair[0].end <= pair[1].start);
                prop_assert!(pair[0].end < pair[1].start || pair[0].kind != pair[1].kind);
            }
            prop_assert!(map.iter().all(|entry| entry.start < entry.end));
            for addr in 0..SPACE {
                let got = map.iter().find(|entry| entry.range().contains(addr));
                prop_assert_eq!(got.map(|entry| entry.kind), expected(&entries, addr));
            }
            let ram_before = (0..SPACE)
                .filter(|a| entries.iter().any(|e| e.kind == MemoryKind::Ram && e.range().contains(*a)))
                .count() as u64;
            prop_assert!(total_ram(&map) <= ram_before);
            prop_assert_eq!(normalize(&map).unwrap(), map);
        }
    }
}
