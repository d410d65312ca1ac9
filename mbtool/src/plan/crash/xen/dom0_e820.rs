//! The pseudo-physical range at the start of a PV dom0.
//!
//! Xen allocates dom0's first memory from pseudo-physical address 0 on: a block
//! with a power-of-two size that holds the kernel, initial page tables and related
//! data; then the initrd; then the p2m list. Linux requires all of it, from the
//! kernel's start (usually 16 MiB), to be RAM in the machine's memory map,
//! although it does not touch the machine's memory at these addresses. Otherwise
//! it halts, with the message "conflicts with E820 map" or none.
//!
//! So this range must be RAM, or "unusable" (type 5), which Linux accepts here
//! and Xen does not allocate. dom0 cannot read the machine's memory at these
//! addresses. The handoff therefore copies the crashed system's memory there into
//! the region, and it is dumped from the copy.

use crate::image::dom0::Dom0Footprint;
use handoff::addr::{FOUR_GIB, MIB, PAGE_SIZE, PhysRange, align_up, whole_pages};
use xen_shim::fix::{Fix, Remedy, tail};

/// Size of a large page; the range ends at a multiple.
const LARGE: u64 = 2 * MIB;
/// The end of the first block is rounded up to a multiple of this, possibly one
/// more.
const BLOCK_STEP: u64 = 4 * MIB;
/// Minimum free memory that Xen leaves at the end of the first block.
const BLOCK_SLACK: u64 = 512 << 10;
/// Size of a p2m entry in bytes.
const P2M_ENTRY: u64 = 8;
/// Start-of-day pages besides page tables: start info, console, stack, and some
/// spare pages.
const START_PAGES: u64 = 16;
/// Bytes added to the computed size: for page tables of the separately mapped
/// initrd and p2m list, and for additions in future releases.
const SPARE: u64 = 4 * MIB;
/// Maximum number of memory ranges in dom0's range.
pub(super) const MAX_RUNS: usize = 16;

/// The pseudo-physical range for one kernel and its initrd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dom0Range {
    /// Pseudo-physical range; the machine addresses in it are hidden from dom0.
    pub range: PhysRange,
    /// End of the kernel: memory below that is not RAM stops Linux.
    pub kernel_end: u64,
    /// Size of the first block in bytes, a power of two: Xen allocates it aligned
    /// to its size.
    pub block: u64,
}

/// A machine that dom0 cannot start on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Dom0RangeError {
    /// Sizes out of range.
    #[error(
        "dom0's kernel and initrd need pseudo-physical memory up to {end:#x}, more than the crash \
         region has{}",
        tail(self.fix())
    )]
    TooLarge {
        /// Computed end of the range.
        end: u64,
    },
    /// Firmware reserves a part that must be RAM.
    #[error(
        "dom0's kernel needs RAM at {range}, its link address, but {hole} is not RAM{}",
        tail(self.fix())
    )]
    NotRam {
        /// Range that must be RAM.
        range: PhysRange,
        /// First part that is not.
        hole: PhysRange,
    },
    /// A memory map with too many ranges.
    #[error("the memory at {range} is in {runs} ranges, the limit is {MAX_RUNS}")]
    Scattered {
        /// dom0's range.
        range: PhysRange,
        /// Number of RAM ranges.
        runs: usize,
    },
}

impl Fix for Dom0RangeError {
    fn fix(&self) -> Remedy {
        let fix = match self {
            Self::TooLarge { .. } => "make the initrd smaller",
            Self::NotRam { .. } => {
                "give a kernel that is linked at another address (CONFIG_PHYSICAL_START), or Linux \
                 itself as crash kernel"
            }
            Self::Scattered { .. } => return None,
        };
        Some(fix.into())
    }
}

