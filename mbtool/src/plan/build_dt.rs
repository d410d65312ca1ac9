//! The steps of a plan for a machine with a device tree: the tree, memory that may be loaded into, sizes, places, segments,
//! handoff, check, report.

use super::boot::DecodedInfo;
use super::boot::device_tree::{self, BuiltTree, ChosenReport};
use super::boot::linux::check_initrd;
use super::check::{self, CheckLimits};
use super::cmdline_change::CmdlineChange;
use super::crash::{self, cmdline};
use super::place::allocatable;
use super::place::dt_linux::{self, DtLinuxPlaces, DtLinuxRules, DtLinuxSizes};
use super::place::resolve::{resolve, unmerged};
use super::report::{PlanReport, assemble_dt};
use super::request::base_name;
use super::{Plan, PlanError, Request, Segment, handoff_riscv64, ram_log, segments};
use crate::arch::Architecture;
use crate::fdt::{DeviceTree, LinuxChosen};
use crate::host::{Host, map};
use crate::image::PlacedImage;
use crate::image::linux::DtImage;
use handoff::addr::{PAGE_SIZE, PhysRange};
use handoff::runs;
use handoff::spec::Relocate;

/// Longest command line that Linux keeps whole on riscv64 (asm/setup.h), with its NUL.
const CMDLINE_SIZE: usize = 1024;

/// What was decided before anything is placed.
struct DtParams {
    cmdline: String,
    changes: Vec<CmdlineChange>,
    warnings: Vec<String>,
}

