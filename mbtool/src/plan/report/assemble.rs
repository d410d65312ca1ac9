//! Assembles the [`PlanReport`].

use super::{
    EntryRegisters, ExitReport, FORMAT, HandoffReport, ImageReport, KernelSegmentReport,
    LowFixReport, LowReport, MoveReport, PlanReport, SegmentReport, consoles_text, drill_text,
    on_fault_text, verify_text,
};
use crate::host::Host;
use crate::host::boot_facts::BootFacts;
use crate::image::Protocol;
use crate::plan::boot::low_memory::LowMemoryPlan;
use crate::plan::boot::params::BootParams;
use crate::plan::boot::{self, Boot, DecodedInfo};
use crate::plan::cmdline_change::CmdlineChange;
use crate::plan::hex::Hex;
use crate::plan::place::layout::Layout;
use crate::plan::{KernelSegment, Request, Segment};
use crate::sys::hex_bytes;
use handoff::abi::Extent;
use handoff::addr::PhysRange;
use handoff::spec::Spec;

/// Input of [`report`].
pub(crate) struct Decisions<'a> {
    pub request: &'a Request,
    pub host: &'a Host,
    pub params: BootParams,
    pub low: LowMemoryPlan,
    pub layout: Layout,
    pub boot: Boot,
    pub spec: Spec,
    pub image_entry: u64,
}

/// Assembles the report.
pub(crate) fn report(
    decisions: Decisions<'_>,
    entry: u64,
    segments: &[Segment],
    kernel: &[KernelSegment],
) -> PlanReport {
    let Decisions {
        request,
        host,
        params,
        low,
        layout,
        boot,
        spec,
        image_entry,
    } = decisions;
    let image = &request.image;
    let xen_low_memory = params.xen.is_some().then(|| LowReport {
        trampoline: low.trampoline.map(Into::into),
        fix: low.fix.as_ref().map(|fix| LowFixReport {
            ebda: Hex(fix.ebda),
            base_kib: fix.base_kib,
            rsdp: fix.rsdp.map(|copy| Hex(copy.to)),
        }),
    });
    let boot_facts = match image.protocol {
        Protocol::Linux(_) => Some(host.boot_facts.clone()),
        Protocol::Multiboot2 | Protocol::Multiboot1(_) => {
            let facts = host.boot_facts.for_multiboot();
            (facts != BootFacts::default()).then_some(facts)
        }
        Protocol::Pvh | Protocol::DtLinux(_) | Protocol::DtXen(..) => None,
    };
    let frame = ReportFrame {
        request,
        host,
        entry,
        exit: ExitReport {
            mode: boot.mode,
            registers: EntryRegisters(boot::registers(&boot)),
        },
        base: layout.base,
        reserved: layout.reserved.len(),
        image_entry,
        boot: boot.decoded,
        handoff: layout.handoff,
        changes: params.changes,
        warnings: params.warnings,
    };
    let mut report = frame.report(segments, kernel);
    report.image.xen = params.xen;
    let moves = spec.relocate.extents.iter();
    PlanReport {
        xen: host.xen.clone(),
        boot_facts,
        xen_low_memory,
        fixups: spec.fixups.iter().map(|&fixup| fixup.into()).collect(),
        moves: moves.map(|extent| move_report(extent, segments)).collect(),
        clear: spec
            .relocate
            .clear
            .iter()
            .map(|&range| range.into())
            .collect(),
        ..report
    }
}

/// What the reports of all machines have, and how they are entered.
pub(super) struct ReportFrame<'a> {
    pub request: &'a Request,
    pub host: &'a Host,
    /// Entry point of the handoff.
    pub entry: u64,
    pub exit: ExitReport,
    /// Load address of the image.
    pub base: u64,
    /// Bytes reserved for it.
    pub reserved: u64,
    pub image_entry: u64,
    pub boot: DecodedInfo,
    /// Pages of the handoff.
    pub handoff: PhysRange,
    pub changes: Vec<CmdlineChange>,
    pub warnings: Vec<String>,
}

impl ReportFrame<'_> {
    /// A report without what only some machines have.
    pub(super) fn report(self, segments: &[Segment], kernel: &[KernelSegment]) -> PlanReport {
        let (request, host) = (self.request, self.host);
        let image = &request.image;
        PlanReport {
            format: FORMAT,
            arch: host.arch,
            crash: request.crash.is_some(),
            entry: Hex(self.entry),
            exit: self.exit,
            image: ImageReport {
                name: image.name.clone(),
                kind: image.protocol.name(),
                format: image.format,
                base: Hex(self.base),
                link_base: Hex(image.span.start),
                size: image.span.len(),
                reserved: self.reserved,
                entry: Hex(self.image_entry),
                xen: None,
            },
            segments: segments.iter().map(segment).collect(),
            boot: self.boot,
            memory_map: host.memory_map.clone(),
            efi_ram: host.efi_ram.clone(),
            added_ram: host.added_ram.clone(),
            low_memory: host.low_memory,
            crash_regions: host.crash_regions.clone(),
            xen: None,
            device_tree: host.device_tree.clone(),
            dump: (request.crash.is_some() && image.protocol.dumps()).then(|| host.dump.clone()),
            boot_facts: None,
            xen_low_memory: None,
            fixups: Vec::new(),
            moves: Vec::new(),
            clear: Vec::new(),
            handoff: HandoffReport {
                base: Hex(self.handoff.start),
                size: self.handoff.len(),
                console: consoles_text(&request.consoles),
                on_fault: on_fault_text(request.on_fault),
                verify: verify_text(request.verify),
                drill: if request.drill_heap {
                    "xen-heap"
                } else {
                    drill_text(request.drill)
                },
                guard: request.guard,
            },
            initrd_parts: request.initrd_parts.clone(),
            cmdline_changes: self.changes,
            warnings: self.warnings,
            kernel_segments: kernel.iter().map(kernel_segment).collect(),
        }
    }
}

fn move_report(extent: &Extent, segments: &[Segment]) -> MoveReport {
    let at = |addr| segments.iter().find(|s| s.dest.contains(addr));
    // a backup's source is not a segment, only its destination is
    let segment = at(extent.from).or_else(|| at(extent.to));
    MoveReport {
        name: segment.map_or_else(|| "saved memory".to_owned(), |s| s.name.clone()),
        from: Hex(extent.from),
        to: Hex(extent.to),
        len: extent.len,
    }
}

fn segment(segment: &Segment) -> SegmentReport {
    SegmentReport {
        name: segment.name.clone(),
        dest: Hex(segment.dest.start),
        memsz: segment.dest.len(),
        bufsz: segment.data.len(),
        crc32: Hex(segment.crc32.into()),
        sha256: segment.sha256.map(|digest| hex_bytes::digits(&digest)),
    }
}

fn kernel_segment(segment: &KernelSegment) -> KernelSegmentReport {
    KernelSegmentReport {
        dest: Hex(segment.dest.start),
        memsz: segment.dest.len(),
        bufsz: segment.data.len(),
        names: segment.names.clone(),
    }
}
