//! A crash kernel that reads the memory of the crashed system: places its core
//! header and the backup of low memory, and adds both to its command line and
//! memory map.

use super::size::{Part, SizeEstimate};
use super::xen::layout;
use super::xen::reserved_block::ReservedBlock;
use super::{Backup, LOW, cmdline, dump_ranges, elfcorehdr, memory_map};
use crate::host::Host;
use crate::plan::boot::e820;
use crate::plan::boot::low_memory::LowMemoryPlan;
use crate::plan::boot::params::BootParams;
use crate::plan::place::allocator::{Arena, Ask, NoFreeRange, Prefer};
use crate::plan::{PlanError, Request, Segment};
use handoff::abi::Extent;
use handoff::addr::{FOUR_GIB, PAGE_SIZE, PhysRange, whole_pages};

/// Placed crash data.
#[derive(Clone, Debug)]
pub(crate) struct CrashData {
    /// Pages of the core header.
    pub header: PhysRange,
    /// Contents of the core header.
    pub bytes: Vec<u8>,
    /// Backups that the handoff makes: low memory first, if the machine has RAM
    /// there.
    pub backups: Vec<Backup>,
    /// Additional segments.
    pub extra: Vec<Segment>,
    /// Xen only: the block of all crash data, which Xen must not use.
    pub block: Option<ReservedBlock>,
}

/// Places the crash data of an image that makes a dump: takes the pages from
/// `arena`, restricts the memory map in `low`, and extends the command line.
///
/// # Errors
///
/// When the region is too small, or the machine has too many memory ranges.
pub(crate) fn decide(
    request: &Request,
    host: &Host,
    params: &mut BootParams,
    low: &mut LowMemoryPlan,
    arena: &mut Arena,
) -> Result<Option<CrashData>, PlanError> {
    let Some(region) = request.crash else {
        return Ok(None);
    };
    if params.xen.is_some() {
        return layout::decide(request, region, host, params, low, arena).map(Some);
    }
    if !request.image.protocol.dumps() {
        return Ok(None);
    }
    let facts = &host.dump_facts();
    params.warnings.extend(facts.warnings());
    let regions: Vec<PhysRange> = host.crash_ranges().collect();
    let from = dump_ranges::to_save(&host.ram_in_use());
    // the number of ranges depends on the source of a backup, not on its
    // destination
    let somewhere = from.map(|from| Backup { from, to: 0 });
    let count = dump_ranges::loads(&host.ram_in_use(), &regions, somewhere.as_slice()).len();
    let len = whole_pages(elfcorehdr::len(facts, count, somewhere.as_slice())?);
    let total = len + from.map_or(0, |from| from.len());
    let place = arena.take(&Ask {
        name: "elfcorehdr and saved low memory".to_owned(),
        len: total,
        align: PAGE_SIZE,
        window: PhysRange {
            start: region.start,
            end: region.end.min(FOUR_GIB - PAGE_SIZE),
        },
        prefer: Prefer::Highest,
    })?;
    let split = place.start + len;
    let header = PhysRange {
        start: place.start,
        end: split,
    };
    let backup = from.map(|from| Backup { from, to: split });
    let loads = dump_ranges::loads(&host.ram_in_use(), &regions, backup.as_slice());
    let sent = memory_map::for_linux(&host.map_with_added(), &regions, place);
    low.areas = e820::linux_areas(&sent);
    let line = cmdline::command_line(&params.cmdline, header.start);
    params.cmdline = line.text;
    params.warnings.extend(line.messages);
    Ok(Some(CrashData {
        bytes: elfcorehdr::build(facts, &loads, backup.as_slice())?,
        header,
        backups: backup.into_iter().collect(),
        extra: Vec::new(),
        block: None,
    }))
}

impl CrashData {
    /// Returns the segments to load.
    pub(crate) fn segments(&self) -> impl Iterator<Item = Segment> + '_ {
        let header = Segment::new("elfcorehdr", self.header, self.bytes.clone());
        std::iter::once(header).chain(self.extra.iter().cloned())
    }

    /// A zero-length segment on the pages of the low memory backup. Other backups need none:
    /// the loading kernel allocates its own pages at the bottom of the region.
    pub(crate) fn saved_segment(&self) -> Option<Segment> {
        let Backup { from, to } = *self.backups.first().filter(|backup| backup.from == LOW)?;
        let pages = PhysRange::from_len(to, from.len())?;
        Some(Segment::new("saved low memory", pages, Vec::new()))
    }

    /// Returns the copies that the handoff makes before it moves anything else.
    pub(crate) fn save(&self) -> impl Iterator<Item = Extent> + '_ {
        let save = |Backup { from, to }: &Backup| Extent {
            to: *to,
            from: from.start,
            len: from.len(),
        };
        self.backups.iter().map(save)
    }
}

/// Estimates the memory needed to load the crash image, for an error message.
pub(crate) fn estimate(
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