impl Dom0Range {
    /// Computes the range for `kernel` with `initrd` bytes of initrd, in a region
    /// of `region` bytes.
    ///
    /// # Errors
    ///
    /// When it would be too large.
    pub fn new(kernel: &Dom0Footprint, initrd: u64, region: u64) -> Result<Self, Dom0RangeError> {
        let initrd = whole_pages(initrd);
        let list = whole_pages(region / PAGE_SIZE * P2M_ENTRY);
        let mut inside = kernel.memory.end;
        for (apart, len) in [(kernel.initrd_apart, initrd), (kernel.p2m_apart, list)] {
            inside = inside.saturating_add(if apart { 0 } else { len });
        }
        // one page of entries per 2 MiB, and some for upper levels
        let tables = (inside / LARGE).saturating_add(8).saturating_mul(PAGE_SIZE);
        let used = inside
            .saturating_add(tables)
            .saturating_add(START_PAGES * PAGE_SIZE);
        let too_large = |end| Dom0RangeError::TooLarge { end };
        let mut end = align_up(used, BLOCK_STEP).ok_or_else(|| too_large(used))?;
        if end - used < BLOCK_SLACK {
            end = end.saturating_add(BLOCK_STEP);
        }
        if end > FOUR_GIB {
            return Err(too_large(end));
        }
        let block = end.next_power_of_two();
        let mut top = block;
        for (apart, len) in [(kernel.initrd_apart, initrd), (kernel.p2m_apart, list)] {
            top = top.saturating_add(if apart { len } else { 0 });
        }
        let top = align_up(top.saturating_add(SPARE), LARGE).unwrap_or(u64::MAX);
        if top > FOUR_GIB {
            return Err(too_large(top));
        }
        Ok(Self {
            range: PhysRange {
                start: kernel.memory.start / LARGE * LARGE,
                end: top,
            },
            kernel_end: end,
            block,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn r(start: u64, end: u64) -> PhysRange {
        PhysRange { start, end }
    }

    /// Debian's 6.1.
    const KERNEL: Dom0Footprint = Dom0Footprint {
        memory: r(0x100_0000, 0x4a0_0000),
        unpacked: 60 * MIB,
        initrd_apart: true,
        p2m_apart: true,
    };

    #[test]
    fn the_range_covers_measured_sizes_with_little_surplus() {
        // with 768 MiB: 136 MiB were sufficient for an initrd of 5.5 MiB, 134
        // were not; 176 for one of 45.5 MiB, 144 were not
        let range = |initrd| Dom0Range::new(&KERNEL, initrd, 768 * MIB).unwrap();
        let small = range(11 * MIB / 2);
        assert_eq!(small.block, 128 * MIB);
        assert_eq!(small.range, r(16 * MIB, 140 * MIB));
        assert_eq!(small.kernel_end, 76 * MIB);
        assert_eq!(range(91 * MIB / 2).range.end, 180 * MIB);
        assert_eq!(range(0).range.end, 134 * MIB);
    }

    #[test]
    fn an_initrd_or_p2m_list_mapped_with_the_kernel_enlarges_the_block() {
        let old = Dom0Footprint {
            initrd_apart: false,
            p2m_apart: false,
            ..KERNEL
        };
        let range = Dom0Range::new(&old, 60 * MIB, 768 * MIB).unwrap();
        assert_eq!((range.block, range.range.end), (256 * MIB, 260 * MIB));
        let large = Dom0Footprint {
            memory: r(16 * MIB, 127 * MIB),
            ..KERNEL
        };
        let range = Dom0Range::new(&large, 0, 512 * MIB).unwrap();
        assert_eq!(range.block, 128 * MIB);
        let larger = Dom0Footprint {
            memory: r(16 * MIB, 128 * MIB - 0x1000),
            ..KERNEL
        };
        assert_eq!(
            Dom0Range::new(&larger, 0, 512 * MIB).unwrap().block,
            256 * MIB
        );
        assert!(Dom0Range::new(&KERNEL, 1 << 40, 512 * MIB).is_err());
        assert!(Dom0Range::new(&KERNEL, u64::MAX, u64::MAX).is_err());
    }

    proptest! {
        #[test]
        fn sizes_never_overflow(
            start in 0_u64..1 << 32, len in 0_u64..1 << 32, initrd in any::<u64>(), region in any::<u64>(),
            initrd_apart in any::<bool>(), p2m_apart in any::<bool>(),
        ) {
            let memory = r(start, start.saturating_add(len).min(1 << 32));
            let kernel = Dom0Footprint { memory, unpacked: 0, initrd_apart, p2m_apart };
            if let Ok(range) = Dom0Range::new(&kernel, initrd, region) {
                prop_assert!(range.range.end <= FOUR_GIB && range.block.is_power_of_two());
                prop_assert!(range.range.end >= range.block);
                prop_assert!(range.kernel_end >= memory.end && range.kernel_end <= range.block);
                prop_assert!(range.range.start <= memory.start);
            }
        }
    }
}
