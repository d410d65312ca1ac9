//! RAM that may be loaded into.

use super::allocator::Arena;
use crate::host::{Host, map};
use crate::plan::{PlanError, Request};
use handoff::addr::{MIB, PAGE_SIZE, PhysRange};

/// Pages of a crash region that the kernel itself needs.
pub const CRASH_SPARE_PAGES: u64 = 32;

/// Size of the memory at the bottom of a crash region that is left to the
/// loading kernel for its control page and page tables. Linux maps with large
/// pages; Xen with 4 KiB pages, at most one table per 2 MiB of the region.
pub(crate) fn spare(request: &Request, host: &Host) -> u64 {
    let tables = match request.crash {
        Some(region) if host.xen.is_some() => region.len().div_ceil(2 * MIB),
        _ => CRASH_SPARE_PAGES,
    };
    (CRASH_SPARE_PAGES + tables) * PAGE_SIZE
}

/// Returns `region` if the running kernel has reserved it for a crash image.
///
/// # Errors
///
/// When it has not.
pub(crate) fn crash_region(host: &Host, region: PhysRange) -> Result<PhysRange, PlanError> {
    let there: Vec<PhysRange> = host.crash_ranges().collect();
    if region.is_empty() || !there.iter().any(|known| known.covers(&region)) {
        return Err(PlanError::NoCrashRegion {
            wanted: region,
            there,
        });
    }
    Ok(region)
}

/// Returns the RAM that may be loaded into, without `forbidden`; `all` is that
/// of a normal image.
pub(crate) fn memory(
    request: &Request,
    host: &Host,
    forbidden: &[(String, PhysRange)],
    all: impl FnOnce() -> Arena,
) -> Result<Arena, PlanError> {
    let ram = map::ram_ranges(&host.memory_map);
    let mut arena = match request.crash {
        None => all(),
        Some(region) => {
            let region = crash_region(host, region)?;
            let mut arena = Arena::new(ram.filter_map(|run| run.intersect(&region)));
            if arena.ram().is_empty() {
                let ram = map::ram_ranges(&host.memory_map).collect();
                return Err(PlanError::CrashRegionNotRam { region, ram });
            }
            // page tables and control pages are allocated at the bottom of the
            // region
            let end = region
                .end
                .min(region.start.saturating_add(spare(request, host)));
            let spare = PhysRange {
                start: region.start,
                end,
            };
            arena.remove("the kernel's own pages", spare);
            arena
        }
    };
    if arena.ram().is_empty() {
        return Err(PlanError::NoRam);
    }
    for (name, range) in forbidden {
        arena.remove(name, *range);
    }
    if request.kernel_min > 0 {
        let range = PhysRange {
            start: 0,
            end: request.kernel_min,
        };
        arena.remove("memory that the kernel does not load to", range);
    }
    Ok(arena)
}
