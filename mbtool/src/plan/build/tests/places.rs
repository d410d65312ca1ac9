//! Where parts are placed: images in separate pieces of RAM, parts of a Linux image above 4 GiB, and
//! the advice when there is no place.

use super::*;
use crate::abi::boot_params::XLoadFlags;
use crate::host::{RawRange, iomem};
use crate::image::{As, synth};
use crate::plan::boot::DecodedInfo;
use crate::plan::place::allocator::FixedError;
use handoff::spec::Exit;
use xen_shim::fix::Fix;

/// A BIOS machine with 1 GiB below 4 GiB, and its RSDP below 1 MiB.
const BIOS_1_GIB: &str = "\
00000000-00000fff : Reserved
00001000-0009fbff : System RAM
0009fc00-0009ffff : Reserved
000a0000-000bffff : PCI Bus 0000:00
000f0000-000fffff : Reserved
00100000-3ffdffff : System RAM
3ffe0000-3fffffff : Reserved
100000000-13fffffff : System RAM
";
/// Little RAM below 4 GiB, 64 GiB above.
const MOSTLY_HIGH: &str = "\
00000000-00000fff : Reserved
00001000-0009fbff : System RAM
0009fc00-000fffff : Reserved
00100000-06ffffff : System RAM
07000000-ffffffff : Reserved
100000000-10ffffffff : System RAM
";

fn host(map: &str) -> Host {
    let memory_map = map::normalize(&iomem::parse(map).unwrap().entries).unwrap();
    Host {
        memory_map,
        ..Host::default()
    }
}

/// An ELF file with one `PT_LOAD` at each address.
fn elf(loads: &[u64]) -> Request {
    let mut builder = synth::ElfBuilder::elf32(loads[0] + 0x100);
    let mut header = Some(synth::program(synth::HeaderBuilder::new(), 0x200));
    for addr in loads {
        let data = header.take().unwrap_or_else(|| vec![0x5a; 0x200]);
        builder = builder.load(*addr, data, 0x1000);
    }
    Request::new(Image::parse_as(&builder.build(), "image", As::Auto).unwrap())
}

fn linux(initrd: usize) -> Request {
    let image = Image::parse_as(&synth::bzimage(), "vmlinuz", As::Auto).unwrap();
    Request {
        modules: vec![module("initrd.img", "", vec![0; initrd])],
        cmdline: "console=ttyS0".to_owned(),
        ..Request::new(image)
    }
}

fn without_high_load(mut request: Request) -> Request {
    let Protocol::Linux(setup) = &mut request.image.protocol else {
        panic!("not Linux");
    };
    setup.xloadflags.remove(XLoadFlags::CAN_BE_LOADED_ABOVE_4G);
    request
}

