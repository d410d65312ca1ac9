//! Places, checked against a search of all of them.

use super::super::packing::{Part, pack};
use super::*;
use proptest::prelude::*;

fn r(start: u64, end: u64) -> PhysRange {
    PhysRange::new(start, end).unwrap()
}

/// riscv64: at a 2 MiB boundary.
fn riscv(floor: u64) -> DtRules {
    DtRules {
        align: 2 * MIB,
        offset: 0,
        floor,
        ceiling: u64::MAX,
        initrd_reach: None,
    }
}

fn whole(range: PhysRange) -> PhysRange {
    PhysRange::from_len(range.start, pages(range.len())).unwrap()
}

/// All pages that the result uses.
fn used(places: &DtPlaces) -> Vec<PhysRange> {
    let optional = [
        places.dom0_kernel,
        places.initrd,
        places.xsm_policy,
        places.core_header,
        places.spare,
    ];
    let all = [places.kernel, places.tree, places.handoff].into_iter();
    all.chain(optional.into_iter().flatten())
        .map(whole)
        .collect()
}

fn assert_sound(free: &[PhysRange], rules: &DtRules, places: &DtPlaces) {
    let kernel = places.kernel.start;
    assert_eq!((kernel - rules.offset) % rules.align, 0, "{places:?}");
    assert!(kernel >= rules.floor, "{places:?}");
    let used = used(places);
    for (index, part) in used.iter().enumerate() {
        assert!(part.start.is_multiple_of(PAGE_SIZE));
        assert!(
            free.iter().any(|hole| hole.covers(part)),
            "{part} {places:?}"
        );
        assert!(
            used[..index].iter().all(|other| !other.overlaps(part)),
            "{places:?}"
        );
    }
}

/// The crash kernel of July 2023: an initrd at the top of the region, then no hole for the device tree.
const CASE_2023: DtSizes = DtSizes {
    kernel: 30_000_000,
    dom0_kernel: None,
    initrd: Some(102_381_140),
    xsm_policy: None,
    tree: 0x3a00,
    core_header: Some(0x400),
    handoff: 0x10000,
    spare: 32 * PAGE_SIZE,
};

#[test]
fn the_case_of_2023_fits() {
    let region = r(0xa000_0000, 0xc000_0000);
    let rules = riscv(region.start);
    let places = place(&[region], &CASE_2023, &rules).unwrap();
    assert_sound(&[region], &rules, &places);
    assert_eq!(places.kernel, r(0xa000_0000, 0xa000_0000 + 30_000_000));
    assert_eq!(places.initrd.unwrap().len(), 102_381_140);
    assert!(!places.below_kernel);
    // the region may be as small as the pages of its parts
    let parts = used(&places);
    let total = parts.iter().map(PhysRange::len).sum();
    let tight = PhysRange::from_len(region.start, total).unwrap();
    let places = place(&[tight], &CASE_2023, &rules).unwrap();
    assert_sound(&[tight], &rules, &places);
    let small = r(tight.start, tight.end - PAGE_SIZE);
    let error = place(&[small], &CASE_2023, &rules).unwrap_err();
    let DtPlaceError::Together {
        largest,
        total: needed,
        ..
    } = error
    else {
        panic!("{error:?}");
    };
    assert_eq!((largest, needed), (Some(small), total));
}

#[test]
fn a_region_that_begins_anywhere_has_the_kernel_at_the_first_boundary() {
    let region = r(0xa010_3000, 0xb000_0000);
    let rules = riscv(region.start);
    let places = place(&[region], &CASE_2023, &rules).unwrap();
    assert_sound(&[region], &rules, &places);
    assert_eq!(places.kernel.start, 0xa020_0000);
    // what the kernel does not need is in the gap before it
    assert_eq!(places.spare.unwrap().start, 0xa010_3000);
    assert!(places.handoff.end <= places.kernel.start && !places.below_kernel);
}

