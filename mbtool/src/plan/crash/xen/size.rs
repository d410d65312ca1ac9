//! Whether the rest of a crash region is sufficient for Xen and dom0 to start.
//!
//! Early in boot, Xen moves the modules to the top of its memory, with space
//! before the kernel to unpack it. Then it allocates dom0's first block: a power
//! of two, aligned to its size. If no such block is free it stops with "Not enough
//! RAM for domain 0 allocation". The remaining memory is dom0's too, except for a
//! sixteenth.

use super::cmdline;
use crate::plan::crash::size;
use handoff::addr::{MIB, PAGE_SIZE, PhysRange, align_up};
use handoff::runs;

/// Memory for Xen itself, in bytes: frame table, per-CPU data, boot-time
/// tables.
const HEAP: u64 = 32 * MIB;
/// Additional memory for each CPU beyond [`cmdline::DOM0_CPUS`]; measured: 104 KiB
/// with 20 CPUs in QEMU.
const PER_CPU: u64 = 256 << 10;
/// Xen's granularity for its memory map and modules.
const STEP: u64 = 2 * MIB;
/// Granularity of the advised `crashkernel=` size.
const ADVICE: u64 = 32 * MIB;

/// Sizes of the parts, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct XenSize {
    /// Core header, tables, backups: not usable by Xen.
    pub reserved: u64,
    /// Xen, rounded up to superpages.
    pub xen: u64,
    /// Handoff, boot information and pages of the loading kernel: free once Xen
    /// runs.
    pub other: u64,
    /// dom0's kernel as loaded.
    pub kernel: u64,
    /// dom0's kernel when unpacked.
    pub unpacked: u64,
    /// All other modules.
    pub initrd: u64,
    /// Files of the initrd when unpacked.
    pub files: u64,
    /// dom0's first block.
    pub block: u64,
    /// Number of CPUs of the machine.
    pub cpus: u64,
}

impl XenSize {
    /// Size of the modules after Xen has moved them, with space to unpack the
    /// kernel.
    fn modules(&self) -> u64 {
        // a bzImage is unpacked below itself
        let unpacked = self.unpacked.saturating_add(self.unpacked >> 12);
        let parts = [self.kernel, unpacked, self.initrd, 2 * STEP];
        parts.into_iter().fold(0, u64::saturating_add)
    }

    /// Memory for Xen itself, in bytes.
    fn heap(&self) -> u64 {
        let more = self.cpus.saturating_sub(cmdline::DOM0_CPUS as u64);
        HEAP.saturating_add(more.saturating_mul(PER_CPU))
    }

    /// Memory that Xen takes from the top: the modules, and its own tables.
    fn taken_from_top(&self) -> u64 {
        align_up(self.modules().saturating_add(self.heap()), STEP).unwrap_or(u64::MAX)
    }

    /// Memory of dom0 and Xen at run time, besides the reserved block.
    fn running(&self) -> u64 {
        // a sixteenth is Xen's
        let dom0 = size::to_run(self.initrd, self.files).saturating_add(self.unpacked);
        dom0.saturating_add(dom0 / 15).saturating_add(self.heap())
    }

    /// True when it all fits into `free`: Xen's memory without the reserved
    /// block and Xen itself, sorted.
    #[must_use]
    pub fn fits(&self, free: &[PhysRange]) -> bool {
        let total: u64 = free.iter().map(PhysRange::len).sum();
        if total < self.running() {
            return false;
        }
        let mut runs: Vec<PhysRange> = free
            .iter()
            .filter_map(|run| run.align_inward(STEP))
            .collect();
        let need = self.taken_from_top();
        let Some(top) = runs.iter_mut().rev().find(|run| run.len() >= need) else {
            return false;
        };
        top.end -= need;
        let block = |run: &PhysRange| {
            align_up(run.start, self.block)
                .and_then(|start| start.checked_add(self.block))
                .is_some_and(|end| end <= run.end)
        };
        runs.iter().any(block)
    }

    /// Returns the advised reservation, sufficient at any address.
    #[must_use]
    pub fn to_reserve(&self) -> u64 {
        let placed = [
            self.reserved,
            self.xen,
            self.other,
            self.kernel,
            self.initrd,
            3 * STEP,
        ];
        let placed = placed.into_iter().fold(0, u64::saturating_add);
        // as `place` and `fits` have it: the loading kernel's pages, the reserved
        // block, Xen at the next step; in the worst case one step too few for dom0's
        // block below it, and another such range above; and memory from the top, which
        // is not a multiple of a step
        let blocks = self.block.saturating_mul(2) - STEP.min(self.block);
        let starting = [
            self.other,
            self.reserved,
            self.xen,
            blocks,
            self.taken_from_top(),
            2 * STEP,
        ];
        let starting = starting.into_iter().fold(0, u64::saturating_add);
        let running = [self.reserved, self.xen, self.running(), STEP];
        let running = running.into_iter().fold(0, u64::saturating_add);
        let sum = placed.max(starting).max(running);
        sum.div_ceil(ADVICE).saturating_mul(ADVICE)
    }
}

