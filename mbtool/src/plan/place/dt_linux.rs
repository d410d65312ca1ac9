//! Places a Linux that gets a device tree (Linux, Documentation/arch/riscv/boot.rst, Documentation/arch/arm64/booting.rst):
//! kernel, initrd, device tree, core header and handoff out of one list of free memory.

use super::allocator::{Arena, list};
use super::packing::{Part, pack};
use handoff::addr::{MIB, PAGE_SIZE, PhysRange, align_up, whole_pages};
use handoff::runs;
use xen_shim::fix::{Fix, Remedy, tail};

/// Largest device tree that Linux takes.
pub const TREE_MAX: u64 = 2 * MIB;
/// From boundaries of this size the reach of an initrd is counted.
const REACH_ALIGN: u64 = 1 << 30;

/// Where the kernel can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DtLinuxRules {
    /// Alignment of the kernel: a power of two, at least a page.
    pub align: u64,
    /// Whole pages from a multiple of `align` to the kernel's first byte (arm64's `text_offset`).
    pub offset: u64,
    /// Lowest address of the kernel's first byte.
    pub floor: u64,
    /// The initrd is above the kernel, and ends at most so many bytes from the GiB boundary at or below the kernel's start
    /// (arm64: 32 GiB).
    pub initrd_reach: Option<u64>,
}

/// What there is to place. Sizes are in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DtLinuxSizes {
    /// Memory that the kernel needs (`image_size`, which is more than its file).
    pub kernel: u64,
    /// The initrd.
    pub initrd: Option<u64>,
    /// The device tree, as it is written.
    pub tree: u64,
    /// The ELF core header of a crash kernel.
    pub core_header: Option<u64>,
    /// The handoff.
    pub handoff: u64,
    /// Memory that stays free, for the loading kernel's own pages in a crash region; 0 for none.
    pub spare: u64,
}

/// Where everything is. The ends are not rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DtLinuxPlaces {
    /// The kernel with all memory that it needs.
    pub kernel: PhysRange,
    /// The initrd.
    pub initrd: Option<PhysRange>,
    /// The device tree.
    pub tree: PhysRange,
    /// The core header.
    pub core_header: Option<PhysRange>,
    /// The handoff.
    pub handoff: PhysRange,
    /// What stays free.
    pub spare: Option<PhysRange>,
    /// True when the initrd, the tree or the core header is below the kernel. A riscv64 kernel before Linux 6.4 does not
    /// use memory below its own.
    pub below_kernel: bool,
}

/// Why there is no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DtPlaceError {
    /// A tree that Linux does not map.
    #[error("the device tree has {len:#x} bytes, Linux takes at most {max:#x}{}", tail(self.fix()))]
    TreeTooLarge {
        /// Its size.
        len: u64,
        /// Limit.
        max: u64,
    },
    /// A part that has no place even alone.
    #[error(
        "no memory for the {name}: {len:#x} bytes aligned to {align:#x} within {window}; the largest free range is \
         {}, free are {}{}",
        hole(*largest), list(free), tail(self.fix())
    )]
    Part {
        /// Name of the part.
        name: &'static str,
        /// Its size.
        len: u64,
        /// Its alignment.
        align: u64,
        /// Where it can be.
        window: PhysRange,
        /// The largest free range there, or anywhere if there is none.
        largest: Option<PhysRange>,
        /// All free ranges.
        free: Vec<PhysRange>,
    },
    /// Each part has a place, but not all of them together.
    #[error(
        "no memory for {} together ({total:#x} bytes); the largest free range is {}, free are {}{}",
        names(parts), hole(*largest), list(free), tail(self.fix())
    )]
    Together {
        /// The parts with their sizes.
        parts: Vec<(&'static str, u64)>,
        /// Sum of their pages.
        total: u64,
        /// The largest free range.
        largest: Option<PhysRange>,
        /// All free ranges.
        free: Vec<PhysRange>,
    },
}

