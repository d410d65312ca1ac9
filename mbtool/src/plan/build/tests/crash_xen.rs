//! Plans for Xen as crash kernel.

use super::*;
use crate::host::RawRange;
use crate::host::acpi::Acpi;
use crate::host::crash_notes::Text;
use crate::image::cpio::testing::cpio;
use crate::image::synth::dom0_kernel;
use crate::plan::Bytes;
use crate::plan::cmdline_change::{CmdlineChange, CmdlineEdit};
use elf::ElfBytes;
use elf::abi::{PT_LOAD, PT_NOTE};
use elf::endian::LittleEndian;
use proptest::prelude::*;
use std::sync::LazyLock;
use xen_shim::acpi::AcpiTable;

/// Kernel like Debian's 6.1: occupies up to 74 MiB.
fn dom0() -> Module {
    let data = dom0_kernel(16 * MIB, 74 * MIB);
    module("vmlinuz", "console=hvc0 quiet", data)
}

/// An ACPI table with this signature and body; the OEM fields are arbitrary,
/// and the checksum is not set.
fn table(name: &str, signature: &[u8; 4], body: &[u8]) -> AcpiTable {
    let mut bytes = signature.to_vec();
    bytes.extend((36 + body.len() as u32).to_le_bytes());
    bytes.resize(36, b' ');
    bytes.extend(body);
    AcpiTable {
        name: name.to_owned(),
        bytes,
    }
}

fn acpi() -> Acpi {
    let mut madt = vec![0; 8];
    for id in 0..4 {
        madt.extend([0, 8, id, id, 1, 0, 0, 0]);
    }
    Acpi {
        tables: vec![
            table("APIC", b"APIC", &madt),
            table("FACP", b"FACP", &[0; 208]),
        ],
        boot_cpu: Some(0),
        warnings: vec![],
    }
}

/// The machine of [`bios`] with 3 GiB and more above 4 GiB, for dumps.
pub(super) fn host(region: PhysRange) -> Host {
    let mut host = bios();
    host.memory_map[3].end = 0xbffe_0000;
    host.memory_map[4] = entry(0xbffe_0000, 0xc000_0000, MemoryKind::Reserved);
    host.memory_map
        .push(entry(FOUR_GIB, 6 << 30, MemoryKind::Ram));
    host.crash_regions = vec![region.into()];
    let run = |start, len| RawRange {
        start,
        end: start + len,
    };
    host.dump.cpu_notes = vec![run(0x1_3fd0_0000, 372), run(0x1_3fd4_0000, 372)];
    host.dump.vmcoreinfo = Some(run(0x188_6000, 0x1024));
    host.dump.text = Some(Text {
        virt: 0xffff_ffff_8100_0000,
        phys: 0x100_0000,
        len: 0x200_0000,
    });
    host.acpi = acpi();
    host
}

/// A buffer of `len` bytes, shared by all requests.
fn initrd(len: usize) -> Bytes {
    static BYTES: LazyLock<Bytes> = LazyLock::new(|| vec![3; 80 << 20].into());
    BYTES.slice(0..len)
}

fn request(region: PhysRange) -> Request {
    let mut initrd_module = module("initrd.img", "", vec![]);
    initrd_module.data = initrd(6 << 20);
    Request {
        modules: vec![dom0(), initrd_module],
        crash: Some(region),
        ..xen_request()
    }
}

const REGION: PhysRange = PhysRange {
    start: 0x8e00_0000,
    end: 0xbe00_0000,
};

/// Program headers of the core header: type, physical address, offset, length.
fn core_header(plan: &Plan) -> Vec<(u32, u64, u64, u64)> {
    let segment = plan.segments.iter().find(|s| s.name == "elfcorehdr");
    let bytes = &segment.unwrap().data[..];
    let file = ElfBytes::<LittleEndian>::minimal_parse(bytes).unwrap();
    let all = file.segments().unwrap().iter();
    all.map(|load| (load.p_type, load.p_paddr, load.p_offset, load.p_filesz))
        .collect()
}

/// Memory map passed to Xen: ranges and E820 types.
fn sent(plan: &Plan) -> Vec<(PhysRange, u32)> {
    let tags = plan.report.boot.tags().iter();
    let map = tags.filter_map(|tag| match &tag.body {
        DecodedTagBody::Map { entries, .. } => Some(entries),
        _ => None,
    });
    let entries = map.flatten();
    entries
        .map(|e| (PhysRange::from_len(e.base.0, e.length).unwrap(), e.kind))
        .collect()
}

