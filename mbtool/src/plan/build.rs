//! The steps of a plan: boot parameters, low memory, allocatable RAM, crash data, layout, boot information, segments,
//! handoff, check, report.

use super::advice;
use super::boot::low_memory::LowMemoryPlan;
use super::boot::params::BootParams;
use super::boot::{self, Boot, Known, e820};
use super::check::{self, CheckLimits, XenLimits};
use super::crash::data::{self, CrashData};
use super::crash::estimate;
use super::dt_target::DtTarget;
use super::place::allocator::{self, Arena};
use super::place::layout::{InfoRules, Layout};
use super::place::resolve::resolve;
use super::place::{allocatable, relocated};
use super::report::{PlanReport, assemble};
use super::xen_heap::strategy::{self, LoadStrategy};
use super::{Plan, PlanError, Request, Segment, build_dt, ram_log, segments};
use crate::host::{Host, map};
use handoff::addr::PhysRange;
use handoff::blob::Built;
use handoff::spec::{Relocate, Spec};

/// Builds the handoff blob from its parameters.
pub(super) type Builder<'a> = &'a dyn Fn(&Spec) -> Result<Built, String>;

/// Plans the load of `request` on `host`.
///
/// The plan depends on nothing else: the same input gives an identical plan.
///
/// # Errors
///
/// When it cannot be loaded; the error has the reason and a suggested fix.
pub fn plan(request: &Request, host: &Host) -> Result<Plan, PlanError> {
    plan_with(request, host, &handoff::blob::build)
        .map_err(|error| advice::completed(error, request, host))
}

pub(super) fn plan_with(
    request: &Request,
    host: &Host,
    blob: Builder<'_>,
) -> Result<Plan, PlanError> {
    PlanError::check_machine(request, host)?;
    if let Some(target) = DtTarget::of(request) {
        return build_dt::plan(request, target, host);
    }
    let mut params = BootParams::decide(request, host)?;
    let host = &ram_log::keep(&request.consoles, host, &mut params.warnings)?;
    let low = LowMemoryPlan::decide(request, host, params.xen.is_some(), &mut params.warnings)?;
    strategy::first(request, host, &mut |strategy| {
        attempt(request, host, (params.clone(), low.clone()), strategy, blob)
    })
}

