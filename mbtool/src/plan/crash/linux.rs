//! A crash kernel that reads the memory of the one that crashed: places its
//! core header and the copy of low memory, and tells it about both.

use super::size::{Part, SizeEstimate};
use super::xen::layout;
use super::{Backup, LOW, cmdline, dump_ranges, elfcorehdr, memory_map};
use crate::host::Host;
use crate::plan::boot::e820;
use crate::plan::boot::low_memory::LowMemoryPlan;
use crate::plan::boot::params::BootParams;
use crate::plan::place::allocator::{Arena, Ask, NoRoom, Prefer};
use crate::plan::{PlanError, Request, Segment};
use handoff::abi::Extent;
use handoff::addr::{FOUR_GIB, PAGE_SIZE, PhysRange, whole_pages};

/// What was placed.
#[derive(Clone, Debug)]
pub(crate) struct CrashData {
    /// Pages of the core header.
    pub header: PhysRange,
    /// Their contents.
    pub bytes: Vec<u8>,
    /// What the handoff saves, and where to: low memory first, where a machine
    /// has RAM there.
    pub backups: Vec<Backup>,
    /// More to load.
    pub extra: Vec<Segment>,
    /// For Xen: everything in one piece, which it must not use.
    pub block: Option<layout::ReservedBlock>,
}

/// Places everything, for a crash image that reads dumps: takes the pages out
/// of `arena`, limits the memory map in `low`, adds to the command line.
///
/// # Errors
///
/// The region is too small, or the machine too large.
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
    // how many there are depends on what is saved, not on where to
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
    /// The segments to load.
    pub(crate) fn segments(&self) -> impl Iterator<Item = Segment> + '_ {
        let header = Segment::new("elfcorehdr", self.header, self.bytes.clone());
        std::iter::once(header).chain(self.extra.iter().cloned())
    }

    /// A zero-length segment on the pages that low memory is saved to. What else is saved needs
    /// none: the loading kernel takes its own pages from the bottom of the region.
    pub(crate) fn saved_segment(&self) -> Option<Segment> {
        let Backup { from, to } = *self.backups.first().filter(|backup| backup.from == LOW)?;
        let pages = PhysRange::from_len(to, from.len())?;
        Some(Segment::new("saved low memory", pages, Vec::new()))
    }

    /// What the handoff copies, before anything else is moved.
    pub(crate) fn save(&self) -> impl Iterator<Item = Extent> + '_ {
        let save = |Backup { from, to }: &Backup| Extent {
            to: *to,
            from: from.start,
            len: from.len(),
        };
        self.backups.iter().map(save)
    }
}

/// What all of a crash image takes, for a message.
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
        // a region splits a run of memory, low memory is one by itself
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

/// A better word for `error` where the region is too small as a whole.
pub(crate) fn too_small(error: PlanError, request: &Request, estimate: &SizeEstimate) -> PlanError {
    match (&error, request.crash) {
        (PlanError::NoRoom(NoRoom { .. }), Some(region)) => {
            // there is room, but not in one piece
            let scattered = request.mem_max.is_none() && estimate.to_reserve(0, 0) > region.len();
            match estimate.is_more_than(region) || scattered {
                true => PlanError::too_small(region, estimate),
                false => error,
            }
        }
        _ => error,
    }
}