/// Checks the invariants for any region.
fn consistent(plan: &Plan, host: &Host, region: PhysRange) {
    for segment in &plan.segments {
        assert!(region.covers(&segment.dest), "{segment:?}");
    }
    let map = sent(plan);
    let kind = |addr: u64| map.iter().find(|(r, _)| r.contains(addr)).map(|(_, k)| *k);
    // memory usable by Xen is in the region, outside of the backups
    let moves: Vec<(PhysRange, u64)> = plan
        .report
        .moves
        .iter()
        .map(|m| (PhysRange::from_len(m.to.0, m.len).unwrap(), m.from.0))
        .collect();
    for (range, kind) in &map {
        if *kind == 1 {
            assert!(region.covers(range), "{range}");
            assert!(moves.iter().all(|(to, _)| !to.overlaps(range)), "{range}");
        }
    }
    for name in ["elfcorehdr", "acpi", "saved low memory"] {
        let dest = dest(plan, name);
        assert_eq!(
            (kind(dest.start), kind(dest.end - 1)),
            (Some(2), Some(2)),
            "{name}"
        );
    }
    // copies overlap neither each other nor loaded segments
    for (index, (to, _)) in moves.iter().enumerate() {
        assert!(region.covers(to));
        assert!(moves[..index].iter().all(|(other, _)| !other.overlaps(to)));
        let mut loaded = plan.segments.iter().filter(|s| !s.data.is_empty());
        assert!(loaded.all(|segment| !segment.dest.overlaps(to)), "{to}");
    }
    // dom0's pseudo-physical range is all RAM or unusable up to its end
    for addr in (16 * MIB..134 * MIB).step_by(4096) {
        assert!(
            matches!(kind(addr), Some(1 | 5)),
            "{addr:#x}: {:?}",
            kind(addr)
        );
    }
    // every page of the crashed system except page 0 is in the dump, in memory
    // that dom0 can read: reserved memory
    let loads: Vec<_> = core_header(plan)
        .into_iter()
        .filter(|h| h.0 == PT_LOAD)
        .collect();
    for ram in map::ram_ranges(&host.ram_in_use()) {
        for part in ram.minus(&region).into_iter().flatten() {
            let inside = PhysRange {
                start: part.start.max(0x1000),
                end: part.end,
            };
            for addr in (inside.start..inside.end).step_by(0x1000) {
                let load = loads
                    .iter()
                    .rev()
                    .find(|(_, paddr, _, len)| (*paddr..paddr + len).contains(&addr));
                let (_, paddr, offset, _) = load.unwrap_or_else(|| panic!("{addr:#x} is missing"));
                let at = offset + (addr - paddr);
                assert_eq!(kind(at), Some(2), "{addr:#x} is read at {at:#x}");
                let moved = moves.iter().find(|(to, _)| to.contains(at));
                let from = moved.map_or(at, |(to, from)| from + (at - to.start));
                assert_eq!(from, addr);
            }
        }
    }
}

#[test]
fn xen_is_confined_to_the_region_and_the_dump_is_complete() {
    let host = host(REGION);
    let plan = plan(&request(REGION), &host).unwrap();
    consistent(&plan, &host, REGION);
    assert!(plan.crash && plan.kernel_segments.len() <= 16);
    // low memory is backed up first, before the fixups
    let moves = &plan.report.moves;
    assert_eq!((moves[0].from.0, moves[0].len), (0x1000, 0x9_f000));
    assert_eq!((moves[1].from.0, moves[1].len), (16 * MIB, 124 * MIB));
    // VMCOREINFO is in dom0's pseudo-physical range
    let notes: Vec<_> = core_header(&plan)
        .into_iter()
        .filter(|h| h.0 == PT_NOTE)
        .collect();
    assert_eq!(notes[0].2, 0x1_3fd0_0000);
    assert_eq!(notes[2].2, moves[1].to.0 + 0x88_6000);
    let strings: Vec<&str> = plan
        .report
        .boot
        .tags()
        .iter()
        .filter_map(|tag| match &tag.body {
            DecodedTagBody::Module { cmdline, .. } => Some(cmdline.as_str()),
            _ => None,
        })
        .collect();
    let header = dest(&plan, "elfcorehdr").start;
    let expected = format!("elfcorehdr={header:#010x} console=hvc0 quiet");
    assert_eq!(strings, [expected.as_str(), ""]);
    assert!(!plan.report.warnings.iter().any(|w| w.contains("nosmp")));
}

#[test]
fn there_is_one_rsdp_for_the_boot_cpu_and_one_for_others() {
    let plan = plan(&request(REGION), &host(REGION)).unwrap();
    let acpi = dest(&plan, "acpi").start;
    let copies: Vec<_> = plan
        .report
        .fixups
        .iter()
        .filter_map(|fixup| match fixup {
            FixupReport::CopyRsdp { from, to, on, .. } if to.0 < MIB => Some((from.0, to.0, *on)),
            _ => None,
        })
        .collect();
    assert_eq!(
        copies,
        [
            (acpi, 0x9_e010, Some("boot-cpu")),
            (acpi + 64, 0x9_e010, Some("other-cpu"))
        ]
    );
    let low = plan.report.xen_low_memory.as_ref().unwrap();
    assert_eq!(low.trampoline.unwrap().start.0, 0x8_e000);
}

