//! Plans for a Linux crash kernel that dumps the crashed system.

use super::*;
use crate::host::RawRange;
use crate::host::crash_notes::CrashInfo;
use crate::host::xen::XenHost;
use crate::image::As;
use crate::image::synth::bzimage;
use crate::plan::boot::DecodedInfo;
use elf::ElfBytes;
use elf::abi::{PT_LOAD, PT_NOTE};
use elf::endian::LittleEndian;
use elf::segment::ProgramHeader;

const REGION: PhysRange = PhysRange {
    start: 256 * MIB,
    end: 448 * MIB,
};

fn run(start: u64, len: u64) -> RawRange {
    RawRange {
        start,
        end: start + len,
    }
}

/// [`bios`] with 192 MiB reserved and two CPUs.
fn host() -> Host {
    Host {
        crash_regions: vec![REGION.into()],
        dump: CrashInfo {
            cpu_notes: vec![run(0x7d00_0000, 372), run(0x7d10_0000, 372)],
            vmcoreinfo: Some(run(0x188_6000, 0x1024)),
            direct_map: Some(0xffff_8880_0000_0000),
            ..CrashInfo::default()
        },
        ..bios()
    }
}

fn asked(cmdline: &str) -> Request {
    let mut request = Request::new(Image::parse_as(&bzimage(), "vmlinuz", As::Auto).unwrap());
    request.cmdline = cmdline.to_owned();
    request.modules = vec![module("initrd", "", vec![7; 5000])];
    request.crash = Some(REGION);
    request
}

fn headers(plan: &Plan) -> Vec<ProgramHeader> {
    let segment = plan
        .segments
        .iter()
        .find(|segment| segment.name == "elfcorehdr");
    let data = segment.unwrap().data.to_vec();
    let file = ElfBytes::<LittleEndian>::minimal_parse(&data).unwrap();
    file.segments().unwrap().iter().collect()
}

#[test]
fn everything_is_in_the_region_and_the_command_line_names_it() {
    let plan = plan(&asked("quiet crashkernel=192M nr_cpus=1"), &host()).unwrap();
    for segment in &plan.segments {
        assert!(REGION.covers(&segment.dest), "{}", segment.name);
    }
    let header = dest(&plan, "elfcorehdr");
    let saved = dest(&plan, "saved low memory");
    assert_eq!(saved.len(), 0x9f000);
    let DecodedInfo::Linux(sent) = &plan.report.boot else {
        panic!("no boot_params");
    };
    let expected = format!("elfcorehdr={:#010x} quiet nr_cpus=1", header.start);
    assert_eq!(sent.cmdline, expected);
    let ram: Vec<PhysRange> = sent
        .e820
        .iter()
        .filter(|area| area.kind == 1)
        .map(|area| r(area.base.0, area.base.0 + area.length))
        .collect();
    // both are at the top of the region
    assert_eq!(ram, [r(0, 0x9fc00), r(REGION.start, header.start)]);
    assert_eq!(saved.end, REGION.end);
    // low memory is backed up before anything else is done
    let first = &plan.report.moves[0];
    assert_eq!((first.from.0, first.to.0), (0x1000, saved.start));
    assert_eq!(
        (first.len, first.name.as_str()),
        (0x9f000, "saved low memory")
    );
    let warnings = plan.report.warnings.join("\n");
    assert!(
        warnings.contains("crashkernel=192M is removed"),
        "{warnings}"
    );
    assert!(plan.report.dump.is_some());
}

#[test]
fn the_core_header_has_the_notes_and_all_other_memory() {
    let plan = plan(&asked("nr_cpus=1"), &host()).unwrap();
    let headers = headers(&plan);
    let of = |kind| headers.iter().filter(move |header| header.p_type == kind);
    let notes: Vec<u64> = of(PT_NOTE).map(|note| note.p_offset).collect();
    assert_eq!(notes, [0x7d00_0000, 0x7d10_0000, 0x188_6000]);
    let saved = dest(&plan, "saved low memory");
    let loads: Vec<(u64, u64, u64)> = of(PT_LOAD)
        .map(|load| (load.p_paddr, load.p_paddr + load.p_memsz, load.p_offset))
        .collect();
    assert_eq!(
        loads,
        [
            (0x1000, 0x9fc00, saved.start),
            (MIB, REGION.start, MIB),
            (REGION.end, 0x7ffe_0000, REGION.end),
        ]
    );
}

