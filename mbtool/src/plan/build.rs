//! The story: place, describe, hand off, resolve, check, report.

use super::boot::{self, Boot, Known};
use super::check::{self, Limits, XenLimits};
use super::crash::{advice, linux};
use super::ground::{self, Ground};
use super::layout::Layout;
use super::low::Low;
use super::report::Report;
use super::resolve::{kernel_segments, resolve};
use super::wishes::Wishes;
use super::{
    Plan, PlanError, Request, Segment, assemble, ram_log, request, segments, stage, usable,
};
use crate::host::{Host, map};
use handoff::blob::Built;
use handoff::spec::{Region, Relocate, Spec, zero_pages};

/// Makes a blob of its parameters.
pub(super) type Builder<'a> = &'a dyn Fn(&Spec) -> Result<Built, String>;

/// Decides everything about loading `request` on `host`.
///
/// The same input gives the same plan, byte for byte.
///
/// # Errors
///
/// Why it cannot be done, and what to do about it.
pub fn plan(request: &Request, host: &Host) -> Result<Plan, PlanError> {
    plan_with(request, host, &handoff::blob::build)
        .map_err(|error| advice::completed(error, request, host))
}

/// Segments before claims are resolved.
pub(super) type Parts = Vec<Segment>;

pub(super) fn plan_with(
    request: &Request,
    host: &Host,
    blob: Builder<'_>,
) -> Result<Plan, PlanError> {
    let mut wishes = Wishes::decide(request, host)?;
    let host = &ram_log::keep(&request.consoles, host, &mut wishes.warnings)?;
    let low = Low::decide(request, host, wishes.xen.is_some(), &mut wishes.warnings)?;
    ground::first(request, host, &mut |ground| {
        attempt(request, host, (wishes.clone(), low.clone()), ground, blob)
    })
}