#[test]
fn without_acpi_tables_xen_uses_one_cpu() {
    let mut host = host(REGION);
    host.acpi.boot_cpu = Some(9);
    let plan = plan(&request(REGION), &host).unwrap();
    let warned = |text: &str| plan.report.warnings.iter().any(|w| w.contains(text));
    assert!(warned("APIC id 9"), "{:?}", plan.report.warnings);
    let added = |wanted: &str| {
        let is = |change: &CmdlineChange| matches!(&change.edit, CmdlineEdit::Added { parameter, .. } if parameter == wanted);
        plan.report.cmdline_changes.iter().any(is)
    };
    assert!(added("nosmp") && added("mce=0"));
    assert!(plan.segments.iter().all(|segment| segment.name != "acpi"));
    let tags = plan.report.boot.tags().iter();
    let line = tags.filter_map(|tag| match &tag.body {
        DecodedTagBody::Text { string } if tag.kind == 1 => Some(string.clone()),
        _ => None,
    });
    let line: Vec<String> = line.collect();
    assert!(line[0].contains("nosmp mce=0"), "{line:?}");
}

#[test]
fn a_region_in_or_around_dom0s_window() {
    for (start, end) in [
        (16, 784),
        (1, 769),
        (64, 832),
        (130, 900),
        (8, 520),
        (256, 1024),
    ] {
        let region = r(start * MIB, end * MIB);
        let host = host(region);
        let plan = plan(&request(region), &host).unwrap();
        consistent(&plan, &host, region);
    }
}

#[test]
fn a_region_that_is_too_small_is_refused_with_the_advised_size() {
    let small = r(0x8e00_0000, 0x8e00_0000 + 320 * MIB);
    let error = refused(&request(small), &host(small));
    let PlanError::CrashRegionTooSmall {
        region,
        parts,
        reserve: Some(reserve),
        ..
    } = &error
    else {
        panic!("{error:?}");
    };
    let advice = reserve.bytes / MIB;
    assert!((416..=544).contains(&advice), "{error}");
    assert_eq!(*region, small);
    assert!(parts.contains("dom0's first block 128 MiB"), "{parts}");
    // and that size is sufficient at any address
    for start in (200..1200).step_by(37) {
        let region = r(start * MIB + 0x5000, (start + advice) * MIB + 0x5000);
        plan(&request(region), &host(region)).unwrap();
    }
}

/// A compressed archive with one file of `len` zeros, much smaller than the
/// file.
fn dense(len: usize) -> Vec<u8> {
    let archive = cpio(&[("f", &vec![0; len])]);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packer, &archive).unwrap();
    packer.finish().unwrap()
}

/// The unpacked size of the initrd counts, not its file size.
#[test]
fn an_initrd_that_cannot_be_unpacked_there_is_refused() {
    let region = r(0x4000_0000, 0x4000_0000 + 512 * MIB);
    let mut request = request(region);
    plan(&request, &host(region)).unwrap();
    request.modules[1].data = dense(200 << 20).into();
    assert!(request.modules[1].data.len() < 6 << 20);
    assert_error!(
        refused(&request, &host(region)),
        PlanError::CrashRegionTooSmall { region: found, .. } if *found == region
    );
}

#[test]
fn a_pvh_dom0_is_refused() {
    let mut request = request(REGION);
    request.cmdline = "console=com1 dom0=pvh".to_owned();
    assert_error!(refused(&request, &host(REGION)), PlanError::PvhDom0);
}

#[test]
fn dom0_gets_a_limited_number_of_cpus() {
    let mut host = host(REGION);
    let of = |n: u64| RawRange {
        start: 0x1_3fd0_0000 + n * 0x1000,
        end: 0x1_3fd0_0000 + n * 0x1000 + 372,
    };
    host.dump.cpu_notes = (0..64).map(of).collect();
    let plan = plan(&request(REGION), &host).unwrap();
    let warnings = plan.report.warnings.join("\n");
    assert!(warnings.contains("added dom0_max_vcpus=4"), "{warnings}");
}

/// Memory added by drivers is in use, but not in firmware's memory map.
#[test]
fn memory_that_drivers_have_added_is_dumped() {
    let mut host = host(REGION);
    host.added_ram = vec![
        entry(8 << 30, 9 << 30, MemoryKind::Ram),
        entry((8 << 30) + MIB, (8 << 30) + 2 * MIB, MemoryKind::Ram),
    ];
    let plan = plan(&request(REGION), &host).unwrap();
    consistent(&plan, &host, REGION);
    let whole = |h: &(u32, u64, u64, u64)| (h.1, h.3) == (8 << 30, 1 << 30);
    assert!(core_header(&plan).iter().any(whole));
}

#[test]
fn a_kernel_without_dom0_support_is_refused() {
    let mut request = request(REGION);
    request.modules[0] = kernel();
    assert_error!(
        refused(&request, &host(REGION)),
        PlanError::Image(error) if error.name == "module 0: vmlinuz"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_region_gets_a_valid_plan_or_a_refusal(start in 0x400_u64..0x9_0000, mib in 64_u64..900, initrd in 1_usize..80) {
        let region = r(start << 12, (start << 12) + (mib << 20));
        let host = host(region);
        let mut request = request(region);
        request.modules[1].data = self::initrd(initrd << 20);
        if let Ok(plan) = plan(&request, &host) {
            consistent(&plan, &host, region);
        }
    }
}
