//! Loads parts somewhere else than where they belong, in pieces where needed,
//! and says what has to be moved where.

use crate::plan::Segment;
use crate::plan::place::allocator::list;
use handoff::abi::Extent;
use handoff::addr::{PAGE_SIZE, PhysRange};
use handoff::runs;

/// The runs have no room for everything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{need:#x} bytes are to be loaded where Xen cannot lose them, and in the {taken} largest safe \
     runs there is room for {room:#x}: {}",
    list(runs)
)]
pub struct NoSafeRoom {
    /// Bytes, in whole pages.
    pub need: u64,
    /// Bytes.
    pub room: u64,
    /// Runs that may be used at most.
    pub taken: usize,
    /// The largest ones.
    pub runs: Vec<PhysRange>,
}

/// Lays `parts` (destinations where they belong, whole pages) one behind the
/// other into `runs`, in the order of the runs, at most `most` of them. A part
/// that crosses from one run to the next is cut; its further pieces are numbered.
///
/// # Errors
///
/// There is not enough room.
pub(crate) fn scatter(
    parts: &[Segment],
    runs: &[PhysRange],
    most: usize,
) -> Result<(Vec<Segment>, Vec<Extent>), NoSafeRoom> {
    let need = bytes(parts);
    let usable = &runs[..runs.len().min(most)];
    let room = usable.iter().map(PhysRange::len).sum();
    if need > room {
        return Err(NoSafeRoom {
            need,
            room,
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
                // enough was counted above
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

/// Bytes of memory of all parts.
pub(crate) fn bytes(parts: &[Segment]) -> u64 {
    parts.iter().map(|part| part.dest.len()).sum()
}

/// Whole pages of `runs` without `holes`, the largest first (of equals the
/// lowest).
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
