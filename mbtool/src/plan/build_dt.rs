//! The steps of a plan for a machine with a device tree: the tree, memory that may be loaded into, sizes, places, segments,
//! handoff, check, report.

use super::boot::DecodedInfo;
use super::boot::device_tree::{self, BuiltTree, ChosenReport};
use super::check::{self, CheckLimits};
use super::crash::estimate::too_small;
use super::crash::size::SizeEstimate;
use super::dt_target::DtTarget;
use super::place::allocatable;
use super::place::dt::{self, DtPlaceError, DtPlaces, DtRules, DtWindow};
use super::place::resolve::{resolve, unmerged};
use super::report::{PlanReport, assemble_dt};
use super::request::base_name;
use super::xen_image::xen_image;
use super::{DEFAULT_MEM_MIN, Plan, PlanError, Request, Segment, handoff_dt, ram_log, segments};
use crate::arch::Architecture;
use crate::fdt::DeviceTree;
use crate::host::{Host, map};
use crate::image::PlacedImage;
use handoff::addr::{PAGE_SIZE, PhysRange, align_down};
use handoff::runs;
use handoff::spec::Relocate;

mod draft;
mod xen;

pub(super) use draft::estimate;
use draft::{ChosenInputs, DtDraft, DtParams};

/// Plans the load of `target`, the image of `request`, on `host`.
pub(super) fn plan(
    request: &Request,
    target: DtTarget<'_>,
    host: &Host,
) -> Result<Plan, PlanError> {
    let mut params = DtParams::decide(request, target, host)?;
    let host = &ram_log::keep(&request.consoles, host, &mut params.warnings)?;
    let draft = DtDraft::of(request, target, host, &params)?;
    let sizes = &draft.sizes;
    let ram = runs::without(
        free_memory(request, host, &draft.filled)?,
        draft.header_block,
    );
    let base = map::ram_ranges(&host.memory_map).next();
    let base = base.ok_or(PlanError::NoRam)?.start;
    let rules = match target {
        DtTarget::Linux(image) => DtRules::of(image, base, request.crash),
        DtTarget::Xen(_, info) => DtRules::of_xen(info.version.as_deref(), base),
    };
    let mut places = dt::place(&ram, sizes, &rules)
        .map_err(|error| no_place(error, request, &draft.estimate(request)))?;
    if places.below_kernel && target.may_ignore_low_memory() {
        params.warnings.push(
            "something is placed below the kernel, where there was room: Linux before 6.4 does not use that memory"
                .to_owned(),
        );
    }

    places.core_header = draft.header_place().or(places.core_header);

    let inputs = ChosenInputs::new(request, host, &params, &places);
    let chosen = inputs.chosen(target);
    let built = device_tree::build(draft.source, &chosen)?;
    debug_assert!(built.blob.len() as u64 <= draft.sizes.tree);
    let decided: ChosenReport = device_tree::report(request, &chosen, &built);
    let image = request
        .image
        .at(places.kernel.start + target.image_offset())?;
    let image_entry = image.entry;
    let modules = module_places(&params, &places);
    let mut parts = load(request, image, &modules, &built, draft.core_header, &places)?;
    let spec = handoff_dt::spec(
        request,
        (target, host),
        &built.tree,
        &places,
        image_entry,
        segments::regions(&parts, request)?,
    )?;
    let blob = handoff::blob::dt::native(&spec).map_err(PlanError::Handoff)?;
    let warning = segments::handoff_warning(&blob, host.arch);
    params.warnings.extend(warning);
    let pages = places.handoff.align_outward(PAGE_SIZE);
    parts.push(
        segments::handoff(&blob, pages.unwrap_or(places.handoff))?.with_digest(request.verify),
    );

    // the loading Linux of riscv64 finds the tree by the first bytes of a segment
    let segments = resolve(parts)?;
    let kernel = unmerged(&segments, request.max_segments)?;
    let ram: Vec<PhysRange> = map::ram_ranges(&host.memory_map)
        .filter_map(|run| run.align_inward(PAGE_SIZE))
        .collect();
    let limits = CheckLimits {
        ram: &ram,
        max_segments: request.max_segments,
        crash: request.crash,
        forbidden: &[],
        handoff_entry: (!blob.is_absent()).then_some(blob.entry),
        image_entry,
        total_ram: map::total_ram(&host.memory_map),
        // nothing in this protocol has 32 bits
        high: vec![PhysRange {
            start: 0,
            end: u64::MAX,
        }],
        destination_end: host.arch.destination_end(),
        xen: None,
        relocate: &Relocate::default(),
    };
    check::check(&segments, &kernel, &limits)?;

    let report: PlanReport = assemble_dt::report(
        assemble_dt::DtDecisions {
            request,
            host,
            changes: params.changes,
            warnings: params.warnings,
            places,
            mode: target.mode(host.arch),
            xen: xen_image(&request.image),
            image_entry,
            chosen: DecodedInfo::DeviceTree(decided),
        },
        blob.entry,
        &segments,
        &kernel,
    );
    Ok(Plan {
        arch: host.arch,
        entry: blob.entry,
        segments,
        kernel_segments: kernel,
        crash: request.crash.is_some(),
        device_tree: Some(built.tree),
        report,
    })
}

