//! Checks the finished plan before it is applied.
//!
//! First the conditions that the loading kernel will check
//! (`sanity_check_segment_list` of Linux's kexec; for Xen see `check::xen`), so that
//! the user gets a reason rather than an errno. Then conditions that the kernel does
//! not check, and that would crash the machine.

mod error;
mod xen;

pub use error::CheckError;
pub use xen::XenLimits;

use super::place::allocatable::CRASH_SPARE_PAGES;
use super::{KernelSegment, Segment};
use handoff::abi::Extent;
use handoff::addr::{FOUR_GIB, PAGE_SIZE, PhysRange};
use handoff::spec::Relocate;

/// Limits that [`check`] applies.
#[derive(Clone, Debug)]
pub struct CheckLimits<'a> {
    /// Whole pages of RAM, sorted and merged.
    pub ram: &'a [PhysRange],
    /// Maximum number of kernel segments.
    pub max_segments: usize,
    /// The crash region, which must contain all segments.
    pub crash: Option<PhysRange>,
    /// Memory that is written before or while the image starts, by name.
    pub forbidden: &'a [(String, PhysRange)],
    /// Entry point of the handoff; `None` if this mbtool has no handoff for the machine.
    pub handoff_entry: Option<u64>,
    /// Entry point of the image.
    pub image_entry: u64,
    /// Destinations end below this.
    pub destination_end: u64,
    /// Size of all RAM, in bytes.
    pub total_ram: u64,
    /// Ranges that the image can be given above 4 GiB.
    pub high: Vec<PhysRange>,
    /// Set when Xen is the loading kernel.
    pub xen: Option<XenLimits>,
    /// Moves and clears of the handoff.
    pub relocate: &'a Relocate,
}

impl CheckLimits<'_> {
    /// True when everything in `dest` is moved away before the image starts.
    fn moved(&self, dest: &PhysRange) -> bool {
        let extents = self.relocate.extents.iter();
        extents.map(Extent::source).any(|from| dest.covers(&from))
    }
}

/// Checks `kernel` as the loading kernel does, and `segments` for the rest.
///
/// # Errors
///
/// The first violation.
pub fn check(
    segments: &[Segment],
    kernel: &[KernelSegment],
    limits: &CheckLimits<'_>,
) -> Result<(), CheckError> {
    as_the_kernel_does(kernel, limits)?;
    let name = |segment: &Segment| segment.name.clone();
    for segment in segments {
        let dest = segment.dest;
        if limits.xen.is_some() && segment.data.is_empty() {
            // Xen maps such a segment and does not write it
            continue;
        }
        let reachable = || limits.high.iter().any(|range| range.overlaps(&dest));
        if dest.end > FOUR_GIB && !limits.moved(&dest) && !reachable() {
            return Err(CheckError::Above4Gib {
                name: name(segment),
                dest,
            });
        }
        if !limits.ram.iter().any(|run| run.covers(&dest)) {
            let ram = limits.ram.to_vec();
            return Err(CheckError::NotRam {
                name: name(segment),
                dest,
                ram,
            });
        }
        if let Some((by, range)) = limits
            .forbidden
            .iter()
            .find(|(_, range)| range.overlaps(&dest))
        {
            let (by, range) = (by.clone(), *range);
            return Err(CheckError::InTheWay {
                name: name(segment),
                dest,
                by,
                range,
            });
        }
    }
    after_the_moves(segments, limits)?;
    let handoff = limits.handoff_entry.map(|entry| ("handoff", entry));
    for (what, entry) in handoff.into_iter().chain([("image", limits.image_entry)]) {
        let loaded = |segment: &Segment| {
            segment.dest.contains(entry) && entry - segment.dest.start < segment.data.len() as u64
        };
        if !segments.iter().any(loaded) {
            return Err(CheckError::EntryNotLoaded { what, entry });
        }
    }
    Ok(())
}

/// Checks that moves and clears do not write memory that is loaded in place.
fn after_the_moves(segments: &[Segment], limits: &CheckLimits<'_>) -> Result<(), CheckError> {
    let moves = &limits.relocate.extents;
    let cleared = limits.relocate.clear.iter().copied();
    let written = moves.iter().map(Extent::destination).chain(cleared);
    for range in written {
        let hit = |segment: &&Segment| {
            // the bounce buffer is scratch memory of the handoff
            let loaded = PhysRange {
                end: segment.dest.start + segment.data.len() as u64,
                ..segment.dest
            };
            loaded.overlaps(&range) && !limits.moved(&segment.dest)
        };
        if let Some(segment) = segments.iter().find(hit) {
            return Err(CheckError::InTheWay {
                name: segment.name.clone(),
                dest: segment.dest,
                by: "memory that the handoff moves or clears".to_owned(),
                range,
            });
        }
    }
    Ok(())
}

