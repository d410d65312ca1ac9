//! Search for free ranges for several parts at once, which finds them if there are any.

use handoff::addr::PhysRange;
use std::cmp::Reverse;

/// A part that needs a range of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Whole pages, in bytes; at least one page.
    pub len: u64,
    /// Upper bound of its range.
    pub end: u64,
    /// True when it may be in one of the lower free ranges, too.
    pub low: bool,
}

/// Finds ranges for `parts`, in their order; `None` when there are none. A part is placed in a range of `high`, or of
/// `low` where it may. The ranges are sorted, and consist of whole pages.
///
/// Within a free range parts follow each other from its start, those with the lowest upper bound first: if there is any
/// arrangement of parts in this range, this is one. So only the choice of a free range for each part is left to try.
/// For each upper bound there are as many free ranges to try as there are parts, the largest ones: parts in another one
/// could be moved to one of these that no other part is in.
pub(super) fn pack(
    parts: &[Part],
    low: &[PhysRange],
    high: &[PhysRange],
) -> Option<Vec<PhysRange>> {
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|&index| (parts[index].end, Reverse(parts[index].len), index));
    let mut holes = Vec::new();
    for (side, is_low) in [(low, true), (high, false)] {
        let mut tried = Vec::new();
        for part in parts {
            let mut best: Vec<PhysRange> = side.to_vec();
            best.sort_by_key(|hole| (Reverse(before(hole, part.end)), hole.start));
            tried.extend(best.into_iter().take(parts.len()));
        }
        tried.sort_unstable();
        tried.dedup();
        holes.extend(tried.into_iter().map(|left| Hole { left, is_low }));
    }
    let mut search = Search {
        parts,
        order: &order,
        holes,
        places: vec![PhysRange::default(); parts.len()],
    };
    search.from(0).then_some(search.places)
}

/// Bytes of a range below an address.
fn before(range: &PhysRange, end: u64) -> u64 {
    range.end.min(end).saturating_sub(range.start)
}

struct Hole {
    /// What is free of it.
    left: PhysRange,
    is_low: bool,
}

struct Search<'a> {
    parts: &'a [Part],
    /// Indices of the parts in the order in which they are placed.
    order: &'a [usize],
    holes: Vec<Hole>,
    places: Vec<PhysRange>,
}

impl Search<'_> {
    /// Places the parts of `order` from this position on.
    fn from(&mut self, position: usize) -> bool {
        let Some(&index) = self.order.get(position) else {
            return true;
        };
        let rest = self.order[position..].iter();
        let needed: u64 = rest
            .map(|&index| self.parts[index].len)
            .fold(0, u64::saturating_add);
        let free = self.holes.iter().map(|hole| hole.left.len());
        if free.fold(0, u64::saturating_add) < needed {
            return false;
        }
        let part = self.parts[index];
        for number in 0..self.holes.len() {
            let hole = &self.holes[number];
            let left = hole.left;
            if hole.is_low && !part.low || before(&left, part.end) < part.len {
                continue;
            }
            let end = left.start + part.len;
            self.places[index] = PhysRange {
                start: left.start,
                end,
            };
            self.holes[number].left.start = end;
            if self.from(position + 1) {
                return true;
            }
            self.holes[number].left = left;
        }
        false
    }
}
