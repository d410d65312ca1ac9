//! Staging: segments loaded away from their final address and moved by the handoff.

use super::scatter::{NoSafeRange, bytes, largest_first, scatter};
use super::strategy::safe_runs;
use crate::host::xen::XenHost;
use crate::host::{Host, map};
use crate::plan::place::allocator;
use crate::plan::{PlanError, Request, Segment};
use handoff::abi::Extent;
use handoff::addr::{MIB, PAGE_SIZE, PhysRange, align_down};

/// Kernel segments besides the staged ones: page 0 and the handoff.
const OTHERS: usize = 2;

/// Segments to load, and moves to their final addresses.
type Staged = (Vec<Segment>, Vec<Extent>);

/// Stages everything in the largest safe ranges, outside of the final addresses
/// if possible.
pub(crate) fn stage(
    parts: &[Segment],
    xen: &XenHost,
    request: &Request,
    host: &Host,
    handoff: PhysRange,
) -> Result<Staged, PlanError> {
    let most = request.segment_limit(host).saturating_sub(OTHERS);
    let first_mib = PhysRange { start: 0, end: MIB };
    let own = [handoff, first_mib];
    let safe = safe_runs(xen, host);
    let finals = parts.iter().map(|part| part.dest);
    let apart: Vec<PhysRange> = own.iter().copied().chain(finals).collect();
    let runs = largest_first(safe.iter().copied(), &apart);
    Ok(
        scatter(parts, &runs, most)
            .or_else(|_| scatter(parts, &largest_first(safe, &own), most))?,
    )
}

/// Stages the first half in low ranges that may be free, and the rest in safe
/// ones. Xen allocates low memory last: by then that half is loaded, and if
/// more is loaded than the rest of the heap holds, some of it is certainly
/// lost.
pub(crate) fn drill(
    parts: &[Segment],
    xen: &XenHost,
    request: &Request,
    host: &Host,
    handoff: PhysRange,
    warnings: &mut Vec<String>,
) -> Result<Staged, PlanError> {
    let refused = |why: &str| PlanError::Drill {
        why: why.to_owned(),
    };
    if let Some(why) = &xen.owned_unknown {
        return Err(refused(why));
    }
    let most = request.segment_limit(host).saturating_sub(OTHERS);
    let holes: Vec<PhysRange> = xen
        .safe()
        .chain([handoff, PhysRange { start: 0, end: MIB }])
        .chain(xen.image.and_then(|image| image.range()))
        .collect();
    let need = bytes(parts);
    let heap = xen.heap_free.unwrap_or(u64::MAX);
    let mut free = largest_first(map::ram_ranges(&host.memory_map), &holes);
    free.retain(|run| run.len() >= MIB);
    // Xen's zones are powers of two; the sort is stable
    free.sort_by_key(|run| run.start.ilog2());
    let mut half = align_down(need.min(heap) / 2, PAGE_SIZE);
    let mut runs = Vec::new();
    // at most two ranges: the rest of the 15 segments is for the safe ones
    for run in free.into_iter().take(2) {
        let len = run.len().min(half);
        // the end of a range, which Xen allocates first
        runs.push(PhysRange {
            start: run.end - len,
            end: run.end,
        });
        half -= len;
    }
    runs.retain(|run| !run.is_empty());
    let bait: u64 = runs.iter().map(PhysRange::len).sum();
    if bait == 0 {
        return Err(refused("no page of RAM is free, as far as is known"));
    }
    warnings.push(format!(
        "DRILL: {} pages are loaded to pages that may be free: {}; Xen has {} free pages{}. Do not \
         unload or replace this image: Xen would panic",
        bait / PAGE_SIZE,
        allocator::list(&runs),
        heap / PAGE_SIZE,
        if need > heap.saturating_sub(bait) {
            ""
        } else {
            ", so it may lose none of them: load more, about three quarters of that"
        }
    ));
    let own = [handoff, PhysRange { start: 0, end: MIB }];
    runs.extend(largest_first(safe_runs(xen, host), &own));
    Ok(scatter(parts, &runs, most)?)
}

impl From<NoSafeRange> for PlanError {
    fn from(error: NoSafeRange) -> Self {
        Self::NoSafeRange(error)
    }
}
