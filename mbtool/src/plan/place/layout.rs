//! Places the image, its modules, the boot information and the handoff.

use super::allocator::{Arena, Ask, Prefer};
use super::image::{ImagePlace, ImageRules, image_place, window};
use crate::image::Protocol;
use crate::image::linux::Setup;
use crate::plan::{PlanError, Request};
use handoff::addr::{FOUR_GIB, MIB, PAGE_SIZE, PhysRange};

/// Ends below 4 GiB, so that an exclusive end fits in 32 bits.
const END: u64 = FOUR_GIB - PAGE_SIZE;

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
    /// Pages reserved for the image: its own and, for Xen, the rest of the last
    /// superpage.
    pub reserved: PhysRange,
    /// Modules, in order; ends are not rounded.
    pub modules: Vec<PhysRange>,
    /// Pages of the boot information.
    pub info: PhysRange,
    /// Pages of the handoff.
    pub handoff: PhysRange,
    /// Pages that the image is loaded to when the handoff moves it to
    /// `reserved`.
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

    /// Places everything: fixed ranges first, then the most constrained.
    /// Modules, boot information and handoff are placed as low as possible: Xen
    /// moves its modules up and needs free memory above them, and a small kernel
    /// maps low memory first. An image that the handoff moves is loaded at any
    /// address (`staged`). The handoff may already have a range.
    pub(crate) fn place(
        request: &Request,
        rules: ImageRules<'_>,
        arena: &mut Arena,
        info: InfoRules,
        (staged, handoff): (Option<PhysRange>, Option<PhysRange>),
    ) -> Result<Self, PlanError> {
        if let Some(place) = handoff {
            arena.remove("the handoff", place);
        }
        let low = |name: String, len: u64, floor: u64| {
            let allowed = PhysRange {
                start: floor,
                end: END,
            };
            let window = window(request, &name, allowed)?;
            Ok::<_, PlanError>(Ask {
                name,
                len,
                align: PAGE_SIZE,
                window,
                prefer: Prefer::Lowest,
            })
        };
        let image = image_place(request, rules)?;
        let mut asks = Vec::with_capacity(request.modules.len() + 3);
        for (index, module) in request.modules.iter().enumerate() {
            let (name, len) = (request.segment_name(index), module.data.len() as u64);
            let ask = match &request.image.protocol {
                Protocol::Linux(setup) => initrd(request, setup, &name, len),
                _ => low(name.clone(), len, 0),
            };
            asks.push(
                ask.map_err(|error| above_4_gib(request, arena, &name, len).unwrap_or(error))?,
            );
        }
        let window = PhysRange {
            start: 0,
            end: info.end.min(END),
        };
        asks.push(Ask {
            window: self::window(request, info.name, window)?,
            ..low(info.name.to_owned(), info.len, 0)?
        });
        if handoff.is_none() {
            asks.push(low("handoff".to_owned(), handoff::blob::memsz(), MIB)?);
        }

        let name = rules.name;
        let mut warning = None;
        let fixed = match &image {
            ImagePlace::Fixed(range) => {
                let max = request.mem_max.unwrap_or(u64::MAX);
                if range.start < request.mem_min || range.end > max {
                    warning = Some(format!(
                        "{name} stays at its link address {range}, outside of what --mem-min and \
                         --mem-max ask for: it has no relocatable tag"
                    ));
                }
                match staged {
                    Some(pages) => {
                        asks.push(low(format!("{name} (staged)"), pages.len(), 0)?);
                        Some(pages)
                    }
                    None => Some(arena.fix(name, *range)?),
                }
            }
            // right after the reserved block, whatever else is there: dom0's first
            // block needs contiguous memory
            ImagePlace::Free(ask, _) if rules.xen && request.crash.is_some() => {
                Some(arena.take(ask)?)
            }
            ImagePlace::Free(ask, _) => {
                asks.push(ask.clone());
                None
            }
        };
        let places = arena.take_all(&asks).map_err(|error| {
            above_4_gib(request, arena, &error.name, error.len).unwrap_or(error.into())
        })?;
        let (modules, rest) = places.split_at(request.modules.len());
        let exact = |(place, ask): (&PhysRange, &Ask)| PhysRange {
            start: place.start,
            end: place.start + ask.len,
        };
        let (base, reserved) = match (image, fixed, rest) {
            (ImagePlace::Free(_, phase), Some(place), _) => (place.start + phase, place),
            (ImagePlace::Free(_, phase), None, [.., last]) => (last.start + phase, *last),
            (_, Some(reserved), _) => (request.image.span.start, reserved),
            _ => (request.image.span.start, PhysRange::default()),
        };
        Ok(Self {
            base,
            reserved,
            modules: modules.iter().zip(&asks).map(exact).collect(),
            info: rest[0],
            handoff: handoff.unwrap_or_else(|| rest[1]),
            staged: staged.and(rest.last().copied()),
            warning,
        })
    }
}

/// Places Linux's initrd as high as possible, to leave low memory for devices
/// with short DMA addresses.
fn initrd(request: &Request, setup: &Setup, name: &str, len: u64) -> Result<Ask, PlanError> {
    let allowed = PhysRange {
        start: 0,
        end: setup.initrd_end().min(END),
    };
    Ok(Ask {
        name: name.to_owned(),
        len,
        align: PAGE_SIZE,
        window: window(request, name, allowed)?,
        prefer: Prefer::Highest,
    })
}

/// Returns the error for a module that only fits above 4 GiB.
fn above_4_gib(request: &Request, arena: &Arena, name: &str, len: u64) -> Option<PlanError> {
    let linux = matches!(request.image.protocol, Protocol::Linux(_));
    let mut modules = 0..request.modules.len();
    if linux || !modules.any(|index| request.segment_name(index) == name) {
        return None;
    }
    let high = PhysRange {
        start: request.mem_min.max(FOUR_GIB),
        end: request
            .mem_max
            .unwrap_or(u64::MAX)
            .max(request.mem_min.max(FOUR_GIB)),
    };
    let ask = Ask {
        name: name.to_owned(),
        len,
        align: PAGE_SIZE,
        window: high,
        prefer: Prefer::Lowest,
    };
    arena.find(&ask)?;
    let min = request.mem_min.min(FOUR_GIB);
    let below = PhysRange {
        start: min,
        end: FOUR_GIB,
    };
    Some(PlanError::ModuleAbove4Gib {
        name: name.to_owned(),
        len,
        min,
        free: arena.free_bytes(&below),
        largest: arena.largest_free(&below).map_or(0, |run| run.len()),
    })
}
