//! Conditions that Xen's kexec checks at load, and those that it omits
//! (`kimage_alloc`, `do_kimage_alloc` and `kimage_alloc_page` of Xen's
//! common/kimage.c).

use super::CheckError;
use crate::plan::KernelSegment;
use handoff::addr::{MIB, PAGE_SIZE, PhysRange};
use handoff::runs;

/// Number of pages mapped by one page table of the lowest level.
const TABLE: u64 = 512;
/// Entries per page of Xen's page list; one more links to the next page.
const LIST: u64 = 511;
/// Pages for control code and upper-level page tables, independent of the size.
const FEW: u64 = 16;

/// Constraints when Xen loads.
#[derive(Clone, Debug)]
pub struct XenLimits {
    /// Ranges that data must be in, sorted and merged; `None` for any.
    pub safe: Option<Vec<PhysRange>>,
    /// Size of the free heap in bytes, if known.
    pub heap_free: Option<u64>,
}

/// Pages of a crash region that Xen itself needs to map `mapped` bytes: half a
/// page per MiB, and a constant.
pub(super) const fn spare_pages(mapped: u64) -> u64 {
    mapped.div_ceil(2 * MIB) + FEW
}

/// Pages of the free heap needed to load `kernel`: destinations with data,
/// their list, and page tables.
pub(super) fn heap_pages(kernel: &[KernelSegment]) -> u64 {
    let pages = |segment: &KernelSegment| segment.dest.len() / PAGE_SIZE;
    let data: u64 = kernel
        .iter()
        .filter(|segment| !segment.data.is_empty())
        .map(pages)
        .sum();
    // sources are mapped like destinations; both may be scattered
    let tables: u64 = kernel
        .iter()
        .map(|segment| pages(segment).div_ceil(TABLE) + 1)
        .sum();
    data + data.div_ceil(LIST) + 2 * tables + FEW
}

/// Checks the conditions specific to Xen.
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
