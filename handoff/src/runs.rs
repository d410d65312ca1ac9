//! Lists of ranges.

extern crate alloc;
use crate::addr::PhysRange;
use alloc::vec::Vec;

/// Returns `runs` without `holes`, in the order of `runs`, without empty parts.
#[must_use]
pub fn without(
    runs: impl IntoIterator<Item = PhysRange>,
    holes: impl IntoIterator<Item = PhysRange>,
) -> Vec<PhysRange> {
    let mut left: Vec<PhysRange> = runs.into_iter().filter(|run| !run.is_empty()).collect();
    for hole in holes {
        left = left
            .iter()
            .flat_map(|run| run.minus(&hole))
            .flatten()
            .collect();
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn r(start: u64, end: u64) -> PhysRange {
        PhysRange::new(start, end).unwrap()
    }

    #[test]
    fn every_hole_is_cut_out_of_every_run() {
        let runs = [r(20, 30), r(0, 10)];
        assert_eq!(
            without(runs, [r(2, 3), r(8, 22), r(25, 25), r(29, 40)]),
            [r(22, 29), r(0, 2), r(3, 8)]
        );
        assert_eq!(without(runs, []), runs);
        assert_eq!(without(runs, [r(0, 30)]), []);
        assert_eq!(without([r(5, 5), r(6, 7)], []), [r(6, 7)]);
    }

    const SPACE: u64 = 32;

    fn ranges() -> impl Strategy<Value = Vec<PhysRange>> {
        let range = (0..SPACE, 0..SPACE).prop_map(|(a, b)| r(a.min(b), a.max(b)));
        proptest::collection::vec(range, 0..6)
    }

    proptest! {
        #[test]
        fn a_byte_remains_as_often_as_it_occurred(runs in ranges(), holes in ranges()) {
            let left = without(runs.clone(), holes.clone());
            prop_assert!(left.iter().all(|run| !run.is_empty()));
            for addr in 0..SPACE {
                let count = |list: &[PhysRange]| {
                    list.iter().filter(|range| range.contains(addr)).count()
                };
                let want = if count(&holes) > 0 { 0 } else { count(&runs) };
                prop_assert_eq!(count(&left), want);
            }
        }
    }
}
