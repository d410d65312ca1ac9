//! Where a paravirtualised dom0 begins.
//!
//! Xen gives dom0 its first memory from pseudo-physical address 0 on: a block of a
//! power of two that holds the kernel, its first page tables and what comes with
//! them; then the initrd; then the list of its pages. Linux insists that all of it
//! is RAM in the machine's memory map, from the kernel's start (16 MiB, mostly)
//! on, although no byte of the machine's memory there is touched: it halts
//! otherwise, with the words "conflicts with E820 map" or with none.
//!
//! So this window must be RAM, or "unusable" (type 5), which Linux takes for RAM
//! here and Xen for nothing. In turn dom0 cannot see the machine's memory there:
//! what of it belongs to the system that crashed is copied into the region first,
//! and dumped from there.

use crate::image::dom0::Dom0;
use crate::memory::xen::Run;
use crate::memory::{Entry, Kind, map};
use handoff::addr::{FOUR_GIB, MIB, PAGE_SIZE, PhysRange, align_up, whole_pages};
use handoff::runs;

/// What a large page maps; the window ends at a multiple.
const LARGE: u64 = 2 * MIB;
/// The end of the first block is a multiple of this, and that much may be added.
const BLOCK_STEP: u64 = 4 * MIB;
/// Free memory that Xen leaves at least at the end of the first block's contents.
const BLOCK_SLACK: u64 = 512 << 10;
/// Bytes for one page in the list of dom0's pages.
const P2M_ENTRY: u64 = 8;
/// Start-of-day pages beside page tables: start info, console, a stack, and some
/// to spare.
const START_PAGES: u64 = 16;
/// Behind all that is computed, in bytes: page tables of the initrd's and the
/// list's own addresses, and what future releases may add.
const SPARE: u64 = 4 * MIB;
/// More runs of memory in the window than any machine has.
const MAX_RUNS: usize = 16;

/// The window for one kernel and its initrd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Pseudo-physical, and just so the machine addresses that are hidden.
    pub range: PhysRange,
    /// Up to here it is the kernel's own: what is not RAM there stops Linux.
    pub kernel_end: u64,
    /// Bytes of the first block, a power of two: Xen takes it from memory that is
    /// aligned to its size.
    pub block: u64,
}

/// A machine where dom0 cannot start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// Unreasonable sizes.
    #[error(
        "dom0's kernel and initrd need pseudo-physical memory up to {end:#x}, more than a crash \
         region has: make the initrd smaller"
    )]
    TooLarge {
        /// Where it would end.
        end: u64,
    },
    /// Firmware keeps a part of what must be RAM.
    #[error(
        "dom0's kernel needs {window} to be RAM, as this kernel does in any dom0, but {hole} is \
         not: give a kernel that is linked for another address (CONFIG_PHYSICAL_START), or Linux \
         itself as crash kernel"
    )]
    NotRam {
        /// What must be RAM.
        window: PhysRange,
        /// What is not.
        hole: PhysRange,
    },
    /// A memory map in shreds.
    #[error("the memory at {window} is in {runs} pieces, at most {MAX_RUNS} are taken")]
    Scattered {
        /// The window.
        window: PhysRange,
        /// Pieces of RAM.
        runs: usize,
    },
}

