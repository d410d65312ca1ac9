//! Why there is no place for the parts of an image: the error of one attempt of several.

use super::allocator::{Arena, Ask, Prefer};
use super::error::NoFreeRange;
use super::image::ImageRules;
use super::layout::{END, InfoRules};
use super::sides::{Side, Sides};
use crate::image::Protocol;
use crate::plan::{PlanError, Request};
use handoff::addr::{FOUR_GIB, PAGE_SIZE, PhysRange};
use std::cmp::Reverse;
use xen_shim::contract;

/// What was to be placed.
pub(super) struct Refusal<'a> {
    request: &'a Request,
    image: ImageRules<'a>,
    arena: &'a Arena,
    info: InfoRules,
    /// Image, initrd and boot information can be on both sides of 4 GiB.
    both_sides: bool,
}

impl<'a> Refusal<'a> {
    pub(super) fn new(
        request: &'a Request,
        image: ImageRules<'a>,
        arena: &'a Arena,
        info: InfoRules,
    ) -> Self {
        let both_sides = Sides::of(&request.image.protocol).len() > 1;
        Self {
            request,
            image,
            arena,
            info,
            both_sides,
        }
    }

    /// Returns the error to report, of those of the attempts with more and more parts above 4 GiB:
    /// that of the first part for which neither side has memory, else that of the last attempt.
    pub(super) fn of(&self, mut errors: Vec<PlanError>) -> PlanError {
        let first = errors.iter().position(|error| match error {
            PlanError::NoFreeRange(error) => !self.fits_above(error),
            _ => false,
        });
        let found = match first {
            Some(at) => Some(errors.swap_remove(at)),
            None => errors.pop(),
        };
        match found {
            Some(PlanError::NoFreeRange(error)) => match self.fits_above(&error) {
                // each part fits, but not all of them
                true => error.into(),
                false => self.no_memory(error),
            },
            Some(PlanError::Window {
                name,
                allowed,
                min,
                max,
                ..
            }) => {
                // the other side may be excluded, too
                let of_it = errors.iter().filter_map(|error| match error {
                    PlanError::Window {
                        name: other,
                        allowed,
                        ..
                    } if *other == name => Some(*allowed),
                    _ => None,
                });
                let allowed = of_it.fold(allowed, |all, other| PhysRange {
                    start: all.start.min(other.start),
                    end: all.end.max(other.end),
                });
                self.excluded(name, allowed, min, max)
            }
            Some(error) => error,
            None => PlanError::NoRam,
        }
    }

    /// True for a part that can be above 4 GiB, where there is memory for it.
    fn fits_above(&self, error: &NoFreeRange) -> bool {
        let above = high(self.request).intersect(&Side::High.addresses(u64::MAX));
        self.both_sides
            && self.has_both_sides(&error.name)
            && above.is_some_and(|window| {
                let ask = Ask {
                    align: error.align,
                    ..ask(&error.name, error.len, window)
                };
                self.arena.find(&ask).is_some()
            })
    }

    fn has_both_sides(&self, name: &str) -> bool {
        let initrd = !self.request.modules.is_empty() && name == self.request.segment_name(0);
        initrd || name == self.image.name || name == self.info.name
    }

    /// Completes an error: with the memory above 4 GiB, for a part that may be there, or with the
    /// reason why it may not.
    fn no_memory(&self, mut error: NoFreeRange) -> PlanError {
        if self.both_sides && self.has_both_sides(&error.name) {
            with_high_memory(&mut error, self.request, self.arena);
            return error.into();
        }
        let elsewhere = error.elsewhere.is_some();
        let part = (error.name.as_str(), error.len);
        above_4_gib(self.request, self.arena, part, elsewhere).unwrap_or(error.into())
    }

