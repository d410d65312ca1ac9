//! An image at an address that the loading kernel cannot load to: it is loaded
//! elsewhere, verified there, and moved by the handoff.

use super::allocator::Arena;
use super::image::{ImageRules, fixed_place};
use super::layout::Layout;
use crate::host::{Host, map};
use crate::plan::{PlanError, Request, Segment};
use handoff::abi::Extent;
use handoff::addr::PhysRange;

/// Returns the pages of a fixed image that the loading kernel cannot fill, but
/// the handoff can. `arena` is memory that the kernel can load to; the pages
/// are removed from it.
///
/// # Errors
///
/// When the pages are not RAM of the machine, or not free.
pub(crate) fn decide(
    request: &Request,
    rules: ImageRules<'_>,
    host: &Host,
    forbidden: &[(String, PhysRange)],
    arena: &mut Arena,
) -> Result<Option<Vec<PhysRange>>, PlanError> {
    let confined = request.crash.is_some() || request.kernel_min > 0;
    let Some(pieces) = fixed_place(request, rules)?.filter(|_| confined) else {
        return Ok(None);
    };
    let loadable = |piece: &PhysRange| {
        arena.ram().iter().any(|run| run.covers(piece)) && piece.start >= request.kernel_min
    };
    // Xen's low memory and superpages are only prepared for an address that can
    // be loaded to
    if rules.xen || pieces.iter().all(loadable) {
        return Ok(None);
    }
    let mut machine = Arena::new(map::ram_ranges(&host.memory_map));
    for (by, range) in forbidden {
        machine.remove(by, *range);
    }
    for piece in &pieces {
        let pages = machine.fix(rules.name, *piece)?;
        arena.remove(rules.name, pages);
    }
    Ok(Some(pieces))
}

/// Segments to load, and moves and clears before the image starts.
#[derive(Clone, Debug)]
pub(crate) struct Relocations {
    /// Segments to load.
    pub parts: Vec<Segment>,
    /// Moves to final addresses, as if they were simultaneous.
    pub moves: Vec<Extent>,
    /// The same moves as a sequence that overwrites no source.
    pub extents: Vec<Extent>,
    /// Ranges to clear after the moves.
    pub clear: Vec<PhysRange>,
}

impl Relocations {
    /// Returns the load address of the run-time address `addr`.
    pub(crate) fn as_loaded(&self, addr: u64) -> u64 {
        let moved = |extent: &&Extent| extent.destination().contains(addr);
        let by = self.moves.iter().find(moved);
        by.map_or(addr, |extent| extent.from + (addr - extent.to))
    }
}

/// Shifts `parts` of the image to the staging area, where its pieces follow each other.
pub(crate) fn shift(parts: &mut [Segment], layout: &Layout) -> Vec<Extent> {
    let Some(staged) = layout.staged else {
        return Vec::new();
    };
    let mut moves = Vec::with_capacity(parts.len());
    for part in parts {
        let (to, len) = (part.dest.start, part.dest.len());
        let mut from = staged.start;
        for piece in &layout.pieces {
            if piece.contains(to) {
                from += to - piece.start;
                break;
            }
            from += piece.len();
        }
        part.dest = PhysRange {
            start: from,
            end: from + len,
        };
        moves.push(Extent { to, from, len });
    }
    moves
}
