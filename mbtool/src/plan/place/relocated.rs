//! An image that the loading kernel cannot put where it must go is loaded
//! somewhere else, verified there, and moved by the handoff.

use super::allocator::Arena;
use super::layout::{ImageRules, Layout, fixed_place};
use crate::host::{Host, map};
use crate::plan::{PlanError, Request, Segment};
use handoff::abi::Extent;
use handoff::addr::PhysRange;

/// The pages of an image that only the handoff can fill: it must be there, and
/// the loading kernel does not go there. `arena` is what that kernel fills; the
/// pages are taken out of it.
///
/// # Errors
///
/// No RAM of the machine is there, or it is not free.
pub(crate) fn decide(
    request: &Request,
    rules: ImageRules<'_>,
    host: &Host,
    forbidden: &[(String, PhysRange)],
    arena: &mut Arena,
) -> Result<Option<PhysRange>, PlanError> {
    let confined = request.crash.is_some() || request.kernel_min > 0;
    let Some(place) = fixed_place(request, rules)?.filter(|_| confined) else {
        return Ok(None);
    };
    let fits = arena.ram().iter().any(|run| run.covers(&place));
    // Xen's low memory and its superpages are prepared for a place that is loaded
    if rules.xen || (fits && place.start >= request.kernel_min) {
        return Ok(None);
    }
    let mut machine = Arena::new(map::ram_ranges(&host.memory_map));
    for (by, range) in forbidden {
        machine.remove(by, *range);
    }
    let pages = machine.fix(rules.name, place)?;
    arena.remove(rules.name, pages);
    Ok(Some(pages))
}

/// What is loaded, and what is done with it before the image starts.
#[derive(Clone, Debug)]
pub(crate) struct Relocations {
    /// Where it is loaded.
    pub parts: Vec<Segment>,
    /// From there to where it belongs, as if all were done at once.
    pub moves: Vec<Extent>,
    /// The same in an order in which it can be done.
    pub extents: Vec<Extent>,
    /// Cleared after that.
    pub clear: Vec<PhysRange>,
}

impl Relocations {
    /// Where `addr` of the running image is loaded.
    pub(crate) fn as_loaded(&self, addr: u64) -> u64 {
        let moved = |extent: &&Extent| extent.destination().contains(addr);
        let by = self.moves.iter().find(moved);
        by.map_or(addr, |extent| extent.from + (addr - extent.to))
    }
}

/// Loads `parts` of the image at the staging place instead.
pub(crate) fn shift(parts: &mut [Segment], layout: &Layout) -> Vec<Extent> {
    let Some(staged) = layout.staged else {
        return Vec::new();
    };
    let mut moves = Vec::with_capacity(parts.len());
    for part in parts {
        let (to, len) = (part.dest.start, part.dest.len());
        let from = staged.start + (to - layout.reserved.start);
        part.dest = PhysRange {
            start: from,
            end: from + len,
        };
        moves.push(Extent { to, from, len });
    }
    moves
}
