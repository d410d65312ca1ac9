//! Places for the image, its modules, the boot information and the handoff.

use super::allocator::{Arena, Ask, Prefer};
use crate::image::linux::Setup;
use crate::image::{Image, Preference, Protocol};
use crate::plan::{PlanError, Request};
use handoff::addr::{FOUR_GIB, MIB, PAGE_SIZE, PhysRange, align_up};
use xen_shim::contract;

/// Ends below 4 GiB, so that an exclusive end fits in 32 bits.
const END: u64 = FOUR_GIB - PAGE_SIZE;

/// What the placement of an image depends on beside the request.
#[derive(Clone, Copy, Debug)]
pub(in crate::plan) struct ImageRules<'a> {
    /// Name of the image's segments.
    pub name: &'a str,
    /// The image is Xen.
    pub xen: bool,
}

/// What the placement of the boot information depends on.
#[derive(Clone, Copy, Debug)]
pub(in crate::plan) struct InfoRules {
    /// Name of its segment.
    pub name: &'static str,
    /// It must be below this address.
    pub end: u64,
    /// Bytes.
    pub len: u64,
}

/// Places for everything.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Address of the image's first byte.
    pub base: u64,
    /// Pages kept for the image: its own, and for Xen the rest of the last
    /// superpage.
    pub reserved: PhysRange,
    /// Modules, in order; ends are not rounded.
    pub modules: Vec<PhysRange>,
    /// Pages of the boot information.
    pub info: PhysRange,
    /// Pages of the handoff.
    pub handoff: PhysRange,
    /// Pages where the image is loaded, when the handoff moves it to
    /// `reserved`.
    pub staged: Option<PhysRange>,
    /// What the user should know.
    pub warning: Option<String>,
}

/// Where the image can go.
enum ImagePlace {
    /// Only there.
    Fixed(PhysRange),
    /// Anywhere that suits; the first byte this far behind the start.
    Free(Ask, u64),
}

impl Layout {
    /// Addresses that are not right, with sizes that are.
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

    /// Finds a place for everything: what is fixed first, then the most
    /// constrained. Modules, boot information and handoff go as low as they can:
    /// Xen moves its modules up and needs room above them for that, and a small
    /// kernel maps low memory first. An image that the handoff moves to `staged`
    /// is loaded anywhere. The handoff may have its place already.
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
            // right behind what is kept, whatever else is there: dom0's first block
            // needs what is left to be in one piece
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

/// Linux's initrd goes as high as it may: low memory is what old devices need.
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

/// `allowed` as far as the options agree.
fn window(request: &Request, name: &str, allowed: PhysRange) -> Result<PhysRange, PlanError> {
    let max = request.mem_max.unwrap_or(FOUR_GIB);
    let asked = PhysRange {
        start: request.mem_min,
        end: max.max(request.mem_min),
    };
    allowed
        .intersect(&asked)
        .ok_or_else(|| PlanError::Dom0Range {
            name: name.to_owned(),
            allowed,
            min: request.mem_min,
            max,
        })
}

/// Where the image may go: as its relocatable tag says, else anywhere if it is
/// position independent, else where it was linked.
fn image_place(request: &Request, rules: ImageRules<'_>) -> Result<ImagePlace, PlanError> {
    let image: &Image = &request.image;
    let name = rules.name.to_owned();
    let page_align = image.align.max(PAGE_SIZE);
    let too_long = || PlanError::Dom0Range {
        name: name.clone(),
        allowed: PhysRange {
            start: 0,
            end: FOUR_GIB,
        },
        min: request.mem_min,
        max: request.mem_max.unwrap_or(FOUR_GIB),
    };
    let reserve = |len: u64| match rules.xen {
        true => contract::reserve_len(len).ok_or_else(too_long),
        false => Ok(len),
    };
    let free = |allowed, align: u64, phase: u64, prefer| {
        let len = reserve(align_up(image.span.len() + phase, PAGE_SIZE).ok_or_else(too_long)?)?;
        let window = window(request, &name, allowed)?;
        Ok(ImagePlace::Free(
            Ask {
                name: name.clone(),
                len,
                align,
                window,
                prefer,
            },
            phase,
        ))
    };
    if let Some(tag) = &image.requirements.relocatable {
        let prefer = match tag.preference {
            _ if rules.xen && request.crash.is_some() => Prefer::Lowest,
            Preference::Highest => Prefer::Highest,
            // at its link address Xen would only move itself up
            Preference::None if rules.xen => Prefer::Highest,
            Preference::Lowest | Preference::None => Prefer::Lowest,
        };
        let end = tag.max.saturating_add(1).min(FOUR_GIB);
        let allowed = PhysRange {
            start: tag.min.min(end),
            end,
        };
        return free(allowed, tag.align.max(PAGE_SIZE), 0, prefer);
    }
    if image.position_independent {
        let allowed = PhysRange {
            start: 0,
            end: FOUR_GIB,
        };
        return free(
            allowed,
            page_align,
            image.span.start % page_align,
            Prefer::Lowest,
        );
    }
    let len = reserve(image.span.len())?;
    PhysRange::from_len(image.span.start, len)
        .map(ImagePlace::Fixed)
        .ok_or_else(too_long)
}

/// Where the image must be, if it can be nowhere else.
///
/// # Errors
///
/// No place suits its relocatable tag.
pub(crate) fn fixed_place(
    request: &Request,
    rules: ImageRules<'_>,
) -> Result<Option<PhysRange>, PlanError> {
    Ok(match image_place(request, rules)? {
        ImagePlace::Fixed(range) => range.align_outward(PAGE_SIZE),
        ImagePlace::Free(..) => None,
    })
}

/// The error for a module that only fits where Multiboot2 cannot point.
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