fn hole(range: Option<PhysRange>) -> String {
    match range {
        Some(range) => format!("{range} ({:#x} bytes)", range.len()),
        None => "none".to_owned(),
    }
}

fn names(parts: &[(&'static str, u64)]) -> String {
    let names: Vec<String> = parts
        .iter()
        .map(|(name, len)| format!("{name} {len:#x}"))
        .collect();
    names.join(", ")
}

impl Fix for DtPlaceError {
    fn fix(&self) -> Remedy {
        let fix = match self {
            Self::TreeTooLarge { .. } => "shorten the command line, or give a smaller tree",
            Self::Part { .. } | Self::Together { .. } => {
                "give a smaller initrd, or reserve more memory (crashkernel=SIZE) for a crash kernel"
            }
        };
        Some(fix.into())
    }
}

/// A part with its name.
#[derive(Clone, Copy)]
struct Named {
    name: &'static str,
    len: u64,
    /// Of use for the kernel, so above it if possible.
    for_kernel: bool,
}

impl DtLinuxSizes {
    /// All but the kernel.
    fn others(&self) -> Vec<Named> {
        let part = |name, len: Option<u64>, for_kernel| {
            len.map(|len| Named {
                name,
                len,
                for_kernel,
            })
        };
        let spare = (self.spare > 0).then_some(self.spare);
        let all = [
            part(INITRD, self.initrd, true),
            part(TREE, Some(self.tree), true),
            part(CORE_HEADER, self.core_header, true),
            part(HANDOFF, Some(self.handoff), false),
            part(SPARE, spare, false),
        ];
        all.into_iter().flatten().collect()
    }
}

const INITRD: &str = "initrd";
const TREE: &str = "device tree";
const CORE_HEADER: &str = "core header";
const HANDOFF: &str = "handoff";
const SPARE: &str = "loading kernel's own pages";

/// Places everything in `free`: the kernel as low as its rules permit, the rest above it as low as possible. If that
/// cannot be, the rest may be below it. Each part has pages of its own.
///
/// # Errors
///
/// When there is no arrangement at all.
pub fn place(
    free: &[PhysRange],
    sizes: &DtLinuxSizes,
    rules: &DtLinuxRules,
) -> Result<DtLinuxPlaces, DtPlaceError> {
    if sizes.tree > TREE_MAX {
        return Err(DtPlaceError::TreeTooLarge {
            len: sizes.tree,
            max: TREE_MAX,
        });
    }
    let arena = Arena::new(free.iter().copied());
    let free = arena.ram();
    let others = sizes.others();
    for above in [true, false] {
        let search = KernelSearch {
            free,
            kernel: sizes.kernel,
            others: &others,
            rules,
            above,
        };
        if let Some((kernel, places)) = search.run() {
            return Ok(places_of(kernel, &others, &places));
        }
    }
    Err(no_place(free, sizes.kernel, &others, rules))
}

/// The result, by the names of the parts.
fn places_of(kernel: PhysRange, others: &[Named], places: &[PhysRange]) -> DtLinuxPlaces {
    let all = || others.iter().zip(places);
    let of = |name| {
        let (part, place) = all().find(|(part, _)| part.name == name)?;
        PhysRange::from_len(place.start, part.len)
    };
    DtLinuxPlaces {
        kernel,
        initrd: of(INITRD),
        tree: of(TREE).unwrap_or_default(),
        core_header: of(CORE_HEADER),
        handoff: of(HANDOFF).unwrap_or_default(),
        spare: of(SPARE),
        below_kernel: all().any(|(part, place)| part.for_kernel && place.start < kernel.start),
    }
}

/// Search for an address of the kernel that leaves memory for the rest.
struct KernelSearch<'a> {
    free: &'a [PhysRange],
    kernel: u64,
    others: &'a [Named],
    rules: &'a DtLinuxRules,
    /// What the kernel uses has to be above it.
    above: bool,
}

impl KernelSearch<'_> {
    fn run(&self) -> Option<(PhysRange, Vec<PhysRange>)> {
        let low = self.others.iter().filter(|part| self.may_be_low(part));
        let below = low.map(|part| pages(part.len));
        let below = below.fold(0, u64::saturating_add);
        // a gap before the kernel is of use up to the size of all that may be in it
        let steps = below.div_ceil(self.rules.align);
        for hole in self.free {
            let Some(lowest) = lowest(hole, self.rules) else {
                continue;
            };
            for step in 0..=steps {
                let start = step.checked_mul(self.rules.align)?.checked_add(lowest)?;
                let kernel = PhysRange::from_len(start, pages(self.kernel))?;
                if !hole.covers(&kernel) {
                    break;
                }
                if let Some(places) = self.rest(kernel) {
                    return Some((PhysRange::from_len(start, self.kernel)?, places));
                }
            }
        }
        None
    }

    /// Places the rest, with the kernel in these pages.
    fn rest(&self, kernel: PhysRange) -> Option<Vec<PhysRange>> {
        let free = runs::without(self.free.iter().copied(), [kernel]);
        let (low, high): (Vec<PhysRange>, Vec<PhysRange>) =
            free.into_iter().partition(|hole| hole.start < kernel.start);
        let parts: Vec<Part> = self
            .others
            .iter()
            .map(|part| Part {
                len: pages(part.len),
                end: end_of(part, kernel.start, self.rules),
                low: self.may_be_low(part),
            })
            .collect();
        pack(&parts, &low, &high)
    }

    /// True for a part that may be below the kernel.
    fn may_be_low(&self, part: &Named) -> bool {
        let limited = part.name == INITRD && self.rules.initrd_reach.is_some();
        !part.for_kernel || !self.above && !limited
    }
}

