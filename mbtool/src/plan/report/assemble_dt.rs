//! The [`PlanReport`] of a machine with a device tree.

use super::assemble::{kernel_segment, segment};
use super::{
    EntryRegisters, ExitReport, FORMAT, HandoffReport, ImageReport, PlanReport, consoles_text,
    drill_text, on_fault_text, verify_text,
};
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
    let image = &request.image;
    let start = Hex(places.kernel.start);
    PlanReport {
        format: FORMAT,
        arch: host.arch,
        crash: request.crash.is_some(),
        entry: Hex(entry),
        exit: ExitReport {
            mode: "linux-riscv64",
            registers: EntryRegisters(vec![
                // a0 is the number of the hart that runs
                ("a1", Hex(places.tree.start)),
                ("satp", Hex(0)),
                ("pc", Hex(image_entry)),
            ]),
        },
        image: ImageReport {
            name: image.name.clone(),
            kind: image.protocol.name(),
            format: image.format,
            base: start,
            link_base: Hex(image.span.start),
            size: image.span.len(),
            reserved: places.kernel.len(),
            entry: Hex(image_entry),
            xen: None,
        },
        segments: segments.iter().map(segment).collect(),
        boot: chosen,
        memory_map: host.memory_map.clone(),
        efi_ram: host.efi_ram.clone(),
        added_ram: host.added_ram.clone(),
        low_memory: host.low_memory,
        crash_regions: host.crash_regions.clone(),
        xen: None,
        boot_facts: None,
        device_tree: host.device_tree.clone(),
        dump: request.crash.map(|_| host.dump.clone()),
        xen_low_memory: None,
        fixups: Vec::new(),
        moves: Vec::new(),
        clear: Vec::new(),
        handoff: HandoffReport {
            base: Hex(places.handoff.start),
            size: places.handoff.len(),
            console: consoles_text(&request.consoles),
            on_fault: on_fault_text(request.on_fault),
            verify: verify_text(request.verify),
            drill: drill_text(request.drill),
            guard: false,
        },
        initrd_parts: request.initrd_parts.clone(),
        cmdline_changes: changes,
        warnings,
        kernel_segments: kernel.iter().map(kernel_segment).collect(),
    }
}