    /// The error for a part that options exclude, with a place that would do.
    fn excluded(&self, name: String, allowed: PhysRange, min: u64, max: Option<u64>) -> PlanError {
        let size = self.size(&name);
        let modules = 0..self.request.modules.len();
        let mut names = modules.map(|index| self.request.segment_name(index));
        if let Some((len, _)) = size
            && names.any(|module| module == name)
        {
            let low = ask(&name, len, Side::Low.addresses(END));
            let elsewhere = self.arena.find(&low).is_some();
            let above = above_4_gib(self.request, self.arena, (&name, len), elsewhere);
            if let Some(error) = above {
                return error;
            }
        }
        let place = size.and_then(|(len, align)| {
            let (prefer, floor) = match min >= allowed.end {
                true => (Prefer::Highest, 0),
                false => (Prefer::Lowest, min),
            };
            let window = PhysRange::new(allowed.start.max(floor), allowed.end)?;
            self.arena.find(&Ask {
                align,
                prefer,
                ..ask(&name, len, window)
            })
        });
        PlanError::Window {
            name,
            allowed,
            min,
            max,
            place,
        }
    }

    /// Size and alignment of a part.
    fn size(&self, name: &str) -> Option<(u64, u64)> {
        let image = &self.request.image;
        if name == self.image.name {
            let tag = image.requirements.relocatable.as_ref();
            let align = tag.map_or(image.align, |tag| tag.align);
            let len = match self.image.xen {
                true => contract::reserve_len(image.span.len())?,
                false => image.span.len(),
            };
            return Some((len, align));
        }
        if name == self.info.name {
            return Some((self.info.len, PAGE_SIZE));
        }
        let mut modules = self.request.modules.iter().enumerate();
        let module = modules.find(|(index, _)| self.request.segment_name(*index) == name);
        let len = match module {
            Some((_, module)) => module.data.len() as u64,
            None if name == "handoff" => handoff::blob::memsz(),
            None => return None,
        };
        Some((len, PAGE_SIZE))
    }
}

fn ask(name: &str, len: u64, window: PhysRange) -> Ask {
    Ask {
        name: name.to_owned(),
        len,
        align: PAGE_SIZE,
        window,
        allowed: window,
        prefer: Prefer::Lowest,
    }
}

/// The addresses above 4 GiB that options allow.
fn high(request: &Request) -> PhysRange {
    let start = request.mem_min.max(FOUR_GIB);
    PhysRange {
        start,
        end: request.mem_max.unwrap_or(u64::MAX).max(start),
    }
}

fn with_high_memory(error: &mut NoFreeRange, request: &Request, arena: &Arena) {
    let anywhere = Side::High.addresses(u64::MAX);
    let there = high(request).intersect(&anywhere).unwrap_or_default();
    if !there.is_empty() {
        error.window.end = there.end;
    }
    let largest = [error.largest, arena.largest_free(&there)];
    let largest = largest.into_iter().flatten();
    error.largest = largest.max_by_key(|run| (run.len(), Reverse(run.start)));
    let in_high = Ask {
        align: error.align,
        ..ask(&error.name, error.len, anywhere)
    };
    error.elsewhere = error
        .elsewhere
        .or_else(|| arena.find(&in_high).map(|place| place.start));
}

/// Returns the error for a module or an initrd that only fits above 4 GiB, where the image cannot
/// reach it; none if options exclude a place below 4 GiB (`elsewhere`).
fn above_4_gib(
    request: &Request,
    arena: &Arena,
    (name, len): (&str, u64),
    elsewhere: bool,
) -> Option<PlanError> {
    let mut modules = 0..request.modules.len();
    if !modules.any(|index| request.segment_name(index) == name) || elsewhere {
        return None;
    }
    let above = arena.find(&ask(name, len, high(request)))?;
    let end = match &request.image.protocol {
        Protocol::Linux(setup) => setup.initrd_end().min(FOUR_GIB),
        _ => FOUR_GIB,
    };
    let below = Side::Low.addresses(end);
    let largest = arena.largest_free(&below).map_or(0, |run| run.len());
    let (name, free) = (name.to_owned(), arena.free_bytes(&below));
    Some(match &request.image.protocol {
        Protocol::Linux(_) => PlanError::InitrdLimit {
            name,
            len,
            end,
            largest,
            above,
        },
        _ => PlanError::ModuleAbove4Gib {
            name,
            len,
            free,
            largest,
        },
    })
}
