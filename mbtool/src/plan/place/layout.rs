//! Places the image, its modules, the boot information and the handoff.

use super::allocator::{Arena, Ask, Prefer};
use super::image::{ImagePlace, ImageRules, image_place, window};
use super::refusal::Refusal;
use super::sides::{Side, Sides};
use crate::image::Protocol;
use crate::image::linux::Setup;
use crate::plan::{DEFAULT_MEM_MIN, PlanError, Request};
use handoff::addr::{FOUR_GIB, MIB, PAGE_SIZE, PhysRange};
use handoff::runs;

/// Ends below 4 GiB, so that an exclusive end fits in 32 bits.
pub(super) const END: u64 = FOUR_GIB - PAGE_SIZE;

/// Constraints on the boot information.
#[derive(Clone, Copy, Debug)]
pub(in crate::plan) struct InfoRules {
    /// Name of the segment.
    pub name: &'static str,
    /// Upper bound of the address.
    pub end: u64,
    /// Size in bytes.
    pub len: u64,
}

/// Addresses of all parts.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Address of the image's first byte.
    pub base: u64,
    /// Pages reserved for the image, from its first to its last one: its own and, for Xen, the
    /// rest of the last superpage. An image whose segments are in separate pieces of RAM has gaps
    /// there.
    pub reserved: PhysRange,
    /// The pages in `reserved` that belong to the image, sorted and merged.
    pub pieces: Vec<PhysRange>,
    /// Modules, in order; ends are not rounded.
    pub modules: Vec<PhysRange>,
    /// Pages of the boot information.
    pub info: PhysRange,
    /// Pages of the handoff.
    pub handoff: PhysRange,
    /// Pages that the image is loaded to when the handoff moves it to
    /// `pieces`, one after the other.
    pub staged: Option<PhysRange>,
    /// Warning for the user.
    pub warning: Option<String>,
}

impl Layout {
    /// Returns a layout with correct sizes and placeholder addresses.
    pub(crate) fn draft(request: &Request) -> Self {
        let somewhere = |len| PhysRange {
            start: MIB,
            end: MIB.saturating_add(len),
        };
        let modules = request
            .modules
            .iter()
            .map(|module| somewhere(module.data.len() as u64));
        Self {
            base: 0,
            reserved: PhysRange::default(),
            pieces: Vec::new(),
            modules: modules
                .map(|range| PhysRange {
                    end: range.end.min(END),
                    ..range
                })
                .collect(),
            info: PhysRange::default(),
            handoff: PhysRange::default(),
            staged: None,
            warning: None,
        }
    }

