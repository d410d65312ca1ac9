// UNSAFETY: makes hypercalls.
#![expect(unsafe_code)]
//! Xen's machine-to-physical table: the frame number of each machine frame in
//! its owner's memory.
//!
//! One 64-bit word per 4 KiB frame. A frame that no domain has (free, Xen's own,
//! the crash area, no RAM at all) has all ones there. The table is read by
//! mapping its frames, which Xen lists in units of 2 MiB.

use super::explain::{FailedCall, explain};
use super::transport::{memory_op, request};
use super::wire::{MachphysMfnList, memory_cmd};
use super::{DOMID_XEN, HypercallError, Transport};
use handoff::addr::{PAGE_SIZE, PhysRange};
use std::ops::Range;

/// Words of the table in a frame.
const WORDS: u64 = PAGE_SIZE / 8;
/// Frames of the table per list entry: 2 MiB, for 1 GiB of the machine.
const EXTENT: u64 = 512;
/// Maximum number of list entries: 64 TiB of machine memory.
const MAX_EXTENTS: u64 = 1 << 16;
/// Maximum number of frames of an owner: 2^52 bytes.
const MAX_PFN: u64 = 1 << 40;

/// Location of the table.
#[derive(Debug)]
pub struct M2pTable<'a> {
    transport: &'a dyn Transport,
    /// One past the highest frame of RAM.
    frames: u64,
    /// First frame of each 2 MiB of the table; `None` where there is none.
    extents: Vec<Option<u64>>,
}

impl<'a> M2pTable<'a> {
    /// Queries the location of the table.
    pub fn open(transport: &'a dyn Transport) -> Result<Self, HypercallError> {
        // SAFETY: this command takes no structure.
        let frames = unsafe { memory_op(transport, memory_cmd::MAXIMUM_RAM_PAGE, None) }
            .map_err(|errno| explain(FailedCall::MaximumRamPage, errno))?;
        let frames = u64::try_from(frames).unwrap_or_default();
        let wanted = frames.div_ceil(WORDS * EXTENT);
        if wanted == 0 || wanted > MAX_EXTENTS {
            return Err(HypercallError::Nonsense {
                call: "XENMEM_maximum_ram_page",
                answer: format!("{frames:#x} frames of memory"),
            });
        }
        let list = transport.buffer(wanted as usize * 8)?;
        let mut answer = MachphysMfnList {
            max_extents: wanted as u32,
            pad: 0,
            extents: list.addr(),
            count: 0,
            pad2: 0,
        };
        let request = request(transport, &answer)?;
        // SAFETY: the structure has the capacity of the list.
        unsafe { memory_op(transport, memory_cmd::MACHPHYS_MFN_LIST, Some(&request)) }
            .map_err(|errno| explain(FailedCall::M2pList, errno))?;
        answer = request.get();
        let listed = answer.count.min(wanted as u32) as usize;
        let mut before = None;
        let (words, _) = list.bytes().as_chunks();
        let extents = words
            .iter()
            .take(listed)
            .map(|word| {
                let mfn = u64::from_ne_bytes(*word);
                // Xen fills a hole by repeating the entry before it
                let is = (before != Some(mfn)).then_some(mfn);
                before = Some(mfn);
                is
            })
            .collect();
        Ok(Self {
            transport,
            frames,
            extents,
        })
    }

    /// All owned frames, sorted and merged.
    pub fn owned_runs(&self) -> Result<Vec<PhysRange>, HypercallError> {
        let mut runs = Runs::default();
        for (n, extent) in self.extents.iter().enumerate() {
            if extent.is_some() {
                let first = n as u64 * WORDS * EXTENT;
                let end = self.frames.min(first + WORDS * EXTENT);
                self.read(first..end, &mut |mfn, owned| runs.frame(mfn, owned))?;
            }
        }
        Ok(runs.found)
    }

    /// True when every page that `range` touches is owned; an empty range is.
    pub fn owns(&self, range: PhysRange) -> Result<bool, HypercallError> {
        let mut at = range.start / PAGE_SIZE;
        let end = range.end.div_ceil(PAGE_SIZE);
        let mut all = true;
        while all && at < end && !range.is_empty() {
            let part = end.min((at / (WORDS * EXTENT) + 1) * (WORDS * EXTENT));
            let there = self.extents.get((at / (WORDS * EXTENT)) as usize);
            if part > self.frames || !matches!(there, Some(Some(_))) {
                return Ok(false);
            }
            self.read(at..part, &mut |_, owned| all &= owned)?;
            at = part;
        }
        Ok(all)
    }

    /// Calls `each` for the words of `mfns`, all in one existing extent.
    fn read(
        &self,
        mfns: Range<u64>,
        each: &mut dyn FnMut(u64, bool),
    ) -> Result<(), HypercallError> {
        let extent = (mfns.start / (WORDS * EXTENT)) as usize;
        let Some(base) = self.extents.get(extent).copied().flatten() else {
            return Ok(());
        };
        let page = |mfn: u64| mfn / WORDS % EXTENT;
        let pages = page(mfns.start)..page(mfns.end - 1) + 1;
        let frames: Vec<u64> = pages.clone().map(|page| base.wrapping_add(page)).collect();
        let mapping = self.transport.map_foreign(DOMID_XEN, &frames)?;
        let mut words = vec![0; (mfns.end - mfns.start) as usize];
        let skip = (mfns.start % WORDS) as usize * 8;
        if !mapping.read_words(skip, &mut words) {
            return Err(HypercallError::Nonsense {
                call: "machine-to-physical table",
                answer: format!(
                    "{} frames were mapped instead of {}",
                    mapping.frames(),
                    frames.len()
                ),
            });
        }
        for (mfn, word) in mfns.zip(words) {
            each(mfn, owned(word));
        }
        Ok(())
    }
}

/// True when a word of the table is an owner's frame number: not all ones (no owner),
/// all ones but the last bit (shared), or the fill of unused parts by older releases
/// (0x55 and 0x77 bytes).
fn owned(word: u64) -> bool {
    word < MAX_PFN
}

/// Merges frames in ascending order to ranges.
#[derive(Default)]
struct Runs {
    found: Vec<PhysRange>,
}

impl Runs {
    fn frame(&mut self, mfn: u64, owned: bool) {
        if !owned {
            return;
        }
        let start = mfn * PAGE_SIZE;
        let end = start + PAGE_SIZE;
        match self.found.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => self.found.push(PhysRange { start, end }),
        }
    }
}