#[test]
fn a_normal_kernel_is_behind_firmware() {
    let free = [r(0x8006_0000, 0x8830_0000), r(0x8840_0000, 0x1_0000_0000)];
    let sizes = DtSizes {
        core_header: None,
        spare: 0,
        ..CASE_2023
    };
    let rules = riscv(0x8020_0000);
    let places = place(&free, &sizes, &rules).unwrap();
    assert_sound(&free, &rules, &places);
    assert_eq!(places.kernel.start, 0x8020_0000);
    assert_eq!((places.core_header, places.spare), (None, None));
    // firmware is there
    let free = [r(0x8030_0000, 0x9000_0000)];
    assert_eq!(
        place(&free, &sizes, &rules).unwrap().kernel.start,
        0x8040_0000
    );
}

#[test]
fn an_offset_and_the_reach_of_an_initrd() {
    const GIB: u64 = 1 << 30;
    let rules = DtRules {
        align: 2 * MIB,
        offset: 0x8_0000,
        floor: 0x4000_0000,
        ceiling: u64::MAX,
        initrd_reach: Some(32 * GIB),
    };
    let sizes = DtSizes {
        initrd: Some(GIB),
        ..CASE_2023
    };
    // the first hole takes the kernel only
    let high = r(32 * GIB, 34 * GIB);
    let free = [r(GIB, GIB + 40 * MIB), high];
    let places = place(&free, &sizes, &rules).unwrap();
    assert_sound(&free, &rules, &places);
    assert_eq!(places.kernel.start, 0x4008_0000);
    assert_eq!(places.initrd, Some(r(32 * GIB, 33 * GIB)));
    // out of reach from there: the kernel goes up
    let free = [r(GIB, GIB + 40 * MIB), r(32 * GIB + PAGE_SIZE, 34 * GIB)];
    let places = place(&free, &sizes, &rules).unwrap();
    assert_sound(&free, &rules, &places);
    assert_eq!(places.kernel.start, 32 * GIB + 0x8_0000);
}

#[test]
fn the_rest_is_below_the_kernel_only_where_it_must_be() {
    // the kernel only fits behind the initrd
    let free = [r(0x8000_0000, 0x8700_0000), r(0x9000_0000, 0x9200_0000)];
    let sizes = DtSizes {
        kernel: 30 * MIB,
        ..CASE_2023
    };
    let rules = riscv(0x8800_0000);
    let places = place(&free, &sizes, &rules).unwrap();
    assert_sound(&free, &rules, &places);
    assert!(places.below_kernel);
    assert_eq!(places.kernel.start, 0x9000_0000);
}

#[test]
fn failures_name_the_part_and_the_largest_hole() {
    let (small, large) = (r(0x8000_0000, 0x8100_0000), r(0x9010_0000, 0x9200_0000));
    let free = [large, small];
    let rules = riscv(0);
    let failed = |sizes: DtSizes| match place(&free, &sizes, &rules).unwrap_err() {
        DtPlaceError::Part {
            name,
            len,
            largest,
            free,
            ..
        } => {
            assert_eq!(free, [small, large]);
            (name, len, largest.unwrap())
        }
        error => panic!("{error}"),
    };
    let sizes = DtSizes {
        kernel: 16 * MIB,
        initrd: Some(MIB),
        tree: 0x1000,
        handoff: 0x10000,
        ..DtSizes::default()
    };
    assert!(place(&free, &sizes, &rules).is_ok());
    // 31 MiB are free, but 30 from the boundary
    let kernel = 30 * MIB + 1;
    assert_eq!(
        failed(DtSizes { kernel, ..sizes }),
        ("kernel", kernel, large)
    );
    let initrd = Some(31 * MIB + 1);
    assert_eq!(
        failed(DtSizes { initrd, ..sizes }),
        ("initrd", 31 * MIB + 1, large)
    );
    // the kernel fills the small hole, and the initrd leaves a page of the large one
    let sizes_together = DtSizes {
        initrd: Some(31 * MIB - PAGE_SIZE),
        ..sizes
    };
    let error = place(&free, &sizes_together, &rules).unwrap_err();
    let expected = DtPlaceError::Together {
        parts: vec![
            ("kernel", 16 * MIB),
            ("initrd", 31 * MIB - PAGE_SIZE),
            ("device tree", 0x1000),
            ("handoff", 0x10000),
        ],
        total: 47 * MIB + 0x10000,
        largest: Some(large),
        free: vec![small, large],
    };
    assert_eq!(error, expected);
    let kernel = 15 * MIB;
    assert!(
        place(
            &free,
            &DtSizes {
                kernel,
                ..sizes_together
            },
            &rules
        )
        .is_ok()
    );
    let tree = TREE_MAX + 1;
    let error = place(&free, &DtSizes { tree, ..sizes }, &rules).unwrap_err();
    assert_eq!(
        error,
        DtPlaceError::TreeTooLarge {
            len: tree,
            max: TREE_MAX
        }
    );
    let floor = riscv(large.end);
    let error = place(&free, &sizes, &floor).unwrap_err();
    assert!(
        matches!(error, DtPlaceError::Part { name: "kernel", largest, .. } if largest == Some(large))
    );
    let error = place(&[], &sizes, &rules).unwrap_err();
    assert!(matches!(
        error,
        DtPlaceError::Part {
            name: "kernel",
            largest: None,
            ..
        }
    ));
}

