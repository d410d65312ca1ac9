//! Checks moves, and converts them to parameters.

extern crate alloc;
use super::limits::Reach;
use crate::abi::{ClearRaw, Extent, MAX_CLEARS, MAX_EXTENTS, RelocateRaw};
use crate::addr::{PAGE_SIZE, PhysRange};
use crate::pagelist::{Encoded, PageMove, Walk};
use crate::spec::Relocate;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Converts `moves` of a blob.
///
/// # Errors
///
/// A move ends above the limits of the blob, overlaps the handoff, or overlaps
/// another exchange; a range to clear overlaps the handoff or a destination; or the page
/// list is invalid.
pub(super) fn raw(moves: &Relocate, reach: &Reach) -> Result<RelocateRaw, String> {
    if moves.extents.len() > MAX_EXTENTS {
        return Err(format!(
            "{} moves, the handoff accepts at most {MAX_EXTENTS}: put segments next to each other \
             or use a page list",
            moves.extents.len()
        ));
    }
    let mut touched = Vec::new();
    for extent in &moves.extents {
        touched.push(reach.paged("move to", extent.to, extent.len)?);
        touched.push(reach.paged("move from", extent.from, extent.len)?);
    }
    let clears = clears(moves, reach, &mut touched)?;
    let (mut head, mut words) = (0, 0);
    if let Some(list) = &moves.list {
        (head, words) = (list.head, list.words);
        for step in steps(list, reach)? {
            touched.push(reach.listed("page list destination", step.to, PAGE_SIZE)?);
            touched.push(reach.listed("page list source", step.from, PAGE_SIZE)?);
        }
    }
    let (own, bounce) = (reach.own, reach.bounce);
    let meets = |range: &&PhysRange| range.overlaps(&own) && !bounce.covers(range);
    if let Some(range) = touched.iter().find(meets) {
        return Err(format!(
            "a move or clearing of {range} meets the handoff itself at {own}"
        ));
    }
    if moves.swap {
        touched.sort_unstable();
        let pair = touched.windows(2).find(|pair| pair[0].overlaps(&pair[1]));
        if let Some(pair) = pair {
            return Err(format!(
                "{} and {} overlap: an exchange that is to be undone must be of separate memory",
                pair[0], pair[1]
            ));
        }
    }
    let mut extents = [Extent::default(); MAX_EXTENTS];
    for (slot, extent) in extents.iter_mut().zip(&moves.extents) {
        *slot = *extent;
    }
    Ok(RelocateRaw {
        head,
        words,
        swap: moves.swap.into(),
        extent_count: moves.extents.len() as u32,
        extents,
        clear_count: moves.clear.len() as u64,
        clears,
    })
}

/// The ranges to clear, checked against the moves; appended to `touched`.
fn clears(
    moves: &Relocate,
    reach: &Reach,
    touched: &mut Vec<PhysRange>,
) -> Result<[ClearRaw; MAX_CLEARS], String> {
    if moves.clear.len() > MAX_CLEARS {
        return Err(format!(
            "{} ranges to clear, the handoff accepts at most {MAX_CLEARS}: merge adjacent ones",
            moves.clear.len()
        ));
    }
    if moves.swap && !moves.clear.is_empty() {
        return Err(format!(
            "{} ranges to clear with an exchange: clearing could not be undone",
            moves.clear.len()
        ));
    }
    let mut destinations: Vec<_> = moves.extents.iter().map(Extent::destination).collect();
    if let Some(list) = &moves.list {
        let page = |step: PageMove| PhysRange::from_len(step.to, PAGE_SIZE);
        destinations.extend(steps(list, reach)?.into_iter().filter_map(page));
    }
    let mut clears = [ClearRaw::default(); MAX_CLEARS];
    for (slot, clear) in clears.iter_mut().zip(&moves.clear) {
        if let Some(to) = destinations.iter().find(|to| to.overlaps(clear)) {
            return Err(format!(
                "{clear} would be cleared after a move to {to}, whose data would be lost"
            ));
        }
        touched.push(reach.paged("range to clear", clear.start, clear.len())?);
        *slot = ClearRaw {
            start: clear.start,
            len: clear.len(),
        };
    }
    Ok(clears)
}

/// Returns the moves of the list, read from its pages as the handoff reads
/// them.
fn steps(list: &Encoded, reach: &Reach) -> Result<Vec<PageMove>, String> {
    let read = |at: u64| {
        let page = list
            .pages
            .iter()
            .find(|(page, _)| at & !(PAGE_SIZE - 1) == *page)?;
        page.1.get((at % PAGE_SIZE / 8) as usize).copied()
    };
    for (page, _) in &list.pages {
        reach.listed("list page", *page, PAGE_SIZE)?;
    }
    Walk::new(list.head, list.words, read)
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}