/// Persistent memory keeps its type, since a dump may be written to it.
#[test]
fn persistent_memory_stays_persistent() {
    let mut host = host();
    let pmem = [
        entry(8 << 30, 9 << 30, MemoryKind::Pmem),
        entry(9 << 30, 10 << 30, MemoryKind::Pram),
    ];
    host.memory_map.extend(pmem);
    let plan = plan(&asked("nr_cpus=1"), &host).unwrap();
    let DecodedInfo::Linux(sent) = &plan.report.boot else {
        panic!("no boot_params");
    };
    let kinds: Vec<u32> = sent.e820.iter().map(|area| area.kind).collect();
    assert_eq!(kinds[kinds.len() - 2..], [7, 12]);
}

#[test]
fn a_region_that_is_too_small_is_refused_with_the_advised_size() {
    let region = r(256 * MIB, 258 * MIB);
    let mut host = host();
    host.crash_regions[0].end = region.end;
    let mut request = asked("nr_cpus=1");
    request.crash = Some(region);
    request.modules[0].data = vec![7; 12 << 20].into();
    let too_small = |host: &Host| match refused(&request, host) {
        PlanError::CrashRegionTooSmall {
            region: found,
            parts,
            reserve: Some(reserve),
            ..
        } => {
            assert_eq!(found, region);
            (parts, reserve.xen)
        }
        error => panic!("{error:?}"),
    };
    let (parts, xen) = too_small(&host);
    for part in ["initrd: initrd 12 MiB", "saved low memory 636 KiB"] {
        assert!(parts.contains(part), "{part}: {parts}");
    }
    assert!(!xen);
    host.xen = Some(XenHost::default());
    assert!(too_small(&host).1);
    // enough memory in total, but not at the required addresses: the error
    // names the segment
    host.xen = None;
    host.crash_regions[0].end = REGION.end;
    request.crash = Some(REGION);
    request.mem_max = Some(258 * MIB);
    let error = refused(&request, &host);
    assert!(
        !matches!(error, PlanError::CrashRegionTooSmall { .. }),
        "{error:?}"
    );
}

#[test]
fn under_xen_the_notes_are_xens_and_its_tables_fit() {
    let mut host = host();
    host.xen = Some(XenHost {
        cpu_notes: vec![run(0x7fa0_0000, 0x1f4)],
        vmcoreinfo: Some(run(0x7fa1_0000, 0x1000)),
        ..XenHost::default()
    });
    let plan = plan(&asked("nr_cpus=1"), &host).unwrap();
    let headers = headers(&plan);
    let notes: Vec<(u64, u64)> = headers
        .iter()
        .filter(|header| header.p_type == PT_NOTE)
        .map(|note| (note.p_offset, note.p_filesz))
        .collect();
    assert_eq!(
        notes,
        [
            (0x7fa0_0000, 0x1f4),
            (0x188_6000, 0x1000),
            (0x7fa1_0000, 0x1000)
        ]
    );
    // no virtual addresses: memory is the machine's, and dom0's addresses are
    // pseudo-physical
    assert!(headers.iter().all(|header| header.p_vaddr == 0));
    let lowest = plan
        .segments
        .iter()
        .filter(|segment| segment.dest.start >= REGION.start)
        .map(|segment| segment.dest.start)
        .min();
    let free = lowest.unwrap() - REGION.start;
    assert!(free / PAGE_SIZE >= 192 / 2 + 16, "{free:#x} bytes are free");
}

#[test]
fn unknown_notes_are_a_warning() {
    let mut host = host();
    host.dump = CrashInfo {
        warnings: vec!["because".to_owned()],
        ..CrashInfo::default()
    };
    let plan = plan(&asked("nr_cpus=1"), &host).unwrap();
    let warnings = plan.report.warnings.join("\n");
    for part in ["because", "a dump will have memory only"] {
        assert!(warnings.contains(part), "{warnings}");
    }
    assert!(headers(&plan).iter().all(|header| header.p_type == PT_LOAD));
}

#[test]
fn an_ordinary_image_gets_no_crash_data() {
    let mut request = asked("quiet");
    request.crash = None;
    let plan = plan(&request, &host()).unwrap();
    assert!(
        plan.segments
            .iter()
            .all(|segment| segment.name != "elfcorehdr")
    );
    let DecodedInfo::Linux(sent) = &plan.report.boot else {
        panic!("no boot_params");
    };
    assert_eq!(sent.cmdline, "quiet");
    assert!(plan.report.dump.is_none());
}
