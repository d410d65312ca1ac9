//! Placed crash data: what the crash kernel needs to dump the memory of the crashed system.

use super::xen::reserved_block::ReservedBlock;
use super::{Backup, LOW, linux, xen};
use crate::host::Host;
use crate::plan::boot::low_memory::LowMemoryPlan;
use crate::plan::boot::params::BootParams;
use crate::plan::place::allocator::Arena;
use crate::plan::{PlanError, Request, Segment};
use handoff::abi::Extent;
use handoff::addr::PhysRange;

/// Placed crash data.
#[derive(Clone, Debug)]
pub(crate) struct CrashData {
    /// Pages of the core header.
    pub header: PhysRange,
    /// Contents of the core header.
    pub bytes: Vec<u8>,
    /// Backups that the handoff makes: low memory first, if the machine has RAM
    /// there.
    pub backups: Vec<Backup>,
    /// Additional segments.
    pub extra: Vec<Segment>,
    /// Xen only: the block of all crash data, which Xen must not use.
    pub block: Option<ReservedBlock>,
}

/// Places the crash data of an image that makes a dump; `None` for others. Takes the pages from
/// `arena`, restricts the memory map in `low`, and extends the command line.
///
/// # Errors
///
/// When the region is too small, or the machine has too many memory ranges.
pub(crate) fn decide(
    request: &Request,
    host: &Host,
    params: &mut BootParams,
    low: &mut LowMemoryPlan,
    arena: &mut Arena,
) -> Result<Option<CrashData>, PlanError> {
    let Some(region) = request.crash else {
        return Ok(None);
    };
    if params.xen.is_some() {
        return xen::layout::decide(request, region, host, params, low, arena).map(Some);
    }
    if !request.image.protocol.dumps() {
        return Ok(None);
    }
    linux::decide(region, host, params, low, arena).map(Some)
}

impl CrashData {
    /// Returns the segments to load.
    pub(crate) fn segments(&self) -> impl Iterator<Item = Segment> + '_ {
        let header = Segment::new("elfcorehdr", self.header, self.bytes.clone());
        std::iter::once(header).chain(self.extra.iter().cloned())
    }

    /// A zero-length segment on the pages of the low memory backup. Other backups need none:
    /// the loading kernel allocates its own pages at the bottom of the region.
    pub(crate) fn saved_segment(&self) -> Option<Segment> {
        let Backup { from, to } = *self.backups.first().filter(|backup| backup.from == LOW)?;
        let pages = PhysRange::from_len(to, from.len())?;
        Some(Segment::new("saved low memory", pages, Vec::new()))
    }

    /// Returns the copies that the handoff makes before it moves anything else.
    pub(crate) fn save(&self) -> impl Iterator<Item = Extent> + '_ {
        let save = |Backup { from, to }: &Backup| Extent {
            to: *to,
            from: from.start,
            len: from.len(),
        };
        self.backups.iter().map(save)
    }
}
