//! Chooses where the loading kernel loads data, and how it gets to its final
//! address.
//!
//! Linux can load to any address. Xen allocates the pages of an image from its free heap.
//! If it allocates a page that is itself an already loaded destination, the data of that
//! page is lost (docs/xen-kexec-defect.md, ADR 0012). So under Xen nothing is loaded to a
//! page that may be free. Data is loaded in place if its destination is in safe ranges,
//! or else staged there and moved by the handoff. Only if no safe memory is known is this
//! rule ignored, with a warning.

use super::{staging, zero_tail};
use crate::host::xen::XenHost;
use crate::host::{Host, map};
use crate::plan::boot::low_memory::LowMemoryPlan;
use crate::plan::place::allocator::{Arena, Ask, Prefer};
use crate::plan::place::relocated::Relocations;
use crate::plan::place::resolve;
use crate::plan::{KernelSegment, PlanError, Request, Segment};
use handoff::abi::{Extent, MAX_EXTENTS};
use handoff::addr::{FOUR_GIB, MIB, PAGE_SIZE, PhysRange, align_down};
use handoff::spec::Verify;
use handoff::{blob, extents};
use std::borrow::Cow;

/// Low memory for the handoff if there is no other: above the part used by
/// firmware and boot code, below the lowest possible EBDA.
const LOW: PhysRange = PhysRange {
    start: 0x1_0000,
    end: 0xa_0000,
};

