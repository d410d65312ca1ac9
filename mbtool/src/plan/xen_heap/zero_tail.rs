//! Trailing zeros of an image are not loaded: the handoff clears them.
//!
//! Xen takes a page of its heap for each page of a destination, with data or
//! not, and may lose each of them. So under Xen a destination ends with the
//! page that holds its last byte of data.

use crate::plan::Segment;
use handoff::addr::{PAGE_SIZE, PhysRange, align_up};

/// Truncates each of `parts` after its data, and returns the ranges to clear.
/// Adjacent ranges are merged; parts without data are dropped.
pub(crate) fn split_off(parts: Vec<Segment>) -> (Vec<Segment>, Vec<PhysRange>) {
    let mut clear: Vec<PhysRange> = Vec::new();
    let mut kept = Vec::with_capacity(parts.len());
    for mut part in parts {
        let end = align_up(part.data.len() as u64, PAGE_SIZE)
            .map_or(part.dest.end, |len| part.dest.start.saturating_add(len))
            .min(part.dest.end);
        clear.push(PhysRange {
            start: end,
            end: part.dest.end,
        });
        part.dest.end = end;
        if !part.data.is_empty() {
            kept.push(part);
        }
    }
    clear.retain(|range| !range.is_empty());
    clear.sort_unstable();
    clear.dedup_by(|next, last| {
        let joins = last.end == next.start;
        if joins {
            last.end = next.end;
        }
        joins
    });
    (kept, clear)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(start: u64, end: u64, data: usize) -> Segment {
        let dest = PhysRange { start, end };
        Segment::new("part", dest, vec![1; data])
    }

    #[test]
    fn destinations_end_with_their_data() {
        let (kept, clear) = split_off(vec![
            part(0x9000, 0xc000, 0),
            part(0x1000, 0x3000, 0x2000),
            part(0x4000, 0x9000, 0x1001),
        ]);
        let dests: Vec<_> = kept.iter().map(|part| part.dest).collect();
        let r = |start, end| PhysRange { start, end };
        assert_eq!(dests, [r(0x1000, 0x3000), r(0x4000, 0x6000)]);
        assert_eq!(clear, [r(0x6000, 0xc000)]);
    }
}