/// Pages of the machine in the search below, and the alignment of its kernel.
const PAGES: u64 = 18;
const ALIGN: u64 = 4;

/// True when there is an arrangement: tries every page for every part.
fn possible(free: &[bool], kernel: u64, parts: &[u64], bounds: std::ops::Range<u64>) -> bool {
    fn rest(free: &mut Vec<bool>, parts: &[u64]) -> bool {
        let Some((&len, parts)) = parts.split_first() else {
            return true;
        };
        (0..PAGES).any(|at| fits(free, at, len, |free| rest(free, parts)))
    }
    fn fits(
        free: &mut Vec<bool>,
        at: u64,
        len: u64,
        then: impl Fn(&mut Vec<bool>) -> bool,
    ) -> bool {
        let (start, end) = (at as usize, (at + len) as usize);
        if end > free.len() || free[start..end].contains(&false) {
            return false;
        }
        free[start..end].fill(false);
        let found = then(free);
        free[start..end].fill(true);
        found
    }
    let free = &mut free.to_vec();
    let bounds_end = bounds.end;
    let starts = bounds.filter(|at| at % ALIGN == 0 && at + kernel <= bounds_end);
    let mut starts = starts.collect::<Vec<_>>().into_iter();
    starts.any(|at| fits(free, at, kernel, |free| rest(free, parts)))
}