/// The plan for one way of loading.
fn attempt(
    request: &Request,
    host: &Host,
    (mut wishes, mut low): (Wishes, Low),
    ground: &Ground<'_>,
    blob: Builder<'_>,
) -> Result<Plan, PlanError> {
    let request = &*ground.request(request, &mut wishes.warnings);
    let mut arena = usable::memory(request, host, &low, ground)?;
    let ram = arena.ram().to_vec();

    let staged = stage::decide(request, &mut wishes, host, &mut low, &mut arena)?;
    let dump =
        linux::decide(request, host, &mut wishes, &mut low, &mut arena).map_err(|error| {
            linux::too_small(error, request, &linux::estimate(request, &wishes, 0, host))
        })?;
    let block = dump.as_ref().and_then(|dump| dump.block.as_ref());
    let handoff = ground.handoff(request, host, &low)?;

    // sizes first: that of the boot information does not depend on addresses
    let draft = boot_information(request, &wishes, &low, &Layout::draft(request), 0)?;
    let info_len = draft.bytes.len() as u64;
    let layout = Layout::place(request, &wishes, &mut arena, info_len, (staged, handoff)).map_err(
        |error| match block {
            Some(block) => block.no_room(error, request),
            None => {
                let estimate = linux::estimate(request, &wishes, info_len, host);
                linux::too_small(error, request, &estimate)
            }
        },
    )?;
    wishes.warnings.extend(layout.warning.clone());
    if let Some(block) = block {
        block.check(request, &layout)?;
    }

    let placed = request.image.at(layout.base)?;
    let image_entry = placed.entry;
    let boot = boot_information(request, &wishes, &low, &layout, image_entry)?;
    debug_assert_eq!(boot.bytes.len(), draft.bytes.len());
    let fixups = boot::fixups(&low, &boot, layout.info.start);

    let mut parts = segments::image(&wishes, &request.image.name, placed)?;
    let moves = stage::shift(&mut parts, &layout);
    parts.extend(dump.iter().flat_map(linux::Dump::segments));
    parts.extend(segments::modules(request, &layout));
    let info = boot::segment_name(&request.image.protocol);
    parts.push(Segment::new(info, layout.info, boot.bytes.clone()));
    let mut loads = ground.load(
        (parts, moves),
        (request, host),
        layout.handoff,
        &mut wishes.warnings,
    )?;
    // first of all, as nothing else may have changed what is saved
    let save = dump.iter().flat_map(linux::Dump::save);
    loads.extents.splice(..0, save);
    let mut parts: Parts = loads
        .parts
        .iter()
        .map(|part| part.clone().with_digest(request.verify))
        .collect();

    let spec = Spec {
        base: layout.handoff.start,
        consoles: request.consoles.clone(),
        on_fault: request.on_fault,
        verify: request.verify,
        regions: regions(&parts, request)?,
        relocate: Relocate {
            extents: loads.extents.clone(),
            clear: loads.clear.clone(),
            ..Relocate::default()
        },
        fixups,
        exit: boot.exit,
        drill: request.drill,
        guard: request.guard,
    };
    let built = blob(&spec).map_err(PlanError::Handoff)?;
    parts.push(segments::handoff(&built, layout.handoff)?.with_digest(request.verify));
    match &host.xen {
        Some(_) => parts.push(segments::page_0()),
        None => parts.extend(segments::reserve(&wishes, layout.reserved)),
    }
    parts.extend(dump.and_then(|dump| dump.saved_segment()));

    let mut segments = resolve(parts)?;
    let kernel = ground.kernel_segments(&mut segments, request, host)?;
    let limits = Limits {
        ram: &ram,
        max_segments: max_segments(request, host),
        crash: request.crash,
        forbidden: &low.forbidden,
        handoff_entry: built.entry,
        image_entry: loads.as_loaded(image_entry),
        total_ram: map::total_ram(&host.memory_map),
        xen: host.xen.as_ref().map(|xen| XenLimits {
            safe: ground.safe(host),
            heap_free: xen.heap_free,
        }),
        relocate: &spec.relocate,
    };
    check::check(&segments, &kernel, &limits)?;
    stage::check(&segments, &layout)?;

    let facts = assemble::Facts {
        request,
        host,
        wishes,
        low,
        layout,
        boot,
        spec,
        image_entry,
    };
    let report: Report = assemble::report(facts, built.entry, &segments, &kernel);
    Ok(Plan {
        entry: built.entry,
        segments,
        kernel_segments: kernel,
        crash: request.crash.is_some(),
        report,
    })
}

/// Most segments that the loading kernel takes.
pub(super) fn max_segments(request: &Request, host: &Host) -> usize {
    match host.xen {
        Some(_) => request.max_segments.min(request::XEN_SEGMENTS),
        None => request.max_segments,
    }
}

fn boot_information(
    request: &Request,
    wishes: &Wishes,
    low: &Low,
    layout: &Layout,
    image_entry: u64,
) -> Result<Boot, PlanError> {
    boot::build(Known {
        request,
        wishes,
        low,
        layout,
        image_entry,
    })
}

/// What the handoff verifies: each segment by its name, or, where there are more
/// than it takes, what they are merged to.
fn regions(parts: &[Segment], request: &Request) -> Result<Vec<Region>, PlanError> {
    let region = |s: &Segment| Region {
        name: s.name.clone(),
        range: s.dest,
        loaded: s.data.len() as u64,
        digest: s.digest(),
        zero_pages: zero_pages(&s.data, s.dest.len()),
    };
    if parts.len() <= handoff::abi::MAX_REGIONS {
        return Ok(parts.iter().map(region).collect());
    }
    let mut sorted = resolve(parts.to_vec())?;
    let merged = kernel_segments(&mut sorted, request.max_segments)?;
    let one = |s: super::KernelSegment| {
        region(&Segment::new(&s.names.join(" + "), s.dest, s.data).with_digest(request.verify))
    };
    Ok(merged.into_iter().map(one).collect())
}

#[cfg(test)]
mod tests;