impl Window {
    /// For `kernel`, with `initrd` bytes of initrd, in a region of `region` bytes.
    ///
    /// # Errors
    ///
    /// It would be too large.
    pub fn new(kernel: &Dom0, initrd: u64, region: u64) -> Result<Self, WindowError> {
        let initrd = whole_pages(initrd);
        let list = whole_pages(region / PAGE_SIZE * P2M_ENTRY);
        let mut inside = kernel.memory.end;
        for (apart, len) in [(kernel.initrd_apart, initrd), (kernel.p2m_apart, list)] {
            inside = inside.saturating_add(if apart { 0 } else { len });
        }
        // one page of entries for 2 MiB, and some for what is above
        let tables = (inside / LARGE).saturating_add(8).saturating_mul(PAGE_SIZE);
        let used = inside
            .saturating_add(tables)
            .saturating_add(START_PAGES * PAGE_SIZE);
        let too_large = |end| WindowError::TooLarge { end };
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

    /// The machine's RAM in the window that is not in `regions`: to be made
    /// unusable for Xen, and to be saved.
    ///
    /// # Errors
    ///
    /// What must be RAM is not; too many pieces.
    pub fn fence(
        &self,
        entries: &[Entry],
        regions: &[PhysRange],
    ) -> Result<Vec<PhysRange>, WindowError> {
        let kernel = PhysRange {
            end: self.kernel_end,
            ..self.range
        };
        if let Some(hole) = hole(entries, kernel) {
            return Err(WindowError::NotRam {
                window: kernel,
                hole,
            });
        }
        let inside = map::ram_ranges(entries).filter_map(|run| run.intersect(&self.range));
        let runs = runs::without(inside, regions.iter().copied());
        if runs.len() > MAX_RUNS {
            return Err(WindowError::Scattered {
                window: self.range,
                runs: runs.len(),
            });
        }
        Ok(runs)
    }
}

/// The first part of `range` that is not RAM (or unusable, which Linux takes for
/// RAM here).
fn hole(entries: &[Entry], range: PhysRange) -> Option<PhysRange> {
    let mut at = range.start;
    for entry in entries {
        if entry.end <= at || entry.start >= range.end {
            continue;
        }
        if entry.start > at {
            break;
        }
        if !matches!(entry.kind, Kind::Ram | Kind::Unusable) {
            return entry.range().intersect(&range);
        }
        at = entry.end;
    }
    let next = entries.iter().find(|entry| entry.start > at);
    let end = next.map_or(range.end, |next| next.start.min(range.end));
    PhysRange::new(at, end).filter(|hole| !hole.is_empty() && at < range.end)
}

/// What is saved of `fence`: all of it, and the rest of a note that begins or ends
/// in it, which must be in one piece. Whole pages.
#[must_use]
pub fn to_save(fence: &[PhysRange], notes: impl Iterator<Item = Run> + Clone) -> Vec<PhysRange> {
    let saved = |part: &PhysRange| {
        let mut part = part.align_outward(PAGE_SIZE).unwrap_or(*part);
        for note in notes.clone() {
            let across = note.range().overlaps(&part) && !part.covers(&note.range());
            if across && note.end - note.start < LARGE {
                part.start = part.start.min(note.start / PAGE_SIZE * PAGE_SIZE);
                part.end = part
                    .end
                    .max(align_up(note.end, PAGE_SIZE).unwrap_or(note.end));
            }
        }
        part
    };
    // parts that have grown into each other are one
    let mut merged: Vec<PhysRange> = Vec::with_capacity(fence.len());
    for part in fence.iter().map(saved) {
        match merged.last_mut() {
            Some(last) if part.start <= last.end => last.end = last.end.max(part.end),
            _ => merged.push(part),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn r(start: u64, end: u64) -> PhysRange {
        PhysRange { start, end }
    }

    const fn e(start: u64, end: u64, kind: Kind) -> Entry {
        Entry { start, end, kind }
    }

    /// Debian's 6.1.
    const KERNEL: Dom0 = Dom0 {
        memory: r(0x100_0000, 0x4a0_0000),
        unpacked: 60 * MIB,
        initrd_apart: true,
        p2m_apart: true,
    };

    #[test]
    fn the_window_holds_what_was_measured_and_not_much_more() {
        // with 768 MiB: 136 MiB were enough for an initrd of 5.5 MiB, 134 were
        // not; 176 for one of 45.5 MiB, 144 were not
        let window = |initrd| Window::new(&KERNEL, initrd, 768 * MIB).unwrap();
        let small = window(11 * MIB / 2);
        assert_eq!(small.block, 128 * MIB);
        assert_eq!(small.range, r(16 * MIB, 140 * MIB));
        assert_eq!(small.kernel_end, 76 * MIB);
        assert_eq!(window(91 * MIB / 2).range.end, 180 * MIB);
        assert_eq!(window(0).range.end, 134 * MIB);
    }

    #[test]
    fn what_is_mapped_with_the_kernel_makes_the_block_larger() {
        let old = Dom0 {
            initrd_apart: false,
            p2m_apart: false,
            ..KERNEL
        };
        let window = Window::new(&old, 60 * MIB, 768 * MIB).unwrap();
        assert_eq!((window.block, window.range.end), (256 * MIB, 260 * MIB));
        let large = Dom0 {
            memory: r(16 * MIB, 127 * MIB),
            ..KERNEL
        };
        let window = Window::new(&large, 0, 512 * MIB).unwrap();
        assert_eq!(window.block, 128 * MIB);
        let larger = Dom0 {
            memory: r(16 * MIB, 128 * MIB - 0x1000),
            ..KERNEL
        };
        assert_eq!(Window::new(&larger, 0, 512 * MIB).unwrap().block, 256 * MIB);
        assert!(Window::new(&KERNEL, 1 << 40, 512 * MIB).is_err());
        assert!(Window::new(&KERNEL, u64::MAX, u64::MAX).is_err());
    }

    #[test]
    fn the_region_is_not_fenced() {
        let machine = [
            e(0, 0x9_fc00, Kind::Ram),
            e(MIB, 3072 * MIB, Kind::Ram),
            e(4096 * MIB, 6144 * MIB, Kind::Ram),
        ];
        let window = Window::new(&KERNEL, 0, 768 * MIB).unwrap();
        let fence = |region| window.fence(&machine, &[region]).unwrap();
        let all = r(16 * MIB, 134 * MIB);
        assert_eq!(fence(r(2048 * MIB, 2816 * MIB)), [all]);
        assert_eq!(fence(r(134 * MIB, 800 * MIB)), [all]);
        assert_eq!(fence(r(16 * MIB, 784 * MIB)), []);
        assert_eq!(fence(r(2 * MIB, 784 * MIB)), []);
        assert_eq!(fence(r(64 * MIB, 784 * MIB)), [r(16 * MIB, 64 * MIB)]);
        assert_eq!(fence(r(8 * MIB, 100 * MIB)), [r(100 * MIB, 134 * MIB)]);
        let inside = [r(16 * MIB, 32 * MIB), r(64 * MIB, 134 * MIB)];
        assert_eq!(fence(r(32 * MIB, 64 * MIB)), inside);
    }

    #[test]
    fn what_is_not_ram_stays_what_it_is_or_is_refused() {
        let machine = |start, end| {
            vec![
                e(MIB, start, Kind::Ram),
                e(start, end, Kind::Reserved),
                e(end, 1024 * MIB, Kind::Ram),
            ]
        };
        let window = Window::new(&KERNEL, 0, 512 * MIB).unwrap();
        let fence = window.fence(&machine(100 * MIB, 101 * MIB), &[]).unwrap();
        assert_eq!(fence, [r(16 * MIB, 100 * MIB), r(101 * MIB, 134 * MIB)]);
        for (start, end) in [(32, 33), (15, 17), (75, 90)] {
            let err = window
                .fence(&machine(start * MIB, end * MIB), &[])
                .unwrap_err();
            let hole = r(start.max(16) * MIB, end.min(76) * MIB);
            assert!(err.to_string().contains(&hole.to_string()), "{err}");
        }
        // nothing there at all
        let short = [e(MIB, 64 * MIB, Kind::Ram)];
        let err = window.fence(&short, &[]).unwrap_err();
        assert!(err.to_string().contains("0x4000000-0x4c00000"), "{err}");
        assert!(window.fence(&[], &[]).is_err());
        let gap = [
            e(MIB, 64 * MIB, Kind::Ram),
            e(65 * MIB, 1024 * MIB, Kind::Ram),
        ];
        let err = window.fence(&gap, &[]).unwrap_err();
        assert!(err.to_string().contains("0x4000000-0x4100000"), "{err}");
    }

    #[test]
    fn notes_stay_in_one_piece() {
        let note = |start, end| Run { start, end };
        let fence = [r(16 * MIB, 100 * MIB), r(101 * MIB, 134 * MIB)];
        let across = [
            note(16 * MIB - 8, 16 * MIB + 8),
            note(134 * MIB - 0x24, 134 * MIB + 0x1000),
            note(20 * MIB, 21 * MIB),
            note(1024 * MIB, 1024 * MIB + 8),
        ];
        assert_eq!(
            to_save(&fence, across.into_iter()),
            [
                r(16 * MIB - 0x1000, 100 * MIB),
                r(101 * MIB, 134 * MIB + 0x1000)
            ]
        );
        let between = [note(100 * MIB - 8, 101 * MIB + 8)];
        assert_eq!(
            to_save(&fence, between.into_iter()),
            [r(16 * MIB, 134 * MIB)]
        );
    }

    proptest! {
        #[test]
        fn sizes_never_overflow(
            start in 0_u64..1 << 32, len in 0_u64..1 << 32, initrd in any::<u64>(), region in any::<u64>(),
            initrd_apart in any::<bool>(), p2m_apart in any::<bool>(),
        ) {
            let memory = r(start, start.saturating_add(len).min(1 << 32));
            let kernel = Dom0 { memory, unpacked: 0, initrd_apart, p2m_apart };
            if let Ok(window) = Window::new(&kernel, initrd, region) {
                prop_assert!(window.range.end <= FOUR_GIB && window.block.is_power_of_two());
                prop_assert!(window.range.end >= window.block);
                prop_assert!(window.kernel_end >= memory.end && window.kernel_end <= window.block);
                prop_assert!(window.range.start <= memory.start);
            }
        }
    }
}
