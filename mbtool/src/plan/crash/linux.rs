//! Linux as crash kernel: places its core header and the backup of low memory, and adds both to
//! its command line and memory map.

use super::data::CrashData;
use super::{Backup, cmdline, dump_ranges, elfcorehdr, memory_map};
use crate::host::Host;
use crate::plan::PlanError;
use crate::plan::boot::e820;
use crate::plan::boot::low_memory::LowMemoryPlan;
use crate::plan::boot::params::BootParams;
use crate::plan::place::allocator::{Arena, Ask, Prefer};
use handoff::addr::{FOUR_GIB, PAGE_SIZE, PhysRange, whole_pages};

/// Places core header and backup of low memory.
///
/// # Errors
///
/// When the region is too small, or the machine has too many memory ranges.
pub(super) fn decide(
    region: PhysRange,
    host: &Host,
    params: &mut BootParams,
    low: &mut LowMemoryPlan,
    arena: &mut Arena,
) -> Result<CrashData, PlanError> {
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
    let window = PhysRange {
        start: region.start,
        end: region.end.min(FOUR_GIB - PAGE_SIZE),
    };
    let place = arena.take(&Ask {
        name: "elfcorehdr and saved low memory".to_owned(),
        len: total,
        align: PAGE_SIZE,
        window,
        allowed: window,
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
    params.changed(line.changes);
    params.warnings.extend(line.advice);
    Ok(CrashData {
        bytes: elfcorehdr::build(host.arch, facts, &loads, backup.as_slice())?,
        header,
        backups: backup.into_iter().collect(),
        extra: Vec::new(),
        block: None,
    })
}