/// A way to load.
#[derive(Clone, Debug)]
pub(crate) enum LoadStrategy<'a> {
    /// Linux, or a crash region: all of the arena can be loaded to.
    Direct,
    /// Xen: in place, within safe runs.
    InPlace(&'a XenHost),
    /// Xen: staged in safe runs, moved by the handoff.
    Staged {
        /// The Xen that loads.
        xen: &'a XenHost,
        /// Do not overwrite Xen's own code and data: CPUs are parked there.
        around_xen: bool,
    },
    /// Xen: in place, at any address; Xen may lose data.
    Unprotected {
        /// The Xen that loads.
        xen: &'a XenHost,
        /// Why no safe strategy is possible.
        why: String,
    },
    /// Xen: half of the data in free pages, deliberately.
    Drill(&'a XenHost),
}

/// Tries the possible strategies for `request` on `host`, the best one first.
///
/// # Errors
///
/// The error of the last strategy.
pub(crate) fn first<T>(
    request: &Request,
    host: &Host,
    attempt: &mut dyn FnMut(&LoadStrategy<'_>) -> Result<T, PlanError>,
) -> Result<T, PlanError> {
    let Some(xen) = host.xen.as_ref().filter(|_| request.crash.is_none()) else {
        return attempt(&LoadStrategy::Direct);
    };
    if request.drill_heap {
        return attempt(&LoadStrategy::Drill(xen));
    }
    let staged = |around_xen| LoadStrategy::Staged { xen, around_xen };
    let mut why = match (&xen.owned_unknown, &host.crash_regions[..]) {
        (Some(why), []) => {
            format!("the pages of Xen's heap are unknown ({why}), and there is no crash area")
        }
        _ => "no memory is known to be outside of Xen's heap".to_owned(),
    };
    if !xen.safe.is_empty() {
        for strategy in [LoadStrategy::InPlace(xen), staged(true), staged(false)] {
            match attempt(&strategy) {
                Ok(done) => return Ok(done),
                Err(error) => why = error.to_string(),
            }
        }
    }
    attempt(&LoadStrategy::Unprotected { xen, why })
}

impl<'a> LoadStrategy<'a> {
    /// Returns the Xen that loads, if any (except for an image in its crash
    /// area).
    pub(crate) const fn xen(&self) -> Option<&'a XenHost> {
        match *self {
            Self::Direct => None,
            Self::InPlace(xen)
            | Self::Staged { xen, .. }
            | Self::Unprotected { xen, .. }
            | Self::Drill(xen) => Some(xen),
        }
    }

    /// Returns the effective request: without safe memory, everything is
    /// verified even with `--verify none`.
    pub(crate) fn request<'r>(
        &self,
        request: &'r Request,
        warnings: &mut Vec<String>,
    ) -> Cow<'r, Request> {
        let Self::Unprotected { why, .. } = self else {
            return Cow::Borrowed(request);
        };
        warnings.push(format!(
            "DANGER: this image is loaded to pages that may be free pages of Xen's heap: {why}. Xen \
             may lose some of them, and panic when the image is unloaded or replaced (docs/xen-kexec-defect.md). \
             The handoff verifies everything, and stops if pages are lost. Boot Xen with \
             crashkernel=256M@256M, or with a dom0_mem= that is larger than what is loaded, and \
             load xen-privcmd in dom0"
        ));
        if request.verify != Verify::None {
            return Cow::Borrowed(request);
        }
        warnings.push("--verify none is ignored: crc32 is used".to_owned());
        Cow::Owned(Request {
            verify: Verify::Crc32,
            ..request.clone()
        })
    }

    /// Returns the memory for final addresses.
    pub(crate) fn arena(&self, host: &Host) -> Arena {
        let ram = map::ram_ranges(&host.memory_map);
        match self {
            Self::InPlace(xen) => {
                let machine = Arena::new(ram);
                let safe = xen.safe().flat_map(|run| {
                    let parts = machine.ram().iter();
                    parts.filter_map(move |ram| ram.intersect(&run))
                });
                Arena::new(safe.collect::<Vec<_>>())
            }
            Self::Staged {
                xen,
                around_xen: true,
            } => {
                let mut arena = Arena::new(ram);
                if let Some(image) = xen.image.and_then(|image| image.range()) {
                    arena.remove("the running Xen", image);
                }
                arena
            }
            _ => Arena::new(ram),
        }
    }

    /// Places the handoff when the rest is not loaded in place.
    ///
    /// # Errors
    ///
    /// When there is no safe range.
    pub(crate) fn handoff(
        &self,
        request: &Request,
        host: &Host,
        low: &LowMemoryPlan,
    ) -> Result<Option<PhysRange>, PlanError> {
        let Some(xen) = self.xen().filter(|_| !matches!(self, Self::InPlace(_))) else {
            return Ok(None);
        };
        let mut safe = LoadStrategy::InPlace(xen).arena(host);
        let mut machine = Arena::new(map::ram_ranges(&host.memory_map));
        for (name, range) in &low.forbidden {
            safe.remove(name, *range);
            machine.remove(name, *range);
        }
        let ask = |start, end: u64| Ask {
            name: "handoff".to_owned(),
            len: blob::memsz(),
            align: PAGE_SIZE,
            window: PhysRange {
                start,
                end: end.max(start),
            },
            allowed: PhysRange {
                start: MIB,
                end: FOUR_GIB - PAGE_SIZE,
            },
            prefer: Prefer::Lowest,
        };
        let end = FOUR_GIB - PAGE_SIZE;
        let max = request.mem_max.unwrap_or(end).min(end);
        let asked = ask(request.mem_min.max(MIB), max);
        let in_low = ask(LOW.start, low_end(host));
        let place = safe.find(&asked).or_else(|| safe.find(&ask(MIB, end)));
        match place.or_else(|| machine.find(&in_low)) {
            None if matches!(self, Self::Unprotected { .. }) => Ok(None),
            None => Err(safe.take(&asked).err().map_or(PlanError::NoRam, Into::into)),
            place => Ok(place),
        }
    }

    /// Chooses the load addresses of `parts`, whose final addresses are given.
    ///
    /// # Errors
    ///
    /// When there is not enough safe memory, or it is too fragmented.
    pub(crate) fn load(
        &self,
        (parts, moves): (Vec<Segment>, Vec<Extent>),
        (request, host): (&Request, &Host),
        handoff: PhysRange,
        warnings: &mut Vec<String>,
    ) -> Result<Relocations, PlanError> {
        let loads = |parts, moves: Vec<Extent>, clear| {
            let extents = extents::order(&moves, blob::bounce(handoff.start), MAX_EXTENTS)
                .map_err(|error| PlanError::Handoff(error.to_string()))?;
            Ok(Relocations {
                parts,
                moves,
                extents,
                clear,
            })
        };
        let Some(xen) = self.xen() else {
            return loads(parts, moves, Vec::new());
        };
        let (parts, clear) = zero_tail::split_off(parts);
        let (pieces, moves) = match self {
            Self::Staged { .. } => staging::stage(&parts, xen, request, host, handoff)?,
            Self::Drill(_) => staging::drill(&parts, xen, request, host, handoff, warnings)?,
            _ => return loads(parts, moves, clear),
        };
        loads(pieces, moves, clear)
    }

    /// Returns the kernel segments. Under Xen, zero-length segments stay separate from data,
    /// since Xen would fill them with zeros; the bait of a drill comes first.
    ///
    /// # Errors
    ///
    /// When there are more than the kernel accepts.
    pub(crate) fn kernel_segments(
        &self,
        segments: &mut Vec<Segment>,
        request: &Request,
        host: &Host,
    ) -> Result<Vec<KernelSegment>, PlanError> {
        let most = request.segment_limit(host);
        if host.xen.is_none() {
            return Ok(resolve::kernel_segments(segments, most)?);
        }
        let (mut zero_length, mut loaded): (Vec<Segment>, Vec<Segment>) = std::mem::take(segments)
            .into_iter()
            .partition(|segment| segment.data.is_empty());
        let mut kernel = resolve::kernel_segments(&mut zero_length, most)?;
        let most = most.saturating_sub(kernel.len());
        kernel.extend(resolve::kernel_segments(&mut loaded, most)?);
        segments.extend(zero_length.into_iter().chain(loaded));
        segments.sort_by_key(|segment| segment.dest);
        kernel.sort_by_key(|segment| segment.dest);
        if let Self::Drill(xen) = self {
            let safe = safe_runs(xen, host);
            kernel.sort_by_key(|segment| safe.iter().any(|run| run.covers(&segment.dest)));
        }
        Ok(kernel)
    }

    /// Returns the ranges that data must be in, if restricted; sorted and
    /// merged. Memory below 1 MiB, which is never in Xen's heap, is one of
    /// them.
    pub(crate) fn safe(&self, host: &Host) -> Option<Vec<PhysRange>> {
        let first_mib = PhysRange { start: 0, end: MIB };
        let low = map::ram_ranges(&host.memory_map).filter_map(|run| run.intersect(&first_mib));
        match self {
            Self::InPlace(xen) | Self::Staged { xen, .. } => {
                Some(Arena::new(low.chain(safe_runs(xen, host))).ram().to_vec())
            }
            Self::Direct | Self::Unprotected { .. } | Self::Drill(_) => None,
        }
    }
}

/// Returns RAM in safe ranges: whole pages, sorted and merged.
pub(super) fn safe_runs(xen: &XenHost, host: &Host) -> Vec<PhysRange> {
    LoadStrategy::InPlace(xen).arena(host).ram().to_vec()
}

/// Returns the end of low memory that the handoff may use: the EBDA.
fn low_end(host: &Host) -> u64 {
    let low = &host.low_memory;
    let ebda = low
        .bda_ebda_segment
        .map(|segment| u64::from(segment) << 4)
        .filter(|ebda| LOW.contains(*ebda));
    let base = low
        .bda_base_kib
        .map(|kib| u64::from(kib) << 10)
        .filter(|base| LOW.contains(*base));
    let end = [ebda, base].into_iter().flatten().fold(LOW.end, u64::min);
    align_down(end, PAGE_SIZE)
}
