use super::*;
use handoff::addr::{FOUR_GIB, MIB};
use proptest::prelude::*;

fn r(start: u64, end: u64) -> PhysRange {
    PhysRange::new(start, end).unwrap()
}

fn ask(len: u64, align: u64, window: PhysRange, prefer: Prefer) -> Ask {
    Ask {
        name: "thing".to_owned(),
        len,
        align,
        window,
        allowed: window,
        prefer,
    }
}

#[test]
fn an_aligned_start_past_the_range_does_not_fit() {
    let arena = Arena::new([r(0x1000, 0x9f000)]);
    assert_eq!(
        arena.find(&ask(1, 2 * MIB, r(0, FOUR_GIB), Prefer::Lowest)),
        None
    );
    assert_eq!(
        arena.find(&ask(1, 2 * MIB, r(0, FOUR_GIB), Prefer::Highest)),
        None
    );
}

#[test]
fn the_preference_is_applied_within_the_window() {
    let arena = Arena::new([r(MIB, 8 * MIB), r(16 * MIB, 32 * MIB)]);
    let all = r(0, FOUR_GIB);
    let find = |window, prefer| arena.find(&ask(MIB, 2 * MIB, window, prefer));
    assert_eq!(find(all, Prefer::Lowest), Some(r(2 * MIB, 3 * MIB)));
    assert_eq!(find(all, Prefer::Highest), Some(r(30 * MIB, 31 * MIB)));
    assert_eq!(
        find(r(0, 20 * MIB), Prefer::Highest),
        Some(r(18 * MIB, 19 * MIB))
    );
    assert_eq!(find(r(7 * MIB, 16 * MIB), Prefer::Lowest), None);
}

#[test]
fn ranges_are_merged_before_rounding_to_pages() {
    let arena = Arena::new([r(0x1800, 0x3000), r(0, 0x1800)]);
    assert_eq!(arena.ram(), [r(0, 0x3000)]);
}

#[test]
fn the_most_constrained_goes_first() {
    // the only 2 MiB-aligned range is also the preferred one for a page
    let mut arena = Arena::new([r(2 * MIB, 4 * MIB), r(5 * MIB, 6 * MIB)]);
    let all = r(0, FOUR_GIB);
    let asks = [
        ask(4096, 1, all, Prefer::Lowest),
        ask(2 * MIB, 2 * MIB, all, Prefer::Lowest),
    ];
    let places = arena.take_all(&asks).unwrap();
    assert_eq!(places, [r(5 * MIB, 5 * MIB + 4096), r(2 * MIB, 4 * MIB)]);
}

#[test]
fn the_error_has_the_request_and_the_free_memory() {
    let mut arena = Arena::new([r(MIB, 4 * MIB)]);
    arena.remove("other", r(2 * MIB, 3 * MIB));
    let error = arena
        .take(&ask(2 * MIB, 4096, r(MIB, 8 * MIB), Prefer::Lowest))
        .unwrap_err();
    let expected = NoFreeRange {
        name: "thing".to_owned(),
        len: 2 * MIB,
        align: 4096,
        window: r(MIB, 8 * MIB),
        ram: vec![r(MIB, 4 * MIB)],
        largest: Some(r(MIB, 2 * MIB)),
        elsewhere: None,
    };
    assert_eq!(error, expected);
}

#[test]
fn fixed_places_must_be_ram_and_free() {
    let mut arena = Arena::new([r(MIB, 4 * MIB)]);
    arena.remove("xen's trampoline", r(2 * MIB, 3 * MIB));
    assert_eq!(
        arena.fix("kernel", r(2 * MIB + 5, 2 * MIB + 6)),
        Err(FixedError::Taken {
            name: "kernel".to_owned(),
            range: r(2 * MIB, 2 * MIB + 4096),
            by: "xen's trampoline".to_owned(),
            at: r(2 * MIB, 3 * MIB)
        })
    );
    assert_eq!(
        arena.fix("kernel", r(0x9_0000, MIB + 1)),
        Err(FixedError::NotRam {
            name: "kernel".to_owned(),
            range: r(0x9_0000, MIB + 4096),
            ram: vec![r(MIB, 4 * MIB)]
        })
    );
    assert_eq!(
        arena.fix("kernel", r(MIB + 5, MIB + 6)),
        Ok(r(MIB, MIB + 4096))
    );
    assert!(arena.fix("again", r(MIB, MIB + 1)).is_err());
    assert!(arena.fix("end", r(u64::MAX - 1, u64::MAX)).is_err());
}

