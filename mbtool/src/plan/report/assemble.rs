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
use crate::plan::boot::{self, Boot};
use crate::plan::hex::Hex;
use crate::plan::place::layout::Layout;
use crate::plan::{KernelSegment, Request, Segment};
use handoff::abi::Extent;
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
    PlanReport {
        format: FORMAT,
        arch: host.arch,
        crash: request.crash.is_some(),
        entry: Hex(entry),
        exit: ExitReport {
            mode: boot.mode,
            registers: EntryRegisters(boot::registers(&boot)),
        },
        image: ImageReport {
            name: image.name.clone(),
            kind: image.protocol.name(),
            format: image.format,
            base: Hex(layout.base),
            link_base: Hex(image.span.start),
            size: image.span.len(),
            reserved: layout.reserved.len(),
            entry: Hex(image_entry),
            xen: params.xen,
        },
        segments: segments.iter().map(segment).collect(),
        boot: boot.decoded,
        memory_map: host.memory_map.clone(),
        efi_ram: host.efi_ram.clone(),
        added_ram: host.added_ram.clone(),
        low_memory: host.low_memory,
        crash_regions: host.crash_regions.clone(),
        xen: host.xen.clone(),
        dump: (request.crash.is_some() && image.protocol.dumps()).then(|| host.dump.clone()),
        boot_facts: match image.protocol {
            Protocol::Linux(_) => Some(host.boot_facts.clone()),
            Protocol::Multiboot2 | Protocol::Multiboot1(_) => {
                let facts = host.boot_facts.for_multiboot();
                (facts != BootFacts::default()).then_some(facts)
            }
            Protocol::Pvh | Protocol::DtLinux(_) => None,
        },
        device_tree: None,
        xen_low_memory,
        fixups: spec.fixups.iter().map(|&fixup| fixup.into()).collect(),
        moves: spec
            .relocate
            .extents
            .iter()
            .map(|extent| move_report(extent, segments))
            .collect(),
        clear: spec
            .relocate
            .clear
            .iter()
            .map(|&range| range.into())
            .collect(),
        handoff: HandoffReport {
            base: Hex(layout.handoff.start),
            size: layout.handoff.len(),
            console: consoles_text(&spec.consoles),
            on_fault: on_fault_text(spec.on_fault),
            verify: verify_text(spec.verify),
            drill: if request.drill_heap {
                "xen-heap"
            } else {
                drill_text(spec.drill)
            },
            guard: spec.guard,
        },
        initrd_parts: request.initrd_parts.clone(),
        cmdline_changes: params.changes,
        warnings: params.warnings,
        kernel_segments: kernel.iter().map(kernel_segment).collect(),
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

pub(super) fn segment(segment: &Segment) -> SegmentReport {
    SegmentReport {
        name: segment.name.clone(),
        dest: Hex(segment.dest.start),
        memsz: segment.dest.len(),
        bufsz: segment.data.len(),
        crc32: Hex(segment.crc32.into()),
        sha256: segment
            .sha256
            .map(|digest| digest.iter().map(|byte| format!("{byte:02x}")).collect()),
    }
}

pub(super) fn kernel_segment(segment: &KernelSegment) -> KernelSegmentReport {
    KernelSegmentReport {
        dest: Hex(segment.dest.start),
        memsz: segment.dest.len(),
        bufsz: segment.data.len(),
        names: segment.names.clone(),
    }
}