/// Plans the load of `image`, the one of `request`, on `host`.
pub(super) fn plan(request: &Request, image: &DtImage, host: &Host) -> Result<Plan, PlanError> {
    let mut params = DtParams::decide(request, host)?;
    let host = &ram_log::keep(&request.consoles, host, &mut params.warnings)?;
    let source = device_tree::source(request, host)?;
    let core_header = match request.crash {
        Some(_) => Some(crash::device_tree::core_header(host, &source)?),
        None => None,
    };
    let initrd = request.modules.first();

    // sizes first: that of the tree does not depend on addresses
    let somewhere = PhysRange::from_len(0, PAGE_SIZE);
    let chosen = |places: Option<&DtLinuxPlaces>| LinuxChosen {
        bootargs: &params.cmdline,
        initrd: match places {
            Some(places) => places.initrd,
            None => somewhere.filter(|_| initrd.is_some()),
        },
        elfcorehdr: match places {
            Some(places) => places.core_header,
            None => somewhere.filter(|_| core_header.is_some()),
        },
        usable: request.crash.as_slice(),
        seeds: device_tree::seeds(request),
        stale: &[],
    };
    let draft = device_tree::build(source.clone(), &chosen(None))?;
    let sizes = DtLinuxSizes {
        kernel: image.memory(),
        initrd: initrd.map(|initrd| initrd.data.len() as u64),
        tree: draft.blob.len() as u64,
        core_header: core_header.as_ref().map(|bytes| bytes.len() as u64),
        handoff: handoff::blob::riscv64::memsz(),
        spare: request
            .crash
            .map_or(0, |_| allocatable::spare(request, host)),
    };
    let ram = free_memory(request, host, &draft.tree)?;
    let base = map::ram_ranges(&host.memory_map).next();
    let base = base.ok_or(PlanError::NoRam)?.start;
    let rules = DtLinuxRules::of(image, base, request.crash);
    let places = dt_linux::place(&ram, &sizes, &rules)?;
    if places.below_kernel {
        params.warnings.push(
            "something is placed below the kernel, where there was room: Linux before 6.4 does not use that memory"
                .to_owned(),
        );
    }

    let chosen = chosen(Some(&places));
    let built = device_tree::build(source, &chosen)?;
    debug_assert_eq!(built.blob.len(), draft.blob.len());
    let image = request.image.at(places.kernel.start)?;
    let image_entry = image.entry;
    let mut parts = load(request, image, &places, &built, core_header)?;
    let spec = handoff_riscv64::spec(
        request,
        &built.tree,
        &places,
        image_entry,
        segments::regions(&parts, request)?,
    )?;
    let blob = handoff::blob::riscv64::native(&spec).map_err(PlanError::Handoff)?;
    let missing = blob.bytes.is_empty();
    if missing {
        params.warnings.push(format!(
            "this mbtool was built for {}: it has no handoff for {}, so it cannot load this plan",
            Architecture::NATIVE,
            host.arch
        ));
    }
    let pages = places.handoff.align_outward(PAGE_SIZE);
    parts.push(
        segments::handoff(&blob, pages.unwrap_or(places.handoff))?.with_digest(request.verify),
    );

    // Linux finds the tree by the first bytes of a segment
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
        handoff_entry: (!missing).then_some(blob.entry),
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

    let decided: ChosenReport = device_tree::report(request, &chosen, &built);
    let report: PlanReport = assemble_dt::report(
        assemble_dt::DtDecisions {
            request,
            host,
            changes: params.changes,
            warnings: params.warnings,
            places,
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

impl DtParams {
    fn decide(request: &Request, host: &Host) -> Result<Self, PlanError> {
        let image = &request.image;
        if let Some(index) = request
            .modules
            .iter()
            .position(|module| module.data.is_empty())
        {
            let name = request.segment_name(index);
            return Err(PlanError::EmptyModule { name });
        }
        check_initrd(request)?;
        if request.guard {
            let (option, arch) = ("--guard", host.arch);
            return Err(PlanError::NotOnThisMachine { option, arch });
        }
        let mut params = Self {
            cmdline: request.cmdline.clone(),
            changes: request.changes.clone(),
            warnings: request.warnings.clone(),
        };
        params.warnings.extend(image.warnings.iter().cloned());
        if request.crash.is_some() {
            let line = cmdline::without_header(&params.cmdline);
            params.cmdline = line.text;
            let text = line.changes.iter().map(ToString::to_string);
            params.warnings.extend(text);
            params.changes.extend(line.changes);
            params.warnings.extend(host.dump_facts().warnings());
        }
        if params.cmdline.len() >= CMDLINE_SIZE {
            params.warnings.push(format!(
                "the command line has {} bytes: Linux on {} cuts it after {}",
                params.cmdline.len(),
                host.arch,
                CMDLINE_SIZE - 1
            ));
        }
        Ok(params)
    }
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
            start: request.mem_min,
            end: request.mem_max.unwrap_or(u64::MAX),
        },
    };
    let ram = map::ram_ranges(&host.memory_map).filter_map(|run| run.intersect(&window));
    let reserved = tree.reserved()?;
    let reserved = reserved
        .iter()
        .filter_map(|part| part.range.align_outward(PAGE_SIZE));
    let free = runs::without(ram, reserved);
    let free: Vec<PhysRange> = free
        .into_iter()
        .filter_map(|run| run.align_inward(PAGE_SIZE))
        .collect();
    match (free.is_empty(), request.crash) {
        (false, _) => Ok(free),
        (true, None) => Err(PlanError::NoRam),
        (true, Some(region)) => Err(PlanError::CrashRegionNotRam {
            region,
            ram: map::ram_ranges(&host.memory_map).collect(),
        }),
    }
}

/// The segments but for the handoff.
fn load(
    request: &Request,
    image: PlacedImage,
    places: &DtLinuxPlaces,
    tree: &BuiltTree,
    core_header: Option<Vec<u8>>,
) -> Result<Vec<Segment>, PlanError> {
    let pages = |range: PhysRange| range.align_outward(PAGE_SIZE).unwrap_or(range);
    let name = base_name(&request.image.name);
    let mut parts = segments::pages(name, image)?;
    if let (Some(range), Some(initrd)) = (places.initrd, request.modules.first()) {
        parts.push(Segment::new(
            &request.segment_name(0),
            pages(range),
            initrd.data.clone(),
        ));
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
mod tests;