proptest! {
    #[test]
    fn there_is_a_place_if_any_arrangement_fits(
        free in proptest::collection::vec(prop::bool::weighted(0.85), PAGES as usize),
        shuffle in any::<prop::sample::Index>(),
        kernel in 1..6_u64,
        initrd in 0..6_u64,
        tree in 1..3_u64,
        core_header in 0..2_u64,
        handoff in 1..3_u64,
        spare in 0..3_u64,
        floor in 0..6_u64,
    ) {
        let page = |number: u64| number * PAGE_SIZE;
        let optional = |pages: u64| (pages > 0).then_some(page(pages));
        let sizes = DtSizes {
            kernel: page(kernel) - 5,
            dom0_kernel: None,
            xsm_policy: None,
            initrd: optional(initrd),
            tree: page(tree) - 8,
            core_header: optional(core_header),
            handoff: page(handoff),
            spare: page(spare),
        };
        let rules = DtRules {
            align: page(ALIGN),
            offset: 0,
            floor: page(floor),
            ceiling: u64::MAX,
            initrd_reach: None,
        };
        let mut holes: Vec<PhysRange> = (0..PAGES)
            .filter(|at| free[*at as usize])
            .map(|at| r(page(at), page(at + 1)))
            .collect();
        let count = holes.len();
        holes.rotate_left(shuffle.index(count.max(1)).min(count));
        let merged = Arena::new(holes.iter().copied()).ram().to_vec();
        let mut parts = [initrd, tree, core_header, handoff, spare];
        parts.sort_unstable();
        let parts: Vec<u64> = parts.into_iter().rev().filter(|pages| *pages > 0).collect();
        let fits = possible(&free, kernel, &parts, floor..PAGES);
        match place(&holes, &sizes, &rules) {
            Ok(places) => {
                prop_assert!(fits);
                assert_sound(&merged, &rules, &places);
            }
            Err(DtPlaceError::Part { largest, .. } | DtPlaceError::Together { largest, .. }) => {
                prop_assert!(!fits, "{merged:?} {sizes:?} {rules:?}");
                let most = merged.iter().map(PhysRange::len).max();
                // the largest above the floor, where the kernel has none
                let named = largest.map(|hole| hole.len());
                prop_assert!(named.is_some() == most.is_some() && named <= most);
            }
            Err(error) => prop_assert!(false, "{error}"),
        }
    }

    /// Xen, below a bound, with its modules anywhere.
    #[test]
    fn xen_and_its_modules_have_places_if_any_arrangement_fits(
        free in proptest::collection::vec(prop::bool::weighted(0.85), PAGES as usize),
        kernel in 1..4_u64,
        dom0_kernel in 1..5_u64,
        initrd in 0..4_u64,
        xsm_policy in 0..2_u64,
        ceiling in 3..PAGES,
    ) {
        let page = |number: u64| number * PAGE_SIZE;
        let optional = |pages: u64| (pages > 0).then(|| page(pages) - 7);
        let sizes = DtSizes {
            kernel: page(kernel),
            dom0_kernel: optional(dom0_kernel),
            initrd: optional(initrd),
            xsm_policy: optional(xsm_policy),
            tree: page(1) - 8,
            handoff: page(1),
            ..DtSizes::default()
        };
        let rules = DtRules {
            align: page(ALIGN),
            offset: 0,
            floor: 0,
            ceiling: page(ceiling),
            initrd_reach: None,
        };
        let holes = (0..PAGES).filter(|at| free[*at as usize]);
        let holes = Arena::new(holes.map(|at| r(page(at), page(at + 1)))).ram().to_vec();
        let mut parts = [dom0_kernel, initrd, xsm_policy, 1, 1];
        parts.sort_unstable();
        let parts: Vec<u64> = parts.into_iter().rev().filter(|pages| *pages > 0).collect();
        let fits = possible(&free, kernel, &parts, 0..ceiling);
        match place(&holes, &sizes, &rules) {
            Ok(places) => {
                prop_assert!(fits);
                prop_assert!(places.kernel.end <= page(ceiling));
                prop_assert_eq!(places.dom0_kernel.map(|place| place.len()), sizes.dom0_kernel);
                assert_sound(&holes, &rules, &places);
            }
            Err(error) => prop_assert!(!fits, "{}", error),
        }
    }

    /// Parts with upper bounds, on two sides, against the search of all places.
    #[test]
    fn packing_is_complete(
        free in proptest::collection::vec(prop::bool::weighted(0.8), 16),
        side in 0..16_u64,
        parts in proptest::collection::vec((1..5_u64, 4..20_u64, any::<bool>()), 1..5),
    ) {
        let page = |number: u64| number * PAGE_SIZE;
        let holes = |from: u64, to: u64| {
            let all = (from..to).filter(|at| free[*at as usize]);
            Arena::new(all.map(|at| r(page(at), page(at + 1)))).ram().to_vec()
        };
        let (low, high) = (holes(0, side), holes(side, 16));
        let list: Vec<Part> = parts
            .iter()
            .map(|&(len, end, low)| Part { len: page(len), end: page(end), low })
            .collect();
        fn try_all(free: &mut Vec<bool>, parts: &[(u64, u64, bool)], side: u64) -> bool {
            let Some((&(len, end, low), rest)) = parts.split_first() else {
                return true;
            };
            for at in 0..16_u64 {
                let (from, to) = (at as usize, (at + len) as usize);
                let one_side = at >= side || at + len <= side && low;
                if !one_side || at + len > end || to > free.len() || free[from..to].contains(&false) {
                    continue;
                }
                free[from..to].fill(false);
                let found = try_all(free, rest, side);
                free[from..to].fill(true);
                if found {
                    return true;
                }
            }
            false
        }
        let fits = try_all(&mut free.clone(), &parts, side);
        let found = pack(&list, &low, &high);
        prop_assert_eq!(found.is_some(), fits);
        for (index, (place, part)) in found.iter().flatten().zip(&list).enumerate() {
            let sides = [&high[..], if part.low { &low[..] } else { &[] }].concat();
            prop_assert!(sides.iter().any(|hole| hole.covers(place)));
            prop_assert!(place.len() == part.len && place.end <= part.end);
            let others = found.iter().flatten().take(index);
            prop_assert!(others.into_iter().all(|other| !other.overlaps(place)));
        }
    }
}

