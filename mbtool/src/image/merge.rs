//! Merges `PT_LOAD`s to [`LoadSegment`]s: those that share a page become one.
//!
//! `kexec_load(2)` works on pages, so two segments must not share one. If file
//! bytes of one `PT_LOAD` are in the zero-filled part of another, the file bytes
//! have priority; if file bytes of two have the same address, they must be
//! equal.

use super::LoadSegment;
use super::bytes::len;
use super::error::ImageErrorReason;
use handoff::addr::{PAGE_SIZE, PhysRange, align_down, align_up};

/// Maximum number of zeros to store between two `PT_LOAD`s in order to merge
/// them, in bytes. Above that, the segment is cut at the start of the shared
/// page.
const STORED_ZEROS: u64 = 64 << 10;

/// One `PT_LOAD` with memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load<'a> {
    /// Index in the program header table.
    pub(super) index: usize,
    /// Virtual address.
    pub(super) vaddr: u64,
    /// Physical memory, at the link address.
    pub(super) range: PhysRange,
    /// File bytes at its start; never longer than `range`.
    pub(super) data: &'a [u8],
}

impl Load<'_> {
    /// The part of `range` that has file bytes.
    fn filled(&self) -> PhysRange {
        PhysRange {
            start: self.range.start,
            end: self.range.start + len(self.data),
        }
    }
}

/// Merges `loads` into sorted segments that share neither byte nor page.
/// Appends a warning for each irregularity.
pub(super) fn merge(
    loads: &[Load<'_>],
    warnings: &mut Vec<String>,
) -> Result<Vec<LoadSegment>, ImageErrorReason> {
    let mut sorted = loads.to_vec();
    sorted.sort_by_key(|load| (load.range.start, load.index));
    let mut segments: Vec<LoadSegment> = Vec::new();
    let mut earlier: Vec<&Load<'_>> = Vec::new();
    for load in &sorted {
        match segments.last_mut() {
            Some(last) if shares_page(&last.range, &load.range) => {
                warn_overlap(&earlier, load, warnings);
                if let Some(next) = join(last, load, &earlier)? {
                    segments.push(next);
                }
            }
            _ => segments.push(LoadSegment {
                range: load.range,
                data: load.data.to_vec(),
            }),
        }
        earlier.push(load);
    }
    Ok(segments)
}

/// True when `next`, which does not start below `last`, begins in a page that
/// `last` has bytes in. An end that cannot be rounded up shares everything.
fn shares_page(last: &PhysRange, next: &PhysRange) -> bool {
    align_up(last.end, PAGE_SIZE).is_none_or(|end| align_down(next.start, PAGE_SIZE) < end)
}

/// Adds `load` to `last`, or returns the segment that follows `last`, after
/// cutting `last` short at a page boundary, when many zeros lie between.
fn join(
    last: &mut LoadSegment,
    load: &Load<'_>,
    earlier: &[&Load<'_>],
) -> Result<Option<LoadSegment>, ImageErrorReason> {
    let end = last.range.end.max(load.range.end);
    let filled = last.range.start + len(&last.data);
    let zeros = load.range.start.saturating_sub(filled);
    if load.data.is_empty() {
        last.range.end = end;
        return Ok(None);
    }
    if zeros > STORED_ZEROS {
        let start = align_down(load.range.start, PAGE_SIZE);
        let lead = usize::try_from(load.range.start - start).unwrap_or(0);
        last.range.end = start;
        let mut data = vec![0; lead];
        data.extend_from_slice(load.data);
        return Ok(Some(LoadSegment {
            range: PhysRange { start, end },
            data,
        }));
    }
    let at = usize::try_from(load.range.start - last.range.start).unwrap_or(usize::MAX);
    if last.data.len() < at {
        last.data.resize(at, 0);
    }
    let both = last.data.len().saturating_sub(at).min(load.data.len());
    let (shared, rest) = load.data.split_at(both);
    // starts are sorted, so the bytes stored past the start of this one come
    // from an earlier PT_LOAD, without padding
    let present = last.data.get(at..at + both).unwrap_or_default();
    if let Some(differs) = present.iter().zip(shared).position(|(a, b)| a != b) {
        let addr = load.range.start + u64::try_from(differs).unwrap_or(0);
        if let Some(first) = earlier.iter().find(|first| first.filled().contains(addr)) {
            return Err(ImageErrorReason::Conflict {
                first: first.index,
                second: load.index,
                addr,
            });
        }
    }
    last.data.extend_from_slice(rest);
    last.range.end = end;
    Ok(None)
}

/// Warns about memory that two `PT_LOAD`s fill. Sharing a page is normal.
fn warn_overlap(earlier: &[&Load<'_>], load: &Load<'_>, warnings: &mut Vec<String>) {
    if let Some(first) = earlier
        .iter()
        .find(|first| first.range.overlaps(&load.range))
    {
        let both = first.range.intersect(&load.range).unwrap_or_default();
        warnings.push(format!(
            "program headers {} and {} (PT_LOAD) both have {both}: file bytes win over zeros",
            first.index, load.index
        ));
    }
}
