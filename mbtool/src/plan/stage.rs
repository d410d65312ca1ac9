//! An image that the loading kernel cannot put where it must go is loaded
//! somewhere else, verified there, and moved by the handoff.

use super::build::Parts;
use super::check::CheckError;
use super::layout::{Layout, fixed_place};
use super::low::Low;
use super::place::Arena;
use super::wishes::Wishes;
use super::{PlanError, Request, Segment};
use crate::host::{Host, map};
use handoff::abi::Extent;
use handoff::addr::{FOUR_GIB, PhysRange};

/// Tag 6's type of RAM (Multiboot2 specification 2.0, 3.6.8).
const RAM: u32 = 1;

/// The pages of an image that only the handoff can fill: it must be there, and
/// the loading kernel does not go there. `arena` is what that kernel fills; the
/// pages are taken out of it.
///
/// # Errors
///
/// No RAM of the machine is there, or it is not free, or it is too high for the
/// handoff.
pub(super) fn decide(
    request: &Request,
    wishes: &mut Wishes,
    host: &Host,
    low: &mut Low,
    arena: &mut Arena,
) -> Result<Option<PhysRange>, PlanError> {
    let confined = request.crash.is_some() || request.kernel_min > 0;
    let Some(place) = fixed_place(request, wishes)?.filter(|_| confined) else {
        return Ok(None);
    };
    let fits = arena.ram().iter().any(|run| run.covers(&place));
    // Xen's low memory and its superpages are prepared for a place that is loaded
    if wishes.xen.is_some() || (fits && place.start >= request.kernel_min) {
        return Ok(None);
    }
    let name = wishes.image_name(&request.image.name).to_owned();
    let mut machine = Arena::new(map::ram_ranges(&host.memory_map));
    for (by, range) in &low.forbidden {
        machine.remove(by, *range);
    }
    let pages = machine.fix(&name, place)?;
    if pages.end > FOUR_GIB {
        return Err(CheckError::Above4Gib { name, dest: pages }.into());
    }
    arena.remove(&name, pages);
    carve(&mut low.areas, pages);
    if request.crash.is_some() {
        wishes.warnings.push(format!(
            "{name} must be at {pages}, outside of the crash region: it is moved there after a \
             panic, and what the crashed kernel has there is lost"
        ));
    }
    Ok(Some(pages))
}

/// Makes `pages` RAM in a memory map.
fn carve(areas: &mut Vec<(PhysRange, u32)>, pages: PhysRange) {
    if areas
        .iter()
        .any(|(range, kind)| *kind == RAM && range.covers(&pages))
    {
        return;
    }
    let rest = |(range, kind): &(PhysRange, u32)| {
        let kind = *kind;
        range
            .minus(&pages)
            .into_iter()
            .flatten()
            .map(move |range| (range, kind))
    };
    let mut carved: Vec<_> = areas.iter().flat_map(rest).collect();
    carved.push((pages, RAM));
    carved.sort_unstable();
    *areas = carved;
}

/// What is loaded, and what is done with it before the image starts.
#[derive(Clone, Debug)]
pub(super) struct Loads {
    /// Where it is loaded.
    pub parts: Parts,
    /// From there to where it belongs, as if all were done at once.
    pub moves: Vec<Extent>,
    /// The same in an order in which it can be done.
    pub extents: Vec<Extent>,
    /// Cleared after that.
    pub clear: Vec<PhysRange>,
}

impl Loads {
    /// Where `addr` of the running image is loaded.
    pub(super) fn as_loaded(&self, addr: u64) -> u64 {
        let moved = |extent: &&Extent| extent.destination().contains(addr);
        let by = self.moves.iter().find(moved);
        by.map_or(addr, |extent| extent.from + (addr - extent.to))
    }
}

/// Loads `parts` of the image at the staging place instead.
pub(super) fn shift(parts: &mut [Segment], layout: &Layout) -> Vec<Extent> {
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

/// Looks at where everything ends up: moves must not overwrite what is loaded.
///
/// # Errors
///
/// The first move that does.
pub(super) fn check(segments: &[Segment], layout: &Layout) -> Result<(), CheckError> {
    let Some(_) = layout.staged else {
        return Ok(());
    };
    let range = layout.reserved;
    match segments
        .iter()
        .find(|segment| segment.dest.overlaps(&range))
    {
        Some(segment) => Err(CheckError::InTheWay {
            name: segment.name.clone(),
            dest: segment.dest,
            by: "the image that the handoff moves".to_owned(),
            range,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
