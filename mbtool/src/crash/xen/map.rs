//! The memory map that a confined Xen gets.

use crate::memory::{Entry, Kind, map};
use handoff::addr::{MIB, PhysRange};
use handoff::runs;
use xen_shim::low_memory::BASE_MEMORY;

/// Xen maps its memory with large pages. A smaller run of RAM in front of the
/// first large one stops it ("Xen BUG at common/page_alloc.c", `alloc_boot_pages`).
const LARGE: u64 = 2 * MIB;

/// `entries` for a Xen that must stay in `regions`.
///
/// - RAM: whole large pages of `regions` without `kept` (what dom0 reads and Xen
///   must not take).
/// - Unusable: all other RAM in `window`, which dom0 must find to be RAM.
/// - Reserved: `kept`, all other RAM and all of low memory. A dom0 sees the
///   machine's own bytes there.
/// - All else stays as firmware has it.
#[must_use]
pub fn confined(
    entries: &[Entry],
    regions: &[PhysRange],
    kept: PhysRange,
    window: PhysRange,
) -> Vec<Entry> {
    let as_kind = |kind| move |range| Entry::new(range, kind);
    let allowed: Vec<PhysRange> = runs::without(regions.iter().copied(), [kept])
        .iter()
        .filter_map(|run| run.align_inward(LARGE))
        .collect();
    let mut typed = Vec::with_capacity(entries.len() + 8);
    for entry in entries {
        typed.push(*entry);
        if entry.kind != Kind::Ram {
            continue;
        }
        let rest = runs::without([entry.range()], allowed.iter().copied());
        let hidden = rest.iter().filter_map(|run| run.intersect(&window));
        typed.extend(hidden.map(as_kind(Kind::Unusable)));
        typed.extend(rest.into_iter().map(as_kind(Kind::Reserved)));
    }
    typed.extend([BASE_MEMORY, kept].map(as_kind(Kind::Reserved)));
    // unusable wins over reserved, and both over RAM; nothing ends before it starts
    map::normalise(&typed).unwrap_or(typed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn e(start: u64, end: u64, kind: Kind) -> Entry {
        Entry { start, end, kind }
    }

    const fn r(start: u64, end: u64) -> PhysRange {
        PhysRange { start, end }
    }

    #[test]
    fn ram_is_the_region_and_dom0s_window_is_unusable() {
        let machine = [
            e(0, 0x9_fc00, Kind::Ram),
            e(0x9_fc00, 0xa_0000, Kind::Reserved),
            e(0xf_0000, MIB, Kind::Reserved),
            e(MIB, 0xbffe_0000, Kind::Ram),
            e(0xbffe_0000, 0xc000_0000, Kind::AcpiTables),
            e(4096 * MIB, 6144 * MIB, Kind::Ram),
        ];
        let region = r(0x8e00_0000, 0xbe00_0000);
        let kept = r(0x8e10_0000, 0x9600_0000);
        let found = confined(&machine, &[region], kept, r(16 * MIB, 140 * MIB));
        assert_eq!(
            found,
            [
                e(0, 0xa_0000, Kind::Reserved),
                e(0xf_0000, 16 * MIB, Kind::Reserved),
                e(16 * MIB, 140 * MIB, Kind::Unusable),
                // a MiB at its start is too little to be of use
                e(140 * MIB, 0x9600_0000, Kind::Reserved),
                e(0x9600_0000, 0xbe00_0000, Kind::Ram),
                e(0xbe00_0000, 0xbffe_0000, Kind::Reserved),
                e(0xbffe_0000, 0xc000_0000, Kind::AcpiTables),
                e(4096 * MIB, 6144 * MIB, Kind::Reserved),
            ]
        );
    }

    #[test]
    fn a_region_in_the_window_meets_the_fence() {
        let machine = [e(MIB, 2048 * MIB, Kind::Ram)];
        let region = r(63 * MIB, 832 * MIB);
        let kept = r(140 * MIB, 200 * MIB);
        let found = confined(&machine, &[region], kept, r(16 * MIB, 140 * MIB));
        let kinds: Vec<_> = found
            .iter()
            .map(|entry| (entry.end / MIB, entry.kind))
            .collect();
        assert_eq!(
            kinds[1..],
            [
                (16, Kind::Reserved),
                (64, Kind::Unusable),
                (140, Kind::Ram),
                (200, Kind::Reserved),
                (832, Kind::Ram),
                (2048, Kind::Reserved)
            ]
        );
    }
}