/// Memory that may be loaded into: RAM of the crash region, or else all of the window, without reservations of the tree.
fn free_memory(
    request: &Request,
    host: &Host,
    tree: &DeviceTree,
) -> Result<Vec<PhysRange>, PlanError> {
    let window = match request.crash {
        Some(region) => allocatable::crash_region(host, region)?,
        None => PhysRange {
            // a zImage has one place, at the start of RAM, which may be 0
            start: match host.arch {
                Architecture::Arm if request.mem_min == DEFAULT_MEM_MIN => 0,
                _ => request.mem_min,
            },
            end: request
                .mem_max
                .unwrap_or(u64::MAX)
                .min(handoff_dt::limit(host.arch)),
        },
    };
    let ram = map::ram_ranges(&host.memory_map).filter_map(|run| run.intersect(&window));
    let ram: Vec<PhysRange> = ram.collect();
    if let (true, Some(region)) = (ram.is_empty(), request.crash) {
        return Err(PlanError::CrashRegionNotRam {
            region,
            ram: map::ram_ranges(&host.memory_map).collect(),
        });
    }
    let reserved = tree.reserved()?;
    let reserved = reserved.iter().map(|part| whole_pages_of(part.range));
    let free = runs::without(ram, reserved).into_iter();
    // none at all is the placement's error, which names what was asked for
    Ok(free.filter_map(|run| run.align_inward(PAGE_SIZE)).collect())
}

/// The pages of a range, up to the last one of the address space.
fn whole_pages_of(range: PhysRange) -> PhysRange {
    let pages = range.align_outward(PAGE_SIZE);
    pages.unwrap_or_else(|| PhysRange {
        start: align_down(range.start, PAGE_SIZE),
        end: u64::MAX,
    })
}

/// Adds what helps to an error of placement; the advised size, where the region is the cause.
fn no_place(error: DtPlaceError, request: &Request, estimate: &SizeEstimate) -> PlanError {
    let given = request.mem_min != DEFAULT_MEM_MIN || request.mem_max.is_some();
    let window = match request.crash {
        Some(_) => DtWindow::CrashRegion,
        None if given => DtWindow::Options,
        None => DtWindow::Ram,
    };
    too_small(PlanError::DtPlace { error, window }, request, estimate)
}

/// The place of each module of the request.
fn module_places(params: &DtParams, places: &DtPlaces) -> Vec<Option<PhysRange>> {
    if params.roles.is_empty() {
        return vec![places.initrd];
    }
    params
        .roles
        .iter()
        .map(|role| places.module(*role))
        .collect()
}

/// The segments but for the handoff.
fn load(
    request: &Request,
    image: PlacedImage,
    modules: &[Option<PhysRange>],
    tree: &BuiltTree,
    core_header: Option<Vec<u8>>,
    places: &DtPlaces,
) -> Result<Vec<Segment>, PlanError> {
    let pages = |range: PhysRange| range.align_outward(PAGE_SIZE).unwrap_or(range);
    let name = base_name(&request.image.name);
    let mut parts = segments::pages(name, image)?;
    for (index, (module, place)) in request.modules.iter().zip(modules).enumerate() {
        if let Some(place) = *place {
            let name = request.segment_name(index);
            parts.push(Segment::new(&name, pages(place), module.data.clone()));
        }
    }
    if let (Some(range), Some(bytes)) = (places.core_header, core_header) {
        parts.push(Segment::new("elfcorehdr", pages(range), bytes));
    }
    parts.push(Segment::new(
        "device tree",
        pages(places.tree),
        tree.blob.clone(),
    ));
    Ok(parts)
}

#[cfg(test)]
mod arm64_tests;
#[cfg(test)]
mod arm_tests;
#[cfg(test)]
mod tests;
