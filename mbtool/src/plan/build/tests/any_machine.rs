use super::*;
use crate::plan::place::allocator::Arena;
use proptest::prelude::*;

const KINDS: [MemoryKind; 6] = [
    MemoryKind::Ram,
    MemoryKind::Ram,
    MemoryKind::Ram,
    MemoryKind::Reserved,
    MemoryKind::AcpiNvs,
    MemoryKind::Pmem,
];
const PREFERENCES: [Preference; 3] = [Preference::None, Preference::Lowest, Preference::Highest];

prop_compose! {
    /// A map of up to 768 MiB that starts with RAM, and arbitrary low memory.
    fn machine()(
        first in 0x100_u64..0x8000,
        runs in proptest::collection::vec((1_u64..0x4000, 0_u64..0x800, 0_usize..6), 0..12),
        bda in (any::<Option<u16>>(), any::<Option<u16>>()),
        rsdp in proptest::option::of((0_u64..1 << 33, 0_u8..3)),
        rsdp_in_low_memory in any::<bool>(),
        efi in any::<bool>(),
    ) -> Host {
        let mut memory_map = Vec::new();
        let mut at = 0;
        for (pages, gap, kind) in std::iter::once((first, 1, 0)).chain(runs) {
            memory_map.push(entry(at, at + pages * PAGE_SIZE, KINDS[kind]));
            at += (pages + gap) * PAGE_SIZE;
        }
        let low_memory = LowMemory {
            bda_ebda_segment: bda.0,
            bda_base_kib: bda.1,
            rsdp: rsdp.map(|(addr, revision)| FoundRsdp { addr, revision }),
            rsdp_in_low_memory,
            efi,
        };
        Host { memory_map, low_memory, ..Host::default() }
    }
}

/// Placement bounds, valid or not.
fn window() -> impl Strategy<Value = (u64, Option<u64>)> {
    let min = prop_oneof![
        6 => Just(MIB),
        3 => 0_u64..64 * MIB,
        1 => any::<u64>(),
    ];
    let max = prop_oneof![
        6 => Just(None),
        3 => (0_u64..1 << 30).prop_map(Some),
        1 => any::<u64>().prop_map(Some),
    ];
    (min, max)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// The request is refused, or the plan uses only RAM within its bounds and
    /// can be reproduced from its report.
    #[test]
    fn any_machine_gets_a_valid_plan_or_a_refusal(
        host in machine(),
        xen in any::<bool>(),
        preference in 0_usize..3,
        (mem_min, mem_max) in window(),
    ) {
        let mut request = xen_request();
        if !xen {
            request.image = payload();
        }
        request.image.requirements.relocatable =
            relocatable(PREFERENCES[preference]).requirements.relocatable;
        (request.mem_min, request.mem_max) = (mem_min, mem_max);
        let Ok(plan) = plan(&request, &host) else { return Ok(()) };

        let ram = Arena::new(map::ram_ranges(&host.memory_map)).ram().to_vec();
        for segment in &plan.segments {
            let dest = segment.dest;
            prop_assert!(ram.iter().any(|run| run.covers(&dest)), "{} {dest}", segment.name);
            prop_assert!(dest.start >= mem_min && dest.end <= mem_max.unwrap_or(FOUR_GIB));
            for fixup in &plan.report.fixups {
                // low memory is written after the segments are in place
                if let FixupReport::Zero { addr, len } = fixup {
                    prop_assert!(!dest.overlaps(&r(addr.0, addr.0 + len)));
                }
            }
        }
        let json = serde_json::to_vec(&plan.report).unwrap();
        let again: Host = serde_json::from_slice(&json).unwrap();
        let replayed = super::super::plan(&request, &again).unwrap();
        prop_assert_eq!(serde_json::to_vec(&replayed.report).unwrap(), json);
    }
}

/// Checks that the property above is not vacuous: ordinary machines are not
/// refused.
#[test]
fn ordinary_machines_are_not_refused() {
    for host in [bios(), uefi()] {
        for preference in PREFERENCES {
            let mut request = xen_request();
            request.image.requirements.relocatable =
                relocatable(preference).requirements.relocatable;
            let moved = plan(&request, &host).unwrap().report.image.base.0 != 2 * MIB;
            assert_eq!(moved, preference != Preference::Lowest, "{preference:?}");
        }
    }
}
