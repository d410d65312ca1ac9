//! The memory map of a crash kernel, which must stay in the crash regions.

use super::LOW;
use crate::host::{MapEntry, MemoryKind, map};
use handoff::addr::{MIB, PhysRange};
use handoff::runs;
use xen_shim::low_memory;

/// Xen maps its memory with large pages. A smaller RAM range below the first large
/// page stops it ("Xen BUG at common/page_alloc.c", `alloc_boot_pages`).
const LARGE: u64 = 2 * MIB;

/// Returns `entries` for Linux. RAM is `regions` and low memory without `block`
/// (the core header and the low memory backup, which it must not overwrite or
/// treat as RAM). All other RAM is reserved, so that it is readable through
/// /proc/vmcore and no device is mapped over it. Entries that are not RAM are
/// unchanged.
#[must_use]
pub fn for_linux(entries: &[MapEntry], regions: &[PhysRange], block: PhysRange) -> Vec<MapEntry> {
    let low = PhysRange {
        start: 0,
        end: LOW.end,
    };
    let allowed: Vec<PhysRange> = regions.iter().copied().chain([low]).collect();
    confined(entries, &allowed, &[block], PhysRange::default())
}

/// Returns `entries` for Xen:
///
/// - RAM: whole large pages of `regions` without `block` (memory that dom0 reads and
///   Xen must not allocate).
/// - Unusable: all other RAM in `dom0`, which dom0 requires to be RAM.
/// - Reserved: `block`, all other RAM and all of low memory. dom0 reads the
///   machine's own memory there.
/// - Other entries are unchanged.
#[must_use]
pub fn for_xen(
    entries: &[MapEntry],
    regions: &[PhysRange],
    block: PhysRange,
    dom0: PhysRange,
) -> Vec<MapEntry> {
    let allowed: Vec<PhysRange> = runs::without(regions.iter().copied(), [block])
        .iter()
        .filter_map(|run| run.align_inward(LARGE))
        .collect();
    confined(entries, &allowed, &[low_memory::BASE_MEMORY, block], dom0)
}