fn sent(plan: &Plan) -> &crate::plan::boot::linux::BootParamsReport {
    match &plan.report.boot {
        DecodedInfo::Linux(sent) => sent,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_segment_is_checked_against_ram_by_itself() {
    let mut host = host(BIOS_1_GIB);
    host.low_memory = bios().low_memory;
    let mut request = elf(&[0x9000, 0x10_0000]);
    request.modules = vec![module("m", "", vec![1; 5000])];
    let made = plan(&request, &host).unwrap();
    assert_eq!(dest(&made, "image segment 0"), r(0x9000, 0xa000));
    assert_eq!(dest(&made, "image segment 1"), r(0x10_0000, 0x10_1000));
    assert_eq!(made.report.image.size, 0xf_8000);
    // a segment where there is no RAM
    let pages = r(0xf_0000, 0xf_1000);
    assert_error!(
        refused(&elf(&[0x9000, 0xf_0000, 0x10_0000]), &host),
        PlanError::Fixed(FixedError::NotRam { range, .. }) if *range == pages
    );
    // and one where something else is
    let pages = r(0, 0x2000);
    assert_error!(
        refused(&elf(&[0x400, 0x10_0000]), &host),
        PlanError::Fixed(FixedError::Taken { range, by, .. }) if *range == pages && by == "page 0"
    );
}

#[test]
fn gaps_of_an_image_stay_free_unless_there_is_no_other_memory() {
    let mut request = elf(&[4 * MIB, 16 * MIB]);
    request.modules = vec![module("m", "", vec![1; 5000])];
    request.mem_min = 2 * MIB;
    let made = plan(&request, &bios()).unwrap();
    assert!(dest(&made, "module 0: m").start < 4 * MIB);
    request.mem_min = 4 * MIB;
    let made = plan(&request, &bios()).unwrap();
    for name in ["module 0: m", "mbi", "handoff"] {
        assert!(dest(&made, name).start > 16 * MIB, "{name}");
    }
    request.mem_max = Some(16 * MIB);
    let made = plan(&request, &bios()).unwrap();
    assert!(dest(&made, "module 0: m").end <= 16 * MIB);
}

#[test]
fn a_crash_image_in_two_pieces_is_staged_without_its_gap() {
    let mut host = bios();
    host.crash_regions = vec![RawRange::from(r(256 * MIB, 320 * MIB))];
    let mut request = elf(&[4 * MIB, 128 * MIB]);
    request.crash = Some(r(256 * MIB, 320 * MIB));
    let made = plan(&request, &host).unwrap();
    let moves = &made.report.moves;
    let to: Vec<u64> = moves.iter().map(|one| one.to.0).collect();
    assert_eq!(to, [4 * MIB, 128 * MIB]);
    let (first, second) = (&moves[0], &moves[1]);
    assert_eq!(second.from.0, first.from.0 + 0x1000);
    // the gap may be anything but RAM
    let device = entry(64 * MIB, 65 * MIB, MemoryKind::Reserved);
    host.memory_map.push(device);
    host.memory_map = map::normalize(&host.memory_map).unwrap();
    assert!(plan(&request, &host).is_ok());
}

#[test]
fn an_initrd_without_room_below_4_gib_is_above() {
    let host = host(MOSTLY_HIGH);
    let small = plan(&linux(5000), &host).unwrap();
    assert!(dest(&small, "initrd: initrd.img").end <= FOUR_GIB);
    let size = 119 << 20;
    let made = plan(&linux(size), &host).unwrap();
    let initrd = dest(&made, "initrd: initrd.img");
    assert_eq!(initrd.start, FOUR_GIB);
    let sent = sent(&made);
    let reported = sent.initrd.unwrap();
    assert_eq!(
        (reported.start.0, reported.end.0),
        (FOUR_GIB, FOUR_GIB + size as u64)
    );
    for name in ["vmlinuz", "boot_params", "handoff"] {
        assert!(dest(&made, name).end <= FOUR_GIB, "{name}");
    }
}

#[test]
fn kernel_and_boot_params_are_above_4_gib_if_they_must() {
    let mut host = host(MOSTLY_HIGH);
    // the handoff alone fits below
    host.memory_map.retain(|entry| entry.start != MIB);
    host.memory_map.push(entry(MIB, 2 * MIB, MemoryKind::Ram));
    host.memory_map = map::normalize(&host.memory_map).unwrap();
    let request = linux(5 << 20);
    let seen = std::cell::Cell::new(None);
    let builder = |spec: &Spec| {
        seen.set(Some(spec.exit));
        handoff::blob::build(spec)
    };
    let made = plan_with(&request, &host, &builder).unwrap();
    let kernel = dest(&made, "vmlinuz");
    assert!(
        kernel.start >= FOUR_GIB && kernel.len() == 8 * MIB,
        "{kernel}"
    );
    assert!(dest(&made, "handoff").end <= FOUR_GIB);
    let params = dest(&made, "boot_params");
    let exit = Exit::Linux64 {
        entry: kernel.start + 0x200,
        boot_params: params.start,
    };
    assert_eq!(seen.get(), Some(exit));
    // boot_params, too, with its command line, when there is room for the handoff only
    let end = MIB + handoff::blob::memsz();
    host.memory_map.retain(|entry| entry.start != MIB);
    host.memory_map.push(entry(MIB, end, MemoryKind::Ram));
    host.memory_map = map::normalize(&host.memory_map).unwrap();
    let made = plan(&request, &host).unwrap();
    let sent = sent(&made);
    assert!(sent.addr.0 >= FOUR_GIB && sent.cmdline_addr.0 > sent.addr.0);
    assert_eq!(sent.cmdline, "console=ttyS0");
}

#[test]
fn an_initrd_that_the_kernel_cannot_read_above_4_gib_is_refused_with_the_limit() {
    let size = 119 << 20;
    let error = refused(&without_high_load(linux(size)), &host(MOSTLY_HIGH));
    let PlanError::InitrdLimit {
        len,
        end,
        largest,
        above,
        ..
    } = &error
    else {
        panic!("{error:?}");
    };
    assert_eq!((*len, *end), (size as u64, 0x8000_0000));
    assert_eq!(*above, r(FOUR_GIB, FOUR_GIB + size as u64));
    assert!((100 * MIB..112 * MIB).contains(largest), "{largest:#x}");
}

#[test]
fn advice_to_widen_the_window_is_given_only_where_it_helps() {
    let host = host(MOSTLY_HIGH);
    let elsewhere = |request: &Request| match refused(request, &host) {
        PlanError::NoFreeRange(error) => {
            let fix = error.fix().unwrap().into_owned();
            let place = error.place_elsewhere().unwrap_or(error.window);
            assert_eq!(
                (fix.contains("--mem-min"), fix.contains("--mem-max")),
                (
                    place.start < error.window.start,
                    place.end > error.window.end
                ),
                "{fix}"
            );
            error.place_elsewhere()
        }
        PlanError::ModuleAbove4Gib { .. } => None,
        other => panic!("{other:?}"),
    };
    // what the advice asks for is enough
    let loads = |request: &Request| {
        let place = elsewhere(request).unwrap();
        let mut request = request.clone();
        request.mem_min = request.mem_min.min(place.start);
        let max = |max: u64| max.max(place.end);
        request.mem_max = request.mem_max.map(max);
        plan(&request, &host).map(|_| place.start)
    };
    // the window excludes what is large enough
    let mut request = linux(50 << 20);
    request.mem_max = Some(32 * MIB);
    assert!(loads(&request).is_ok());
    let mut request = linux(119 << 20);
    request.mem_max = Some(FOUR_GIB);
    assert_eq!(loads(&request).unwrap(), FOUR_GIB);
    let mut request = Request::new(payload());
    request.modules = vec![module("m", "", vec![0; 60 << 20])];
    request.mem_min = 64 * MIB;
    assert!(loads(&request).is_ok());
    // nothing is
    request.mem_min = MIB;
    request.modules = vec![module("m", "", vec![0; 119 << 20])];
    assert!(elsewhere(&request).is_none());
    let mut host = host.clone();
    host.memory_map.retain(|entry| entry.end <= FOUR_GIB);
    let error = refused(&linux(119 << 20), &host);
    assert_error!(error, PlanError::NoFreeRange(error) if error.elsewhere.is_none());
}

/// The handoff has to be below 4 GiB; the kernel has not.
#[test]
fn options_that_exclude_a_part_are_named_with_their_values() {
    let host = host(MOSTLY_HIGH);
    let excluded = |min: u64, max: Option<u64>| {
        let mut request = linux(5000);
        (request.mem_min, request.mem_max) = (min, max);
        let error = refused(&request, &host);
        let text = error.to_string();
        assert_eq!(text.contains("--mem-max"), max.is_some(), "{text}");
        match error {
            PlanError::Window { name, max, .. } => (name, max),
            other => panic!("{other:?}"),
        }
    };
    // no part has a place, on neither side of 4 GiB
    let mut request = linux(5000);
    request.mem_max = Some(0x1000);
    let error = refused(&request, &host);
    assert!(!error.to_string().contains("--mem-min"), "{error}");
    let PlanError::Window {
        name,
        allowed,
        place: Some(place),
        ..
    } = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(name, "vmlinuz");
    assert!(
        allowed.start < FOUR_GIB && allowed.end > FOUR_GIB,
        "{allowed}"
    );
    request.mem_max = Some(place.end);
    assert!(plan(&request, &host).is_ok());
    assert_eq!(excluded(FOUR_GIB, None), ("handoff".to_owned(), None));
    let max = Some(2 * FOUR_GIB);
    assert_eq!(excluded(FOUR_GIB, max), ("handoff".to_owned(), max));
    // an image that cannot be above 4 GiB
    let mut request = without_high_load(linux(5000));
    request.mem_min = FOUR_GIB;
    assert_error!(
        refused(&request, &host),
        PlanError::Window { name, max: None, .. } if name == "vmlinuz"
    );
}

#[test]
fn a_crash_region_outside_ram_is_named_with_the_ram() {
    let mut host = bios();
    let region = r(0x8c00_0000, 0x9c00_0000);
    host.crash_regions = vec![RawRange::from(region)];
    let mut request = linux(5000);
    request.crash = Some(region);
    let error = refused(&request, &host);
    let PlanError::CrashRegionNotRam { region: named, ram } = error else {
        panic!("{error:?}");
    };
    assert_eq!(named, region);
    assert_eq!(ram, [r(0, 0x9fc00), r(MIB, 0x7ffe_0000)]);
}

#[test]
fn memory_above_4_gib_is_no_place_for_the_handoff() {
    let mut host = host(MOSTLY_HIGH);
    host.memory_map.retain(|entry| entry.start != MIB);
    let error = refused(&linux(5000), &host);
    let PlanError::NoFreeRange(error) = error else {
        panic!("{error:?}");
    };
    assert_eq!(error.name, "handoff");
    assert!(error.window.end <= FOUR_GIB);
    assert_eq!(error.fix(), None, "no option helps");
    // less of something else would
    let mut taken = error;
    taken.ram = vec![r(MIB, 64 * MIB)];
    assert!(taken.fix().is_some());
}

#[test]
fn an_image_at_its_link_address_is_outside_of_given_bounds_only() {
    let mut host = host(BIOS_1_GIB);
    host.low_memory = bios().low_memory;
    let warned = |request: &Request| {
        let warnings = plan(request, &host).unwrap().report.warnings;
        warnings.iter().any(|text| text.contains("--mem-min"))
    };
    let mut request = elf(&[0x9000, 0x10_0000]);
    assert!(!warned(&request));
    request.mem_min = 2 * MIB;
    assert!(warned(&request));
}
