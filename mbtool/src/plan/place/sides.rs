//! Above or below 4 GiB: where the parts of a Linux image are, and why they cannot be anywhere.

use super::allocator::{Arena, Ask, Prefer};
use super::error::NoFreeRange;
use super::layout::END;
use crate::abi::boot_params::XLoadFlags;
use crate::image::Protocol;
use crate::plan::{PlanError, Request};
use handoff::addr::{FOUR_GIB, PAGE_SIZE, PhysRange};
use std::cmp::Reverse;

/// End of the memory that a part of a Linux image may be loaded to: Linux accepts destinations
/// below 2^46 - 1.
pub(super) const HIGH_END: u64 = (1 << 46) - PAGE_SIZE;

/// On which side of 4 GiB a part is placed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Side {
    /// Below: reachable with 32 bits.
    #[default]
    Low,
    /// Above, for an image with a 64-bit entry that supports it.
    High,
}

impl Side {
    /// Returns the addresses of this side, up to `end`.
    pub(super) fn addresses(self, end: u64) -> PhysRange {
        let (start, end) = match self {
            Self::Low => (0, end.min(FOUR_GIB)),
            Self::High => (FOUR_GIB, end.min(HIGH_END)),
        };
        PhysRange {
            start: start.min(end),
            end,
        }
    }
}

/// The sides of the parts that may be above 4 GiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sides {
    pub initrd: Side,
    pub image: Side,
    pub info: Side,
}

impl Sides {
    const ALL_LOW: Self = Self {
        initrd: Side::Low,
        image: Side::Low,
        info: Side::Low,
    };
    /// In the order in which they are tried: as much as possible below 4 GiB, and the largest part
    /// first above.
    const LINUX: [Self; 5] = [
        Self::ALL_LOW,
        Self {
            initrd: Side::High,
            ..Self::ALL_LOW
        },
        Self {
            image: Side::High,
            ..Self::ALL_LOW
        },
        Self {
            info: Side::Low,
            ..Self::ALL_HIGH
        },
        Self::ALL_HIGH,
    ];
    const ALL_HIGH: Self = Self {
        initrd: Side::High,
        image: Side::High,
        info: Side::High,
    };

    /// Returns the possible sides for an image of this protocol.
    pub(super) const fn of(protocol: &Protocol) -> &'static [Self] {
        match protocol {
            Protocol::Linux(setup) if setup.can(XLoadFlags::CAN_BE_LOADED_ABOVE_4G) => &Self::LINUX,
            _ => &[Self::ALL_LOW],
        }
    }
}

/// Completes `error` of the first attempt, when there is no other: with the memory above 4 GiB, for
/// a part that may be there, or with the reason why it may not.
pub(super) fn refused(
    error: PlanError,
    request: &Request,
    image: &str,
    arena: &Arena,
    info: &str,
) -> PlanError {
    match error {
        PlanError::NoFreeRange(mut error) => {
            let linux = Sides::of(&request.image.protocol).len() > 1;
            let initrd = linux && error.name == request.segment_name(0);
            if linux && (initrd || error.name == image || error.name == info) {
                with_high_memory(&mut error, request, arena);
                return error.into();
            }
            let NoFreeRange {
                name,
                len,
                elsewhere,
                ..
            } = &error;
            above_4_gib(request, arena, (name, *len), elsewhere.is_some()).unwrap_or(error.into())
        }
        PlanError::Window { ref name, .. } => {
            let mut modules = request.modules.iter().enumerate();
            let module = modules.find(|(index, _)| request.segment_name(*index) == *name);
            module
                .and_then(|(_, module)| {
                    let len = module.data.len() as u64;
                    let elsewhere = arena.find(&ask(name, len, Side::Low.addresses(END)));
                    above_4_gib(request, arena, (name, len), elsewhere.is_some())
                })
                .unwrap_or(error)
        }
        error => error,
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
