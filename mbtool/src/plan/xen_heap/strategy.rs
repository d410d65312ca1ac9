//! What the loading kernel may fill, and how data gets from there to where it
//! belongs.
//!
//! Linux loads anywhere. Xen keeps an image's pages in its free heap, and when
//! it hands out a page that is itself a destination already loaded, the data of
//! that page is lost (docs/xen-kexec-defect.md, ADR 0012). So below Xen nothing is loaded
//! to a page that may be free: everything is put straight where it belongs if
//! that can be done within safe runs, or else staged there and moved by the
//! handoff. Only where nothing is known to be safe is that rule given up, with
//! a warning.

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

/// Low memory where the handoff may be, if it can be nowhere else: above what
/// firmware and boot code use at the bottom, below where an EBDA can start.
const LOW: PhysRange = PhysRange {
    start: 0x1_0000,
    end: 0xa_0000,
};

/// One way to do it.
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
        /// Its own code and data are not overwritten: CPUs are parked there.
        around_xen: bool,
    },
    /// Xen: in place, anywhere; what Xen loses is lost.
    Unprotected {
        /// The Xen that loads.
        xen: &'a XenHost,
        /// Why there is no better way.
        why: String,
    },
    /// Xen: half of it in free pages on purpose.
    Drill(&'a XenHost),
}

/// Tries the ways there are for `request` on `host`, the best one first.
///
/// # Errors
///
/// Why the last one was impossible.
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
            format!("which pages Xen's heap has is not known ({why}), and there is no crash area")
        }
        _ => "no memory is known that Xen's heap does not have".to_owned(),
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
    /// The Xen that loads, if one does (an image for its crash area apart).
    pub(crate) const fn xen(&self) -> Option<&'a XenHost> {
        match *self {
            Self::Direct => None,
            Self::InPlace(xen)
            | Self::Staged { xen, .. }
            | Self::Unprotected { xen, .. }
            | Self::Drill(xen) => Some(xen),
        }
    }

    /// The request as it is carried out: without safe memory everything is
    /// verified, whatever was asked for.
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
        warnings.push("--verify none is not followed: crc32 is used".to_owned());
        Cow::Owned(Request {
            verify: Verify::Crc32,
            ..request.clone()
        })
    }

    /// Where things may have their final place.
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
                if let Some(image) = xen.image {
                    arena.remove("the running Xen", image.range());
                }
                arena
            }
            _ => Arena::new(ram),
        }
    }

    /// A place for the handoff, where everything else is not loaded in place.
    ///
    /// # Errors
    ///
    /// There is no safe one.
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

    /// Settles where `parts`, which have their final places, are loaded.
    ///
    /// # Errors
    ///
    /// Not enough safe memory, or it is too scattered.
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

    /// What the kernel gets: claims apart from data under Xen, which would fill
    /// them with zeroes; the bait of a drill first.
    ///
    /// # Errors
    ///
    /// More than the kernel takes.
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
        let (mut claims, mut loaded): (Vec<Segment>, Vec<Segment>) = std::mem::take(segments)
            .into_iter()
            .partition(|segment| segment.data.is_empty());
        let mut kernel = resolve::kernel_segments(&mut claims, most)?;
        let most = most.saturating_sub(kernel.len());
        kernel.extend(resolve::kernel_segments(&mut loaded, most)?);
        segments.extend(claims.into_iter().chain(loaded));
        segments.sort_by_key(|segment| segment.dest);
        kernel.sort_by_key(|segment| segment.dest);
        if let Self::Drill(xen) = self {
            let safe = safe_runs(xen, host);
            kernel.sort_by_key(|segment| safe.iter().any(|run| run.covers(&segment.dest)));
        }
        Ok(kernel)
    }

    /// The runs that data must be in, where that is a rule; sorted and merged.
    /// Memory below 1 MiB, which Xen never gives to its heap, is one of them.
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

/// RAM in safe runs, whole pages; sorted and merged.
pub(super) fn safe_runs(xen: &XenHost, host: &Host) -> Vec<PhysRange> {
    LoadStrategy::InPlace(xen).arena(host).ram().to_vec()
}

/// Where low memory ends that the handoff may use: below the EBDA.
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