/// Upper bound of a part.
fn end_of(part: &Named, kernel: u64, rules: &DtLinuxRules) -> u64 {
    match rules.initrd_reach {
        Some(reach) if part.name == INITRD => {
            let base = kernel & !(REACH_ALIGN - 1);
            base.saturating_add(reach)
        }
        _ => u64::MAX,
    }
}

/// The lowest address in a free range at which a kernel can begin.
fn lowest(hole: &PhysRange, rules: &DtLinuxRules) -> Option<u64> {
    let from = hole.start.max(rules.floor);
    let base = from.saturating_sub(rules.offset);
    align_up(base, rules.align)?.checked_add(rules.offset)
}

/// Bytes of the pages of a part.
fn pages(len: u64) -> u64 {
    whole_pages(len.max(1)).max(PAGE_SIZE)
}

/// The error: for a part that has no place alone, or for all of them.
fn no_place(
    free: &[PhysRange],
    kernel: u64,
    others: &[Named],
    rules: &DtLinuxRules,
) -> DtPlaceError {
    let largest = free.iter().copied().max_by_key(PhysRange::len);
    let all = free.to_vec();
    let alone = KernelSearch {
        free,
        kernel,
        others: &[],
        rules,
        above: false,
    };
    if alone.run().is_none() {
        let window = PhysRange {
            start: rules.floor,
            end: u64::MAX,
        };
        let there = free.iter().filter_map(|hole| hole.intersect(&window));
        return DtPlaceError::Part {
            name: "kernel",
            len: kernel,
            align: rules.align,
            window,
            largest: there.max_by_key(PhysRange::len).or(largest),
            free: all,
        };
    }
    let most = largest.map_or(0, |hole| hole.len());
    if let Some(part) = others.iter().find(|part| pages(part.len) > most) {
        return DtPlaceError::Part {
            name: part.name,
            len: part.len,
            align: PAGE_SIZE,
            window: PhysRange {
                start: 0,
                end: u64::MAX,
            },
            largest,
            free: all,
        };
    }
    let mut parts = vec![("kernel", kernel)];
    parts.extend(others.iter().map(|part| (part.name, part.len)));
    DtPlaceError::Together {
        total: parts
            .iter()
            .map(|(_, len)| pages(*len))
            .fold(0, u64::saturating_add),
        parts,
        largest,
        free: all,
    }
}

#[cfg(test)]
mod tests;
