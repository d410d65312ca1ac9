//! The [`PlanReport`] of a machine with a device tree.

use super::assemble::ReportFrame;
use super::{EntryRegisters, ExitReport, PlanReport};
use crate::arch::Architecture;
use crate::host::Host;
use crate::plan::boot::DecodedInfo;
use crate::plan::cmdline_change::CmdlineChange;
use crate::plan::hex::Hex;
use crate::plan::place::dt::DtPlaces;
use crate::plan::{KernelSegment, Request, Segment};
use xen_shim::XenInfo;

/// Input of [`report`].
pub(crate) struct DtDecisions<'a> {
    pub request: &'a Request,
    pub host: &'a Host,
    pub changes: Vec<CmdlineChange>,
    pub warnings: Vec<String>,
    pub places: DtPlaces,
    /// Name of the exit.
    pub mode: &'static str,
    /// Xen, if the image is one.
    pub xen: Option<XenInfo>,
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
        mode,
        xen,
        image_entry,
        chosen,
    } = decisions;
    let (tree, pc) = (Hex(places.tree.start), ("pc", Hex(image_entry)));
    let registers = match host.arch {
        Architecture::Arm64 => {
            let zero = |name| (name, Hex(0));
            vec![("x0", tree), zero("x1"), zero("x2"), zero("x3"), pc]
        }
        Architecture::Arm => {
            let machine = ("r1", Hex(u32::MAX.into()));
            vec![("r0", Hex(0)), machine, ("r2", tree), pc]
        }
        // a0 is the number of the hart that runs
        _ => vec![("a1", tree), ("satp", Hex(0)), pc],
    };
    let frame = ReportFrame {
        request,
        host,
        entry,
        exit: ExitReport {
            mode,
            registers: EntryRegisters(registers),
        },
        base: places.kernel.start,
        reserved: places.kernel.len(),
        image_entry,
        boot: chosen,
        handoff: places.handoff,
        changes,
        warnings,
    };
    let mut report = frame.report(segments, kernel);
    report.image.xen = xen;
    report
}
