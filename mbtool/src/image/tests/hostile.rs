//! Random damage to images: each is accepted with consistent results, or
//! refused.

use super::super::synth::{HeaderBuilder, flat, pie, xen_like};
use super::*;
use proptest::prelude::*;

/// Values at the limits of address arithmetic.
pub(super) const NASTY: [u64; 12] = [
    0,
    1,
    7,
    8,
    0xfff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_f000,
    u64::MAX,
];

fn seeds() -> Vec<Vec<u8>> {
    let addends: Vec<u64> = (0..8).map(|n| n * 0x10).collect();
    let header = HeaderBuilder::new().relocatable(0, u32::MAX, 0x1000, 1);
    vec![xen_like(), pie(header, &addends), flat(0x10_0000)]
}

/// Checks the invariants of an accepted image.
pub(super) fn check(bytes: &[u8], image: &Image) {
    assert!(!image.segments.is_empty());
    let mut stored = 0;
    for segment in &image.segments {
        assert!(
            segment.range.start < segment.range.end,
            "{:?}",
            segment.range
        );
        assert!(segment.data.len() as u64 <= segment.range.len());
        assert!(image.span.covers(&segment.range));
        stored += segment.data.len();
    }
    assert!(
        stored <= 2 * bytes.len() + image.segments.len() * (64 << 10),
        "{stored}"
    );
    for pair in image.segments.windows(2) {
        let end = handoff::addr::align_up(pair[0].range.end, 0x1000).unwrap();
        assert!(end <= pair[1].range.start, "{:?}", image.segments);
    }
    assert!(
        image
            .segments
            .iter()
            .any(|segment| segment.range.contains(image.entry))
    );
    for base in [image.span.start, 0x1000, 0x40_0000, u64::MAX - 0x1000] {
        if let Ok(placed) = image.at(base) {
            assert_eq!(placed.segments[0].range.start, base);
            assert_eq!(placed.entry - base, image.entry - image.span.start);
            assert_eq!(placed.segments.len(), image.segments.len());
        }
    }
}

#[test]
fn the_seeds_are_accepted() {
    for seed in seeds() {
        check(&seed, &parse(&seed).unwrap());
    }
}

#[test]
fn every_prefix_is_accepted_or_refused() {
    for seed in seeds() {
        for len in 0..seed.len() {
            if let Ok(image) = parse(&seed[..len]) {
                check(&seed[..len], &image);
            }
        }
    }
}

#[test]
fn extreme_values_in_every_word_are_accepted_or_refused() {
    for seed in seeds() {
        for at in (0..seed.len().min(0x200)).step_by(2) {
            for value in NASTY {
                for width in [2, 4, 8] {
                    let mut bytes = seed.clone();
                    let end = (at + width).min(bytes.len());
                    bytes[at..end].copy_from_slice(&value.to_le_bytes()[..end - at]);
                    if let Ok(image) = parse(&bytes) {
                        check(&bytes, &image);
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn mutations_never_panic(
        which in 0_usize..3,
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), 0_usize..4, any::<prop::sample::Index>(), any::<u64>()),
            1..6,
        ),
        whole in any::<bool>(),
    ) {
        let mut bytes = seeds().swap_remove(which);
        for (at, width, pick, random) in changes {
            // headers and tables are at the start, and those of relocations at the
            // end
            let at = if whole { at.index(bytes.len()) } else { at.index(0x160) & !1 };
            let nasty = NASTY.get(pick.index(2 * NASTY.len())).copied().unwrap_or(random);
            let end = (at + (1 << width)).min(bytes.len());
            bytes[at..end].copy_from_slice(&nasty.to_le_bytes()[..end - at]);
        }
        if let Ok(image) = parse(&bytes) {
            check(&bytes, &image);
        }
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        prop_assert!(parse(&bytes).is_err());
    }
}