#[test]
fn rules_by_machine_and_region() {
    let image = DtImage {
        machine: DtImageMachine::Riscv64,
        text_offset: 0x20_0000,
        image_size: 0x1e6_c000,
        file_size: 0x1db_9400,
        anywhere: true,
        efi_stub: true,
    };
    let region = Some(r(0xa010_0000, 0xb000_0000));
    // firmware takes the start of RAM, which then is not in the memory map
    let normal = DtRules::of(&image, 0x8006_0000, None);
    assert_eq!(normal, riscv(0x8020_0000));
    assert_eq!(DtRules::of(&image, 0x8006_0000, region), riscv(0xa010_0000));
    let image = DtImage {
        machine: DtImageMachine::Arm64,
        text_offset: 0x8_0000,
        ..image
    };
    let arm64 = |floor| DtRules {
        align: 2 * MIB,
        offset: 0x8_0000,
        floor,
        ceiling: u64::MAX,
        initrd_reach: Some(32 << 30),
    };
    assert_eq!(DtRules::of(&image, 0x4000_0000, None), arm64(0x4000_0000));
    assert_eq!(DtRules::of(&image, 0x4000_0000, region), arm64(0xa010_0000));
}

/// Debian's 6.12 armmp: 25 MiB from the start of RAM to the file of 6 MB.
fn zimage() -> DtImage {
    DtImage {
        machine: DtImageMachine::Arm,
        text_offset: 25 * MIB - ARM_KERNEL_FLOOR,
        image_size: 34 * MIB,
        file_size: 6 * MIB,
        anywhere: false,
        efi_stub: false,
    }
}

#[test]
fn a_zimage_has_one_place_by_the_memory_that_it_finds() {
    let kernel = |start: u64, region| {
        let rules = DtRules::of(&zimage(), start, region);
        let region = region.unwrap_or_else(|| r(start, start + 1024 * MIB));
        let sizes = DtSizes {
            kernel: 34 * MIB,
            initrd: Some(5 * MIB),
            tree: 0x1_0000,
            handoff: 0x4_0000,
            ..DtSizes::default()
        };
        place(&[region], &sizes, &rules).map(|places| (places.kernel.start, places.initrd.unwrap()))
    };
    let (at, initrd) = kernel(0x4000_0000, None).unwrap();
    assert_eq!((at, initrd.start), (0x4000_3000, 0x4220_3000));
    // a crash region anywhere in 128 MiB: its start
    let region = r(0x5610_0000, 0x6210_0000);
    assert_eq!(kernel(0x4000_0000, Some(region)).unwrap().0, 0x5620_3000);
    // the file would be in the next 128 MiB, which are memory: there
    let region = r(0x5700_0000, 0x6300_0000);
    assert_eq!(kernel(0x4000_0000, Some(region)).unwrap().0, 0x5800_3000);
    // at the end of the address space nothing overflows
    kernel(u64::MAX - 0xfff, Some(r(u64::MAX - 0xfff, u64::MAX))).unwrap_err();
    let small = r(0x5700_0000, 0x5900_0000);
    assert!(matches!(
        kernel(0x4000_0000, Some(small)),
        Err(DtPlaceError::Part {
            name: "kernel",
            floor: 0x5800_3000,
            ..
        })
    ));
}

#[test]
fn the_initrd_of_32_bit_arm_is_in_low_memory() {
    let rules = DtRules::of(&zimage(), 0x6000_0000, None);
    let sizes = DtSizes {
        kernel: 34 * MIB,
        initrd: Some(600 * MIB),
        tree: 0x1_0000,
        handoff: 0x4_0000,
        ..DtSizes::default()
    };
    let free = [r(0x6000_0000, 0x9000_0000)];
    let places = place(&free, &sizes, &rules).unwrap();
    assert!(places.initrd.unwrap().end <= 0x6000_0000 + 704 * MIB);
    let sizes = DtSizes {
        initrd: Some(680 * MIB),
        ..sizes
    };
    place(&free, &sizes, &rules).unwrap_err();
}
