//! Estimates whether a crash region is large enough, for the error when the load does not fit.

use super::dump_ranges;
use super::size::{Part, SizeEstimate};
use crate::host::Host;
use crate::plan::boot::params::BootParams;
use crate::plan::place::allocator::NoFreeRange;
use crate::plan::place::dt::DtPlaceError;
use crate::plan::{PlanError, Request};
use handoff::addr::PAGE_SIZE;

/// Estimates the memory needed to load the crash image, for an error message.
pub(crate) fn of_load(
    request: &Request,
    params: &BootParams,
    info: u64,
    host: &Host,
) -> SizeEstimate {
    let image = &request.image;
    let (mut parts, align) = (Vec::new(), image.align.max(PAGE_SIZE));
    parts.push(Part::new(params.image_name(&image.name), image.span.len()));
    for (index, module) in request.modules.iter().enumerate() {
        parts.push(Part::new(
            &request.segment_name(index),
            module.data.len() as u64,
        ));
    }
    if image.protocol.dumps() {
        let from = dump_ranges::to_save(&host.ram_in_use());
        parts.push(Part::new(
            "saved low memory",
            from.map_or(0, |from| from.len()),
        ));
        // a region splits a memory range; low memory is a range of its own
        let headers = host.dump_facts().cpu_notes.len() + host.memory_map.len() + 8;
        parts.push(Part::new("elfcorehdr", 64 + headers as u64 * 56));
    }
    parts.push(Part::new("boot information", info));
    parts.push(Part::new("handoff", handoff::blob::memsz()));
    parts.push(Part::new(
        "the kernel's own pages",
        crate::plan::place::allocatable::spare(request, host),
    ));
    SizeEstimate { parts, align }
}

/// Replaces `error` if the region as a whole is too small.
pub(crate) fn too_small(error: PlanError, request: &Request, estimate: &SizeEstimate) -> PlanError {
    match (&error, request.crash) {
        // the largest free range is in its message; a sum above the region says more
        (
            PlanError::DtPlace {
                error: DtPlaceError::Part { .. } | DtPlaceError::Together { .. },
                ..
            },
            Some(region),
        ) if estimate.is_more_than(region) => PlanError::too_small(region, estimate),
        (PlanError::NoFreeRange(NoFreeRange { .. }), Some(region)) => {
            // there is enough memory, but not in one block
            let scattered = request.mem_max.is_none() && estimate.to_reserve(0, 0) > region.len();
            match estimate.is_more_than(region) || scattered {
                true => PlanError::too_small(region, estimate),
                false => error,
            }
        }
        _ => error,
    }
}