/// Plans with one load strategy.
fn attempt(
    request: &Request,
    host: &Host,
    (mut params, mut low): (BootParams, LowMemoryPlan),
    strategy: &LoadStrategy<'_>,
    blob: Builder<'_>,
) -> Result<Plan, PlanError> {
    let request = &*strategy.request(request, &mut params.warnings);
    let mut arena = allocatable::memory(request, host, &low.forbidden, || strategy.arena(host))?;
    let ram = arena.ram().to_vec();

    let staged = relocation(request, host, (&mut params, &mut low), &mut arena)?;
    let dump = data::decide(request, host, &mut params, &mut low, &mut arena).map_err(|error| {
        estimate::too_small(
            error,
            request,
            &estimate::of_load(request, &params, 0, host),
        )
    })?;
    let block = dump.as_ref().and_then(|dump| dump.block.as_ref());
    let handoff = strategy.handoff(request, host, &low)?;

    // sizes first: the size of the boot information does not depend on
    // addresses
    let draft = boot_information(request, &params, &low, &Layout::draft(request), 0)?;
    let info_len = draft.bytes.len() as u64;
    let rules = params.image_rules(request);
    let info = info_rules(request, info_len);
    let layout = Layout::place(request, rules, &arena, info, (staged.as_deref(), handoff))
        .map_err(|error| match block {
            Some(block) => block.no_free_range(error, request),
            None => {
                let needed = estimate::of_load(request, &params, info_len, host);
                estimate::too_small(error, request, &needed)
            }
        })?;
    params.warnings.extend(layout.warning.clone());
    if let Some(block) = block {
        block.check(request, &layout)?;
    }

    let placed = request.image.at(layout.base)?;
    let image_entry = placed.entry;
    let boot = boot_information(request, &params, &low, &layout, image_entry)?;
    debug_assert_eq!(boot.bytes.len(), draft.bytes.len());
    let fixups = boot::fixups(&low, &boot, layout.info.start);

    let mut parts = segments::image(&params, &request.image.name, placed)?;
    let moves = relocated::shift(&mut parts, &layout);
    parts.extend(dump.iter().flat_map(CrashData::segments));
    parts.extend(segments::modules(request, &layout));
    parts.push(Segment::new(info.name, layout.info, boot.bytes.clone()));
    let mut relocations = strategy.load(
        (parts, moves),
        (request, host),
        layout.handoff,
        &mut params.warnings,
    )?;
    // the backup comes first, before anything can change the memory that it
    // saves
    let save = dump.iter().flat_map(CrashData::save);
    relocations.extents.splice(..0, save);
    let mut parts: Vec<Segment> = relocations
        .parts
        .iter()
        .map(|part| part.clone().with_digest(request.verify))
        .collect();

    let spec = Spec {
        base: layout.handoff.start,
        consoles: request.consoles.clone(),
        on_fault: request.on_fault,
        verify: request.verify,
        regions: segments::regions(&parts, request)?,
        relocate: Relocate {
            extents: relocations.extents.clone(),
            clear: relocations.clear.clone(),
            ..Relocate::default()
        },
        fixups,
        exit: boot.exit,
        drill: request.drill,
        guard: request.guard,
    };
    let built = blob(&spec).map_err(PlanError::Handoff)?;
    let warning = segments::handoff_warning(&built, host.arch);
    params.warnings.extend(warning);
    parts.push(segments::handoff(&built, layout.handoff)?.with_digest(request.verify));
    match &host.xen {
        Some(_) => parts.push(segments::page_0()),
        None => parts.extend(segments::reserve(&params, layout.reserved)),
    }
    parts.extend(dump.and_then(|dump| dump.saved_segment()));

    let mut segments = resolve(parts)?;
    let kernel = strategy.kernel_segments(&mut segments, request, host)?;
    let limits = CheckLimits {
        ram: &ram,
        max_segments: request.segment_limit(host),
        crash: request.crash,
        forbidden: &low.forbidden,
        handoff_entry: (!built.is_absent()).then_some(built.entry),
        image_entry: relocations.as_loaded(image_entry),
        destination_end: host.arch.destination_end(),
        total_ram: map::total_ram(&host.memory_map),
        high: layout.high(request),
        xen: host.xen.as_ref().map(|xen| XenLimits {
            safe: strategy.safe(host),
            heap_free: xen.heap_free,
        }),
        relocate: &spec.relocate,
    };
    check::check(&segments, &kernel, &limits)?;
    if layout.staged.is_some() {
        check::moved_image(&segments, &layout.pieces)?;
    }

    let decisions = assemble::Decisions {
        request,
        host,
        params,
        low,
        layout,
        boot,
        spec,
        image_entry,
    };
    let report: PlanReport = assemble::report(decisions, built.entry, &segments, &kernel);
    Ok(Plan {
        arch: host.arch,
        entry: built.entry,
        segments,
        kernel_segments: kernel,
        crash: request.crash.is_some(),
        device_tree: None,
        report,
    })
}

/// Returns the pages outside of the loadable RAM that the image must occupy; the handoff
/// moves it there.
fn relocation(
    request: &Request,
    host: &Host,
    (params, low): (&mut BootParams, &mut LowMemoryPlan),
    arena: &mut Arena,
) -> Result<Option<Vec<PhysRange>>, PlanError> {
    let rules = params.image_rules(request);
    let found = relocated::decide(request, rules, host, &low.forbidden, arena)?;
    let Some(pieces) = found else {
        return Ok(None);
    };
    for pages in &pieces {
        check::below_4_gib(rules.name, *pages)?;
        e820::add_ram(&mut low.areas, *pages);
    }
    if request.crash.is_some() {
        params.warnings.push(format!(
            "{} must be at {}, outside of the crash region: it is moved there after a panic, \
             and what the crashed kernel has there is lost",
            rules.name,
            allocator::list(&pieces)
        ));
    }
    Ok(Some(pieces))
}

/// Returns the placement constraints of `len` bytes of boot information.
const fn info_rules(request: &Request, len: u64) -> InfoRules {
    let protocol = &request.image.protocol;
    InfoRules {
        name: boot::segment_name(protocol),
        end: boot::limit(protocol),
        len,
    }
}

fn boot_information(
    request: &Request,
    params: &BootParams,
    low: &LowMemoryPlan,
    layout: &Layout,
    image_entry: u64,
) -> Result<Boot, PlanError> {
    boot::build(Known {
        request,
        params,
        low,
        layout,
        image_entry,
    })
}

#[cfg(test)]
mod tests;
