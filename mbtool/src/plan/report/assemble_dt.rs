//! The [`PlanReport`] of a machine with a device tree.

use super::assemble::ReportFrame;
use super::{EntryRegisters, ExitReport, PlanReport};
use crate::host::Host;
use crate::plan::boot::DecodedInfo;
use crate::plan::cmdline_change::CmdlineChange;
use crate::plan::hex::Hex;
use crate::plan::place::dt_linux::DtLinuxPlaces;
use crate::plan::{KernelSegment, Request, Segment};

/// Input of [`report`].
pub(crate) struct DtDecisions<'a> {
    pub request: &'a Request,
    pub host: &'a Host,
    pub changes: Vec<CmdlineChange>,
    pub warnings: Vec<String>,
    pub places: DtLinuxPlaces,
    /// Entry point of the image.
    pub image_entry: u64,
    pub chosen: DecodedInfo,
}

/// Assembles the report; `entry` is that of the handoff.
pub(crate) fn report(
    decisions: DtDecisions<'_>,
    entry: u64,
    segments: &[Segment],
    kernel: &[KernelSegment],
) -> PlanReport {
    let DtDecisions {
        request,
        host,
        changes,
        warnings,
        places,
        image_entry,
        chosen,
    } = decisions;
    let frame = ReportFrame {
        request,
        host,
        entry,
        exit: ExitReport {
            mode: "linux-riscv64",
            registers: EntryRegisters(vec![
                // a0 is the number of the hart that runs
                ("a1", Hex(places.tree.start)),
                ("satp", Hex(0)),
                ("pc", Hex(image_entry)),
            ]),
        },
        base: places.kernel.start,
        reserved: places.kernel.len(),
        image_entry,
        boot: chosen,
        handoff: places.handoff,
        changes,
        warnings,
    };
    frame.report(segments, kernel)
}