#[test]
fn long_lists_are_truncated() {
    let ranges: Vec<PhysRange> = (0..10).map(|i| r(i * 2, i * 2 + 1)).collect();
    assert!(list(&ranges).ends_with("and 2 more"));
    assert_eq!(list(&[]), "none");
}

/// Converts a map of pages (`true` for RAM) to ranges.
fn ranges(pages: &[bool]) -> Vec<PhysRange> {
    let page = |index: usize| r(index as u64 * PAGE_SIZE, (index as u64 + 1) * PAGE_SIZE);
    pages
        .iter()
        .enumerate()
        .filter(|(_, ram)| **ram)
        .map(|(index, _)| page(index))
        .collect()
}

proptest! {
    #[test]
    fn one_range_is_the_same_as_by_brute_force(
        pages in proptest::collection::vec(any::<bool>(), 1..40),
        gone in (0_u64..40, 0_u64..4),
        len in 1_u64..6 * PAGE_SIZE,
        align in 0_u32..4,
        window in (0_u64..40, 0_u64..40),
        highest in any::<bool>(),
    ) {
        let mut arena = Arena::new(ranges(&pages));
        arena.remove("gone", r(gone.0 * PAGE_SIZE, (gone.0 + gone.1) * PAGE_SIZE));
        let window = r(window.0 * PAGE_SIZE, (window.0 + window.1) * PAGE_SIZE);
        let align = PAGE_SIZE << align;
        let prefer = if highest { Prefer::Highest } else { Prefer::Lowest };
        let free = |index: u64| {
            pages.get(index as usize) == Some(&true)
                && !(gone.0..gone.0 + gone.1).contains(&index)
                && window.contains(index * PAGE_SIZE)
        };
        let count = len.div_ceil(PAGE_SIZE);
        let mut places = (0_u64..40)
            .filter(|first| (first * PAGE_SIZE).is_multiple_of(align))
            .filter(|first| (*first..first + count).all(free))
            .map(|first| r(first * PAGE_SIZE, (first + count) * PAGE_SIZE));
        let want = if highest { places.next_back() } else { places.next() };
        prop_assert_eq!(arena.find(&ask(len, align, window, prefer)), want);
    }

    #[test]
    fn many_ranges_are_ram_aligned_and_disjoint(
        pages in proptest::collection::vec(prop::bool::weighted(0.9), 1..200),
        asks in proptest::collection::vec((1_u64..8 * PAGE_SIZE, 0_u32..4, any::<bool>()), 0..12),
    ) {
        let ram = ranges(&pages);
        let mut arena = Arena::new(ram.clone());
        let window = r(PAGE_SIZE, 150 * PAGE_SIZE);
        let asks: Vec<Ask> = asks
            .into_iter()
            .map(|(len, align, highest)| {
                let prefer = if highest { Prefer::Highest } else { Prefer::Lowest };
                ask(len, PAGE_SIZE << align, window, prefer)
            })
            .collect();
        let before = arena.free_bytes(&r(0, FOUR_GIB));
        if let Ok(places) = arena.take_all(&asks) {
            for (index, (place, ask)) in places.iter().zip(&asks).enumerate() {
                prop_assert!(place.len() >= ask.len && place.len() < ask.len + PAGE_SIZE);
                prop_assert!(place.start.is_multiple_of(ask.align) && window.covers(place));
                prop_assert!(arena.ram().iter().any(|run| run.covers(place)));
                prop_assert!(!places[..index].iter().any(|other| other.overlaps(place)));
            }
            let used: u64 = places.iter().map(PhysRange::len).sum();
            prop_assert_eq!(arena.free_bytes(&r(0, FOUR_GIB)), before - used);
        }
    }
}