/// Returns `regions` without `taken`.
#[must_use]
pub fn free(regions: &[PhysRange], taken: &[PhysRange]) -> Vec<PhysRange> {
    let mut runs = runs::without(regions.iter().copied(), taken.iter().copied());
    runs.retain(|run| run.len() >= PAGE_SIZE);
    runs.sort_unstable();
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn r(start: u64, end: u64) -> PhysRange {
        PhysRange {
            start: start * MIB,
            end: end * MIB,
        }
    }

    /// Debian's 6.1 and an initrd of 6 MiB.
    const ROOM: XenSize = XenSize {
        reserved: 126 * MIB,
        xen: 4 * MIB,
        other: MIB,
        kernel: 8 * MIB,
        unpacked: 50 * MIB,
        initrd: 6 * MIB,
        files: 6 * MIB,
        block: 128 * MIB,
        cpus: 4,
    };

    /// True when it fits with the reserved block and Xen at the bottom.
    fn fits(start: u64, len: u64) -> bool {
        let region = r(start, start + len);
        let bottom = r(start, start + 134);
        ROOM.fits(&free(&[region], &[bottom]))
    }

    #[test]
    fn measured_sizes_are_sufficient_or_not_as_computed() {
        // 512M was sufficient, 384M was not, at these and other addresses
        for start in [0x8e00_0000, 0x6300_0000, 0x4900_0000, 0x2800_0000_u64] {
            assert!(fits(start / MIB, 512), "{start:#x}");
            assert!(!fits(start / MIB, 384), "{start:#x}");
        }
        let advice = ROOM.to_reserve() / MIB;
        assert!((448..=544).contains(&advice), "{advice}");
    }

    #[test]
    fn a_large_initrd_needs_more() {
        let large = XenSize {
            reserved: 180 * MIB,
            initrd: 60 * MIB,
            files: 60 * MIB,
            ..ROOM
        };
        let more = large.to_reserve() - ROOM.to_reserve();
        assert!((96..=128).contains(&(more / MIB)), "{}", more / MIB);
        assert!(!large.fits(&[r(1024, 1024 + 240)]));
    }

    #[test]
    fn each_cpu_needs_memory() {
        let many = XenSize { cpus: 260, ..ROOM };
        let more = many.to_reserve() - ROOM.to_reserve();
        assert_eq!(more, 64 * MIB);
    }

    #[test]
    fn dom0s_block_must_be_aligned() {
        // enough memory, but no 128 MiB at a multiple of 128 MiB
        assert!(!ROOM.fits(&[r(257, 500), r(641, 760), r(769, 890)]));
        assert!(ROOM.fits(&[r(256, 384), r(641, 760), r(769, 890)]));
        assert!(!ROOM.fits(&[]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2048))]

        #[test]
        fn the_advised_size_fits_at_any_address(
            page in 0_u64..1 << 18, reserved in 1_u64..100_000, initrd in 0_u64..300, files in 0_u64..600,
            unpacked in 8_u64..200, order in 6_u32..9, other in 1_u64..800, unlucky: bool,
        ) {
            let size = XenSize {
                reserved: reserved * PAGE_SIZE, initrd: initrd * MIB, files: files * MIB,
                unpacked: unpacked * MIB, block: MIB << order, other: other * PAGE_SIZE, ..ROOM
            };
            // one step past an address for the block, and one page past one for
            // Xen
            let behind = 1024 * MIB + STEP - size.xen - (STEP - PAGE_SIZE) - size.reserved - size.other;
            let start = if unlucky { behind } else { page * PAGE_SIZE };
            let region = PhysRange { start, end: start + size.to_reserve() };
            // as placed: the loading kernel's pages, the reserved block, then Xen at
            // the next superpage
            let reserved = PhysRange { start: start + size.other, end: start + size.other + size.reserved };
            let xen = align_up(reserved.end, STEP).unwrap();
            let xen = PhysRange { start: xen, end: xen + size.xen };
            prop_assert!(size.fits(&free(&[region], &[reserved, xen])), "{start:#x}");
        }

        #[test]
        fn hostile_sizes_do_not_overflow(a in any::<[u64; 8]>(), order in 21_u32..64) {
            let [reserved, xen, other, kernel, unpacked, initrd, files, cpus] = a;
            let size = XenSize { reserved, xen, other, kernel, unpacked, initrd, files, block: 1 << order, cpus };
            let _ = (size.to_reserve(), size.fits(&[r(0, 4096)]));
        }
    }
}