fn as_the_kernel_does(
    kernel: &[KernelSegment],
    limits: &CheckLimits<'_>,
) -> Result<(), CheckError> {
    if kernel.len() > limits.max_segments {
        let (count, limit) = (kernel.len(), limits.max_segments);
        return Err(CheckError::TooMany { count, limit });
    }
    let name = |segment: &KernelSegment| segment.names.join(" + ");
    if let Some(xen) = &limits.xen {
        xen::check(kernel, limits.crash, xen)?;
    }
    let half = limits.total_ram / 2;
    let mut total = 0_u64;
    for segment in kernel {
        let dest = segment.dest;
        if !dest.start.is_multiple_of(PAGE_SIZE) || !dest.end.is_multiple_of(PAGE_SIZE) {
            return Err(CheckError::Unaligned {
                name: name(segment),
                dest,
            });
        }
        if dest.end >= limits.destination_end {
            return Err(CheckError::TooHigh {
                name: name(segment),
                dest,
            });
        }
        let data = segment.data.len() as u64;
        if data > dest.len() {
            let memsz = dest.len();
            return Err(CheckError::TooMuchData {
                name: name(segment),
                data,
                memsz,
                dest,
            });
        }
        let anywhere = limits.xen.is_some() && segment.data.is_empty();
        let confined = limits.crash.filter(|_| !anywhere);
        if let Some(region) = confined.filter(|region| !region.covers(&dest)) {
            return Err(CheckError::OutsideCrashRegion {
                name: name(segment),
                dest,
                region,
            });
        }
        if dest.len() > half && limits.xen.is_none() {
            return Err(CheckError::HalfOfRam {
                name: Some(name(segment)),
                total: dest.len(),
                half,
            });
        }
        total = total.saturating_add(dest.len());
    }
    let mut sorted: Vec<&KernelSegment> = kernel.iter().collect();
    sorted.sort_by_key(|segment| segment.dest);
    for pair in sorted.windows(2) {
        let [first, second] = pair else { continue };
        if first.dest.end > second.dest.start {
            let range = PhysRange {
                start: second.dest.start,
                end: first.dest.end.min(second.dest.end).max(second.dest.start),
            };
            let (first, second) = (name(first), name(second));
            return Err(CheckError::Overlap {
                first,
                second,
                range,
            });
        }
    }
    if total > half && limits.xen.is_none() {
        let name = None;
        return Err(CheckError::HalfOfRam { name, total, half });
    }
    if let Some(region) = limits.crash {
        let inside = |s: &KernelSegment| s.dest.intersect(&region).map_or(0, |part| part.len());
        let taken: u64 = kernel.iter().map(inside).sum();
        let left = (region.len().saturating_sub(taken)) / PAGE_SIZE;
        let needed = match limits.xen {
            Some(_) => xen::spare_pages(total),
            None => CRASH_SPARE_PAGES,
        };
        if left < needed {
            return Err(CheckError::CrashRegionFull {
                left,
                needed,
                region,
            });
        }
    }
    Ok(())
}

/// Checks that 32-bit code reaches `dest`.
///
/// # Errors
///
/// When it ends above 4 GiB.
pub fn below_4_gib(name: &str, dest: PhysRange) -> Result<(), CheckError> {
    if dest.end > FOUR_GIB {
        let name = name.to_owned();
        return Err(CheckError::Above4Gib { name, dest });
    }
    Ok(())
}

/// Checks that an image that the handoff moves to `pieces` does not overwrite loaded
/// segments.
///
/// # Errors
///
/// The first segment that would be overwritten.
pub fn moved_image(segments: &[Segment], pieces: &[PhysRange]) -> Result<(), CheckError> {
    for segment in segments {
        if let Some(range) = pieces.iter().find(|piece| segment.dest.overlaps(piece)) {
            return Err(CheckError::InTheWay {
                name: segment.name.clone(),
                dest: segment.dest,
                by: "the image that the handoff moves".to_owned(),
                range: *range,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