/// Makes RAM outside of `allowed` unusable in `hidden` and reserved elsewhere;
/// `reserved` is always reserved.
fn confined(
    entries: &[MapEntry],
    allowed: &[PhysRange],
    reserved: &[PhysRange],
    hidden: PhysRange,
) -> Vec<MapEntry> {
    let as_kind = |kind| move |range| MapEntry::new(range, kind);
    let mut typed = Vec::with_capacity(entries.len() + 8);
    for entry in entries {
        typed.push(*entry);
        if entry.kind != MemoryKind::Ram {
            continue;
        }
        let rest = runs::without([entry.range()], allowed.iter().copied());
        let hidden = rest.iter().filter_map(|run| run.intersect(&hidden));
        typed.extend(hidden.map(as_kind(MemoryKind::Unusable)));
        typed.extend(rest.into_iter().map(as_kind(MemoryKind::Reserved)));
    }
    typed.extend(reserved.iter().copied().map(as_kind(MemoryKind::Reserved)));
    // unusable has priority over reserved, and both over RAM; no entry ends before
    // it starts
    map::normalize(&typed).unwrap_or(typed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn e(start: u64, end: u64, kind: MemoryKind) -> MapEntry {
        MapEntry { start, end, kind }
    }

    const fn r(start: u64, end: u64) -> PhysRange {
        PhysRange { start, end }
    }

    #[test]
    fn ram_is_the_regions_and_low_memory() {
        let machine = [
            e(0, 0x9_fc00, MemoryKind::Ram),
            e(0x9_fc00, 0xa_0000, MemoryKind::Reserved),
            e(MIB, 0x7ffd_d000, MemoryKind::Ram),
            e(0x7ffd_d000, 0x7ffe_0000, MemoryKind::AcpiTables),
            e(0x7ffe_0000, 0x8000_0000, MemoryKind::AcpiNvs),
            e(4096 * MIB, 6144 * MIB, MemoryKind::Ram),
        ];
        let regions = [r(0x3000_0000, 0x4000_0000), r(5120 * MIB, 5376 * MIB)];
        let block = r(0x3ff0_0000, 0x3ffa_1000);
        let found = for_linux(&machine, &regions, block);
        assert_eq!(
            found,
            [
                e(0, 0x9_fc00, MemoryKind::Ram),
                e(0x9_fc00, 0xa_0000, MemoryKind::Reserved),
                e(MIB, 0x3000_0000, MemoryKind::Reserved),
                e(0x3000_0000, 0x3ff0_0000, MemoryKind::Ram),
                e(0x3ff0_0000, 0x3ffa_1000, MemoryKind::Reserved),
                e(0x3ffa_1000, 0x4000_0000, MemoryKind::Ram),
                e(0x4000_0000, 0x7ffd_d000, MemoryKind::Reserved),
                e(0x7ffd_d000, 0x7ffe_0000, MemoryKind::AcpiTables),
                e(0x7ffe_0000, 0x8000_0000, MemoryKind::AcpiNvs),
                e(4096 * MIB, 5120 * MIB, MemoryKind::Reserved),
                e(5120 * MIB, 5376 * MIB, MemoryKind::Ram),
                e(5376 * MIB, 6144 * MIB, MemoryKind::Reserved),
            ]
        );
    }

    #[test]
    fn persistent_memory_is_unchanged() {
        let machine = [
            e(MIB, 64 * MIB, MemoryKind::Ram),
            e(1 << 32, 2 << 32, MemoryKind::Pmem),
        ];
        let region = r(16 * MIB, 32 * MIB);
        let found = for_linux(&machine, &[region], r(31 * MIB, 32 * MIB));
        assert_eq!(found.last(), Some(&e(1 << 32, 2 << 32, MemoryKind::Pmem)));
        let ram: Vec<_> = map::ram_ranges(&found).collect();
        assert_eq!(ram, [r(16 * MIB, 31 * MIB)]);
    }

    #[test]
    fn ram_is_the_region_and_dom0s_range_is_unusable() {
        let machine = [
            e(0, 0x9_fc00, MemoryKind::Ram),
            e(0x9_fc00, 0xa_0000, MemoryKind::Reserved),
            e(0xf_0000, MIB, MemoryKind::Reserved),
            e(MIB, 0xbffe_0000, MemoryKind::Ram),
            e(0xbffe_0000, 0xc000_0000, MemoryKind::AcpiTables),
            e(4096 * MIB, 6144 * MIB, MemoryKind::Ram),
        ];
        let region = r(0x8e00_0000, 0xbe00_0000);
        let block = r(0x8e10_0000, 0x9600_0000);
        let found = for_xen(&machine, &[region], block, r(16 * MIB, 140 * MIB));
        assert_eq!(
            found,
            [
                e(0, 0xa_0000, MemoryKind::Reserved),
                e(0xf_0000, 16 * MIB, MemoryKind::Reserved),
                e(16 * MIB, 140 * MIB, MemoryKind::Unusable),
                // less than a large page at its start is not usable
                e(140 * MIB, 0x9600_0000, MemoryKind::Reserved),
                e(0x9600_0000, 0xbe00_0000, MemoryKind::Ram),
                e(0xbe00_0000, 0xbffe_0000, MemoryKind::Reserved),
                e(0xbffe_0000, 0xc000_0000, MemoryKind::AcpiTables),
                e(4096 * MIB, 6144 * MIB, MemoryKind::Reserved),
            ]
        );
    }

    #[test]
    fn a_region_in_dom0s_range_ends_at_the_unusable_memory() {
        let machine = [e(MIB, 2048 * MIB, MemoryKind::Ram)];
        let region = r(63 * MIB, 832 * MIB);
        let block = r(140 * MIB, 200 * MIB);
        let found = for_xen(&machine, &[region], block, r(16 * MIB, 140 * MIB));
        let kinds: Vec<_> = found
            .iter()
            .map(|entry| (entry.end / MIB, entry.kind))
            .collect();
        assert_eq!(
            kinds[1..],
            [
                (16, MemoryKind::Reserved),
                (64, MemoryKind::Unusable),
                (140, MemoryKind::Ram),
                (200, MemoryKind::Reserved),
                (832, MemoryKind::Ram),
                (2048, MemoryKind::Reserved)
            ]
        );
    }
}
