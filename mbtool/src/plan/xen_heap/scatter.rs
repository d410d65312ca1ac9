//! Distributes parts over staging ranges, split where needed, and lists the
//! moves to their final addresses.

use crate::plan::Segment;
use crate::plan::place::allocator::list;
use handoff::abi::Extent;
use handoff::addr::{PAGE_SIZE, PhysRange};
use handoff::runs;

/// The ranges are too small for all parts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{need:#x} bytes must be loaded outside of Xen's free heap; the {taken} largest safe ranges \
     have {available:#x}: {}",
    list(runs)
)]
pub struct NoSafeRange {
    /// Needed memory in bytes, in whole pages.
    pub need: u64,
    /// Available memory in bytes.
    pub available: u64,
    /// Maximum number of ranges that may be used.
    pub taken: usize,
    /// The largest ranges.
    pub runs: Vec<PhysRange>,
}

/// Places `parts` (final destinations, whole pages) one after the other into
/// `runs`, in order, using at most `most` of them. A part that crosses the end of
/// a range is split; its further pieces are numbered.
///
/// # Errors
///
/// When there is not enough memory.
pub(crate) fn scatter(
    parts: &[Segment],
    runs: &[PhysRange],
    most: usize,
) -> Result<(Vec<Segment>, Vec<Extent>), NoSafeRange> {
    let need = bytes(parts);
    let usable = &runs[..runs.len().min(most)];
    let available = usable.iter().map(PhysRange::len).sum();
    if need > available {
        return Err(NoSafeRange {
            need,
            available,
            taken: most,
            runs: runs.to_vec(),
        });
    }
    let mut left = usable.iter().copied();
    let mut run = PhysRange::default();
    let (mut pieces, mut moves) = (Vec::new(), Vec::new());
    for part in parts {
        let mut done = 0;
        let mut number = 1;
        while done < part.dest.len() {
            if run.is_empty() {
                // the total was checked above
                let Some(next) = left.next() else { break };
                run = next;
                continue;
            }
            let len = run.len().min(part.dest.len() - done);
            let dest = PhysRange {
                start: run.start,
                end: run.start + len,
            };
            run.start = dest.end;
            let total = part.data.len();
            let data = part
                .data
                .slice((done as usize).min(total)..((done + len) as usize).min(total));
            let name = match number {
                1 => part.name.clone(),
                n => format!("{} ({n})", part.name),
            };
            pieces.push(Segment::new(&name, dest, data));
            moves.push(Extent {
                to: part.dest.start + done,
                from: dest.start,
                len,
            });
            done += len;
            number += 1;
        }
    }
    Ok((pieces, moves))
}

/// Memory size of all parts, in bytes.
pub(crate) fn bytes(parts: &[Segment]) -> u64 {
    parts.iter().map(|part| part.dest.len()).sum()
}

/// Returns whole pages of `runs` without `holes`, the largest first (the lowest
/// of equal ones).
pub(crate) fn largest_first(
    runs: impl IntoIterator<Item = PhysRange>,
    holes: &[PhysRange],
) -> Vec<PhysRange> {
    let mut pieces: Vec<PhysRange> = runs::without(runs, holes.iter().copied())
        .iter()
        .filter_map(|piece| piece.align_inward(PAGE_SIZE))
        .collect();
    pieces.sort_by_key(|piece| (std::cmp::Reverse(piece.len()), piece.start));
    pieces
}
