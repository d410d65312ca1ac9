//! The memory that the crash kernel may use.

use super::LOW;
use crate::host::{Entry, Kind, map};
use handoff::addr::PhysRange;
use handoff::runs;

/// `entries` for a crash kernel: RAM is `regions` and low memory, without
/// `kept` (the core header and the copy of low memory, which it must neither
/// overwrite nor take for memory that it knows). All other RAM is reserved:
/// it can be read through /proc/vmcore then, and no device is put over it.
/// Everything that was not RAM stays as it is.
#[must_use]
pub fn confined(entries: &[Entry], regions: &[PhysRange], kept: PhysRange) -> Vec<Entry> {
    let reserved = |range| Entry::new(range, Kind::Reserved);
    let low = PhysRange {
        start: 0,
        end: LOW.end,
    };
    let mut typed = Vec::with_capacity(entries.len() + 4);
    for entry in entries {
        typed.push(*entry);
        if entry.kind != Kind::Ram {
            continue;
        }
        let allowed = regions.iter().copied().chain([low]);
        let rest = runs::without([entry.range()], allowed);
        typed.extend(rest.into_iter().map(reserved));
    }
    typed.push(reserved(kept));
    // what is reserved wins over RAM; no entry here ends before it starts
    map::normalise(&typed).unwrap_or(typed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff::addr::MIB;

    const fn e(start: u64, end: u64, kind: Kind) -> Entry {
        Entry { start, end, kind }
    }

    const fn r(start: u64, end: u64) -> PhysRange {
        PhysRange { start, end }
    }

    #[test]
    fn ram_is_the_regions_and_low_memory() {
        let machine = [
            e(0, 0x9_fc00, Kind::Ram),
            e(0x9_fc00, 0xa_0000, Kind::Reserved),
            e(MIB, 0x7ffd_d000, Kind::Ram),
            e(0x7ffd_d000, 0x7ffe_0000, Kind::AcpiTables),
            e(0x7ffe_0000, 0x8000_0000, Kind::AcpiNvs),
            e(4096 * MIB, 6144 * MIB, Kind::Ram),
        ];
        let regions = [r(0x3000_0000, 0x4000_0000), r(5120 * MIB, 5376 * MIB)];
        let kept = r(0x3ff0_0000, 0x3ffa_1000);
        let found = confined(&machine, &regions, kept);
        assert_eq!(
            found,
            [
                e(0, 0x9_fc00, Kind::Ram),
                e(0x9_fc00, 0xa_0000, Kind::Reserved),
                e(MIB, 0x3000_0000, Kind::Reserved),
                e(0x3000_0000, 0x3ff0_0000, Kind::Ram),
                e(0x3ff0_0000, 0x3ffa_1000, Kind::Reserved),
                e(0x3ffa_1000, 0x4000_0000, Kind::Ram),
                e(0x4000_0000, 0x7ffd_d000, Kind::Reserved),
                e(0x7ffd_d000, 0x7ffe_0000, Kind::AcpiTables),
                e(0x7ffe_0000, 0x8000_0000, Kind::AcpiNvs),
                e(4096 * MIB, 5120 * MIB, Kind::Reserved),
                e(5120 * MIB, 5376 * MIB, Kind::Ram),
                e(5376 * MIB, 6144 * MIB, Kind::Reserved),
            ]
        );
    }

    #[test]
    fn persistent_memory_stays_what_it_is() {
        let machine = [e(MIB, 64 * MIB, Kind::Ram), e(1 << 32, 2 << 32, Kind::Pmem)];
        let region = r(16 * MIB, 32 * MIB);
        let found = confined(&machine, &[region], r(31 * MIB, 32 * MIB));
        assert_eq!(found.last(), Some(&e(1 << 32, 2 << 32, Kind::Pmem)));
        let ram: Vec<_> = map::ram_ranges(&found).collect();
        assert_eq!(ram, [r(16 * MIB, 31 * MIB)]);
    }
}