    /// Returns the ranges of a Linux image, which has a 64-bit entry, that may be above 4 GiB.
    pub(crate) fn high(&self, request: &Request) -> Vec<PhysRange> {
        match request.image.protocol {
            Protocol::Linux(_) => {
                let modules = self.modules.iter().copied();
                modules.chain([self.reserved, self.info]).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Places everything: fixed ranges first, then the most constrained.
    /// Modules, boot information and handoff are placed as low as possible: Xen
    /// moves its modules up and needs free memory above them, and a small kernel
    /// maps low memory first. An image that the handoff moves is loaded at any
    /// address (`staged` has its pages). The handoff may already have a range.
    ///
    /// Parts of a Linux image that do not fit below 4 GiB are placed above, if the
    /// kernel supports it.
    pub(crate) fn place(
        request: &Request,
        rules: ImageRules<'_>,
        arena: &Arena,
        info: InfoRules,
        (staged, handoff): (Option<&[PhysRange]>, Option<PhysRange>),
    ) -> Result<Self, PlanError> {
        let mut errors = Vec::new();
        for sides in Sides::of(&request.image.protocol) {
            let placed = Self::attempt(
                request,
                rules,
                (arena.clone(), *sides),
                info,
                (staged, handoff),
            );
            match placed {
                Err(error @ (PlanError::NoFreeRange(_) | PlanError::Window { .. })) => {
                    errors.push(error);
                }
                result => return result,
            }
        }
        Err(Refusal::new(request, rules, arena, info).of(errors))
    }

    fn attempt(
        request: &Request,
        rules: ImageRules<'_>,
        (mut arena, sides): (Arena, Sides),
        info: InfoRules,
        (staged, handoff): (Option<&[PhysRange]>, Option<PhysRange>),
    ) -> Result<Self, PlanError> {
        if let Some(place) = handoff {
            arena.remove("the handoff", place);
        }
        let within = |name: &str, len: u64, allowed: PhysRange, prefer| {
            Ok::<_, PlanError>(Ask {
                name: name.to_owned(),
                len,
                align: PAGE_SIZE,
                window: window(request, name, allowed)?,
                allowed,
                prefer,
            })
        };
        let low = |name: &str, len: u64, floor: u64| {
            let allowed = PhysRange {
                start: floor,
                end: END,
            };
            within(name, len, allowed, Prefer::Lowest)
        };
        let image = image_place(request, rules, sides.image)?;
        let mut asks = Vec::with_capacity(request.modules.len() + 3);
        for (index, module) in request.modules.iter().enumerate() {
            let (name, len) = (request.segment_name(index), module.data.len() as u64);
            asks.push(match &request.image.protocol {
                Protocol::Linux(setup) => {
                    let (allowed, prefer) = initrd(setup, sides.initrd);
                    within(&name, len, allowed, prefer)?
                }
                _ => low(&name, len, 0)?,
            });
        }
        let allowed = match sides.info {
            Side::Low => sides.info.addresses(info.end.min(END)),
            Side::High => sides.info.addresses(u64::MAX),
        };
        asks.push(within(info.name, info.len, allowed, Prefer::Lowest)?);
        if handoff.is_none() {
            asks.push(low("handoff", handoff::blob::memsz(), MIB)?);
        }

        let name = rules.name;
        let (mut warning, mut fixed) = (None, None);
        match &image {
            ImagePlace::Fixed(pages) => {
                let span = span(pages);
                let max = request.mem_max.unwrap_or(u64::MAX);
                let min = match request.mem_min {
                    DEFAULT_MEM_MIN => 0,
                    given => given,
                };
                if span.start < min || span.end > max {
                    warning = Some(format!(
                        "{name} stays at its link address {span}, outside of what --mem-min and \
                         --mem-max ask for: it has no relocatable tag"
                    ));
                }
                match staged {
                    Some(pages) => {
                        let len = pages.iter().map(PhysRange::len).sum();
                        asks.push(low(&format!("{name} (staged)"), len, 0)?);
                    }
                    None => {
                        for piece in pages {
                            arena.fix(name, *piece)?;
                        }
                    }
                }
                fixed = Some(pages.clone());
            }
            // right after the reserved block, whatever else is there: dom0's first
            // block needs contiguous memory
            ImagePlace::Free(ask, _) if rules.xen && request.crash.is_some() => {
                fixed = Some(vec![arena.take(ask)?]);
            }
            ImagePlace::Free(ask, _) => asks.push(ask.clone()),
        }
        let places = outside_gaps(&mut arena, fixed.as_deref().unwrap_or_default(), &asks)?;
        let (modules, rest) = places.split_at(request.modules.len());
        let exact = |(place, ask): (&PhysRange, &Ask)| PhysRange {
            start: place.start,
            end: place.start + ask.len,
        };
        let pieces = fixed.unwrap_or_else(|| rest.last().copied().into_iter().collect());
        let reserved = span(&pieces);
        let base = match image {
            ImagePlace::Free(_, phase) => reserved.start + phase,
            ImagePlace::Fixed(_) => request.image.span.start,
        };
        Ok(Self {
            base,
            reserved,
            pieces,
            modules: modules.iter().zip(&asks).map(exact).collect(),
            info: rest[0],
            handoff: handoff.unwrap_or_else(|| rest[1]),
            staged: staged.and(rest.last().copied()),
            warning,
        })
    }
}

/// Allocates `asks`. An image may take the memory between its `pieces` for its own, so nothing is
/// allocated there if that can be.
fn outside_gaps(
    arena: &mut Arena,
    pieces: &[PhysRange],
    asks: &[Ask],
) -> Result<Vec<PhysRange>, PlanError> {
    let mut outside = arena.clone();
    for gap in runs::without([span(pieces)], pieces.iter().copied()) {
        outside.remove("a gap of the image", gap);
    }
    Ok(outside.take_all(asks).or_else(|_| arena.take_all(asks))?)
}

/// Returns the range from the first to the last of sorted `pieces`.
fn span(pieces: &[PhysRange]) -> PhysRange {
    match (pieces.first(), pieces.last()) {
        (Some(first), Some(last)) => PhysRange {
            start: first.start,
            end: last.end,
        },
        _ => PhysRange::default(),
    }
}

/// Addresses for Linux's initrd: below 4 GiB as high as possible, to leave low memory for devices
/// with short DMA addresses; above 4 GiB as low as possible, as a memory limit on the command line
/// leaves low memory.
fn initrd(setup: &Setup, side: Side) -> (PhysRange, Prefer) {
    match side {
        Side::Low => (side.addresses(setup.initrd_end().min(END)), Prefer::Highest),
        Side::High => (side.addresses(u64::MAX), Prefer::Lowest),
    }
}
