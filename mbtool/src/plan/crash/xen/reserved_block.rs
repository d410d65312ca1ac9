//! The block of the crash region that is reserved for dom0.

use super::size::{self, XenSize};
use crate::plan::crash::initramfs;
use crate::plan::crash::size::SizeEstimate;
use crate::plan::place::allocator::NoFreeRange;
use crate::plan::place::layout::Layout;
use crate::plan::{PlanError, Request};
use handoff::addr::{FOUR_GIB, PhysRange};

/// The reserved block for dom0, and the sizes of other parts.
#[derive(Clone, Debug)]
pub(crate) struct ReservedBlock {
    /// Contiguous range of the block.
    pub range: PhysRange,
    pub(super) xen_size: XenSize,
    pub(super) estimate: SizeEstimate,
    pub(super) regions: Vec<PhysRange>,
}

impl ReservedBlock {
    /// Checks that the remaining memory is sufficient to start Xen and dom0.
    ///
    /// # Errors
    ///
    /// When the region is too small.
    pub(crate) fn check(&self, request: &Request, layout: &Layout) -> Result<(), PlanError> {
        let free = size::free(&self.regions, &[self.range, layout.reserved]);
        let free: Vec<PhysRange> = free.into_iter().filter(|run| run.end <= FOUR_GIB).collect();
        let fits = |files| {
            let files = self.xen_size.initrd.max(files);
            XenSize {
                files,
                ..self.xen_size
            }
            .fits(&free)
        };
        // unpacking the initrd takes time, so it is done last
        let enough = fits(0) && fits(initramfs::files(request));
        match request.crash {
            Some(region) if !enough => Err(self.too_small(region)),
            _ => Ok(()),
        }
    }

    pub(super) fn too_small(&self, region: PhysRange) -> PlanError {
        PlanError::too_small(region, &self.estimate)
    }

    /// Replaces `error` if the region as a whole is too small.
    pub(crate) fn no_free_range(&self, error: PlanError, request: &Request) -> PlanError {
        match (&error, request.crash, request.mem_max) {
            (PlanError::NoFreeRange(NoFreeRange { .. }), Some(region), None)
                if region.len() < self.xen_size.to_reserve() =>
            {
                self.too_small(region)
            }
            _ => error,
        }
    }
}
