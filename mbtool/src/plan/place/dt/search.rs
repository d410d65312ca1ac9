//! Search for an address of the kernel, and for the rest around it.

use super::super::packing::{Part, pack};
use super::{DtRules, INITRD, NamedSize, pages};
use handoff::addr::{PhysRange, align_up};
use handoff::runs;

/// From boundaries of this size the reach of an initrd is counted.
const REACH_ALIGN: u64 = 1 << 30;

/// Search for an address of the kernel that leaves memory for the rest.
pub(super) struct KernelSearch<'a> {
    pub(super) free: &'a [PhysRange],
    pub(super) kernel: u64,
    pub(super) others: &'a [NamedSize],
    pub(super) rules: &'a DtRules,
    /// What the kernel uses has to be above it.
    pub(super) above: bool,
}

impl KernelSearch<'_> {
    pub(super) fn run(&self) -> Option<(PhysRange, Vec<PhysRange>)> {
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
                if !hole.covers(&kernel) || kernel.end > self.rules.ceiling {
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
    fn may_be_low(&self, part: &NamedSize) -> bool {
        let limited = part.name == INITRD && self.rules.initrd_reach.is_some();
        !part.for_kernel || !self.above && !limited
    }
}

/// Upper bound of a part.
fn end_of(part: &NamedSize, kernel: u64, rules: &DtRules) -> u64 {
    match rules.initrd_reach {
        Some(reach) if part.name == INITRD => {
            let base = kernel & !(REACH_ALIGN - 1);
            base.saturating_add(reach)
        }
        _ => u64::MAX,
    }
}

/// The lowest address in a free range at which a kernel can begin.
fn lowest(hole: &PhysRange, rules: &DtRules) -> Option<u64> {
    let from = hole.start.max(rules.floor);
    let base = from.saturating_sub(rules.offset);
    align_up(base, rules.align)?.checked_add(rules.offset)
}
