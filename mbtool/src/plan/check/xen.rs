//! What Xen's kexec checks at load, and what it should check
//! (`kimage_alloc`, `do_kimage_alloc` and `kimage_alloc_page` of Xen's
//! common/kimage.c).

use super::CheckError;
use crate::plan::KernelSegment;
use handoff::addr::{MIB, PAGE_SIZE, PhysRange};
use handoff::runs;

/// Pages of memory that one page table of the lowest level maps.
const TABLE: u64 = 512;
/// Entries of one page of the list of pages that Xen makes; the last one is the
/// link to the next.
const LIST: u64 = 511;
/// Pages for control code, and for upper page tables, whatever is mapped.
const FEW: u64 = 16;

/// How Xen loads.
#[derive(Clone, Debug)]
pub struct XenLimits {
    /// The runs that data must be in, sorted and merged; `None`: anywhere.
    pub safe: Option<Vec<PhysRange>>,
    /// Bytes of the free heap, if known.
    pub heap_free: Option<u64>,
}

/// Pages that Xen needs in a crash region for itself when it maps `mapped`
/// bytes: half a page for each MiB, and a few.
pub(super) const fn spare_pages(mapped: u64) -> u64 {
    mapped.div_ceil(2 * MIB) + FEW
}

/// Pages of the free heap that loading `kernel` takes: those of its
/// destinations with data, the list of them, and the page tables.
pub(super) fn heap_pages(kernel: &[KernelSegment]) -> u64 {
    let pages = |segment: &KernelSegment| segment.dest.len() / PAGE_SIZE;
    let data: u64 = kernel
        .iter()
        .filter(|segment| !segment.data.is_empty())
        .map(pages)
        .sum();
    // sources are mapped as destinations are; both may be scattered
    let tables: u64 = kernel
        .iter()
        .map(|segment| pages(segment).div_ceil(TABLE) + 1)
        .sum();
    data + data.div_ceil(LIST) + 2 * tables + FEW
}

/// Checks what only Xen asks for.
pub(super) fn check(
    kernel: &[KernelSegment],
    crash: Option<PhysRange>,
    xen: &XenLimits,
) -> Result<(), CheckError> {
    let name = |segment: &KernelSegment| segment.names.join(" + ");
    for segment in kernel {
        let dest = segment.dest;
        if dest.is_empty() && segment.data.is_empty() {
            return Err(CheckError::Nothing {
                name: name(segment),
                dest,
            });
        }
        let Some(safe) = xen.safe.as_ref().filter(|_| !segment.data.is_empty()) else {
            continue;
        };
        let rest = runs::without([dest], safe.iter().copied());
        if let Some(first) = rest.first() {
            return Err(CheckError::InFreeHeap {
                name: name(segment),
                dest,
                page: first.start,
            });
        }
    }
    if let (Some(free), None) = (xen.heap_free, crash) {
        let (needed, free) = (heap_pages(kernel), free / PAGE_SIZE);
        if needed > free {
            return Err(CheckError::HeapTooSmall { needed, free });
        }
    }
    Ok(())
}
