use super::*;
use crate::image::{
    Format, FramebufferRequest, Image, InfoRequest, LoadSegment, Preference, Protocol, Relocatable,
    Requirements,
};
use crate::memory::{CrashRegion, Entry, Kind, LowMemory, Rsdp};
use crate::plan::report::{FixupReport, Hex};
use crate::plan::resolve::ResolveError;
use crate::plan::sent::Body;
use crate::plan::{Module, request};
use handoff::addr::{FOUR_GIB, MIB, PAGE_SIZE, PhysRange};
use xen_shim::contract::ContractError;

fn r(start: u64, end: u64) -> PhysRange {
    PhysRange::new(start, end).unwrap()
}

fn entry(start: u64, end: u64, kind: Kind) -> Entry {
    Entry { start, end, kind }
}

/// QEMU, 2 GiB, SeaBIOS.
fn bios() -> Host {
    Host {
        memory_map: vec![
            entry(0, 0x9fc00, Kind::Ram),
            entry(0x9fc00, 0xa0000, Kind::Reserved),
            entry(0xf0000, MIB, Kind::Reserved),
            entry(MIB, 0x7ffe_0000, Kind::Ram),
            entry(0x7ffe_0000, 0x8000_0000, Kind::Reserved),
        ],
        low_memory: LowMemory {
            bda_ebda_segment: Some(0x9fc0),
            bda_base_kib: Some(639),
            rsdp: Some(Rsdp {
                addr: 0xf5a40,
                revision: 0,
            }),
            rsdp_in_low_memory: true,
            efi: false,
        },
        ..Host::default()
    }
}

/// QEMU, 4.5 GiB, OVMF.
fn uefi() -> Host {
    Host {
        memory_map: vec![
            entry(0, 0xa0000, Kind::Ram),
            entry(MIB, 0x7e8e_d000, Kind::Ram),
            entry(0x7e8e_d000, 0x7eb6_d000, Kind::Reserved),
            entry(0x7eb6_d000, 0x7eb7_f000, Kind::AcpiTables),
            entry(0x7eb7_f000, 0x7ebf_f000, Kind::AcpiNvs),
            entry(0x7ebf_f000, 0x8000_0000, Kind::Ram),
            entry(FOUR_GIB, FOUR_GIB + (2560 << 20), Kind::Ram),
        ],
        low_memory: LowMemory {
            bda_ebda_segment: Some(0),
            bda_base_kib: Some(0),
            rsdp: Some(Rsdp {
                addr: 0x7eb7_e014,
                revision: 2,
            }),
            rsdp_in_low_memory: false,
            efi: true,
        },
        ..Host::default()
    }
}

/// A fixed image of 12 KiB at 2 MiB, 5000 bytes of it loaded.
fn payload() -> Image {
    let range = r(2 * MIB, 2 * MIB + 0x3000);
    Image {
        name: "payload".to_owned(),
        protocol: Protocol::Multiboot2,
        format: Format::Elf32,
        position_independent: false,
        segments: vec![LoadSegment {
            range,
            data: vec![0x90; 5000],
        }],
        span: range,
        entry: 2 * MIB + 0x20,
        requirements: Requirements::default(),
        notes: vec![],
        sections: None,
        relocs: vec![],
        align: 4096,
        warnings: vec![],
    }
}

fn relocatable(preference: Preference) -> Image {
    let relocatable = Relocatable {
        min: MIB,
        max: 0xffff_ffff,
        align: 2 * MIB,
        preference,
    };
    let requirements = Requirements {
        relocatable: Some(relocatable),
        ..Default::default()
    };
    Image {
        requirements,
        ..payload()
    }
}

/// What is recognised as Xen, with Debian's sizes and tags.
fn xen() -> Image {
    let mut data = vec![0; 0x2000];
    data[0x18..0x1c].copy_from_slice(&0xe852_50d6_u32.to_le_bytes());
    for (at, sign) in [
        (0x1000, &b"----[ Xen-%d.%d%s  x86_64"[..]),
        (0x1100, b"Xen version %d.%d%s (%s@%s)"),
        (0x1200, b"\x004.17.7\0gcc 12\0"),
    ] {
        data[at..at + sign.len()].copy_from_slice(sign);
    }
    let range = r(2 * MIB, 2 * MIB + 0x3a7000);
    let mut image = relocatable(Preference::Highest);
    image.name = "xen.gz".to_owned();
    image.entry = 2 * MIB;
    image.requirements.info_requests = [4, 6]
        .map(|tag| InfoRequest {
            tag,
            required: true,
        })
        .to_vec();
    Image {
        segments: vec![LoadSegment { range, data }],
        span: range,
        ..image
    }
}

fn module(name: &str, cmdline: &str, data: Vec<u8>) -> Module {
    Module {
        name: name.to_owned(),
        cmdline: cmdline.to_owned(),
        data: data.into(),
    }
}

fn kernel() -> Module {
    let mut data = vec![7; 0x8000];
    data[0x202..0x206].copy_from_slice(b"HdrS");
    data[0x206..0x208].copy_from_slice(&[0x0f, 2]);
    module("vmlinuz", "root=/dev/ram0 console=hvc0", data)
}

fn xen_request() -> Request {
    Request {
        cmdline: "com1=115200,8n1 console=com1".to_owned(),
        modules: vec![kernel(), module("initrd.img", "", vec![3; 100_001])],
        ..Request::new(xen())
    }
}

fn refused(request: &Request, host: &Host) -> String {
    plan(request, host).unwrap_err().to_string()
}

fn dest(plan: &Plan, name: &str) -> PhysRange {
    plan.segments
        .iter()
        .find(|segment| segment.name == name)
        .unwrap()
        .dest
}

#[test]
fn a_fixed_image_stays_and_everything_is_consistent() {
    let mut request = Request::new(payload());
    request.cmdline = "hello world".to_owned();
    request.modules = vec![
        module("a", "first", vec![1; 5000]),
        module("b", "", vec![2; 1]),
    ];
    let plan = plan(&request, &bios()).unwrap();
    assert_eq!(dest(&plan, "payload"), r(2 * MIB, 2 * MIB + 0x3000));
    // modules lie low, on pages of their own, and are found by the tags
    let modules: Vec<_> = plan
        .report
        .boot
        .tags()
        .iter()
        .filter_map(|tag| match &tag.body {
            Body::Module {
                start,
                end,
                cmdline,
            } => Some((start.0, end.0, cmdline.as_str())),
            _ => None,
        })
        .collect();
    let first = dest(&plan, "module 0: a");
    assert_eq!(modules[0], (first.start, first.start + 5000, "first"));
    assert!(first.end < 2 * MIB);
    assert_eq!(modules[1].1 - modules[1].0, 1);
    assert!(
        modules
            .iter()
            .all(|(start, ..)| start.is_multiple_of(PAGE_SIZE))
    );
    assert_eq!(
        plan.report.exit.registers.get("ebx"),
        dest(&plan, "mbi").start
    );
    assert!(dest(&plan, "handoff").contains(plan.entry));
    for segment in &plan.segments {
        assert_eq!(
            segment.crc32,
            crc32fast::hash(&segment.data),
            "{}",
            segment.name
        );
    }
    // what is loaded is what was given
    let b = plan
        .segments
        .iter()
        .find(|segment| segment.name == "module 1: b")
        .unwrap();
    assert_eq!(&*b.data, [2]);
    assert_eq!(plan.report.warnings, Vec::<String>::new());
    assert_eq!(plan.report.fixups.len(), 1);
    assert!(plan.report.xen_low_memory.is_none());
}

#[test]
fn the_same_input_gives_the_same_plan() {
    let json = || {
        let plan = plan(&xen_request(), &uefi()).unwrap();
        let data: Vec<Vec<u8>> = plan
            .kernel_segments
            .iter()
            .map(|s| s.data.to_vec())
            .collect();
        (serde_json::to_string(&plan.report).unwrap(), data)
    };
    assert_eq!(json(), json());
}

#[test]
fn a_report_is_a_recorded_machine() {
    let host = uefi();
    let plan = plan(&xen_request(), &host).unwrap();
    let json = serde_json::to_vec(&plan.report).unwrap();
    let again: Host = serde_json::from_slice(&json).unwrap();
    assert_eq!(again, host);
    assert_eq!(crate::memory::replay::from_json(&json).unwrap(), host);
    let replayed = super::plan(&xen_request(), &again).unwrap();
    assert_eq!(serde_json::to_vec(&replayed.report).unwrap(), json);
}

#[test]
fn preferences_are_honoured() {
    let base = |preference| {
        let plan = plan(&Request::new(relocatable(preference)), &bios()).unwrap();
        assert_eq!(plan.report.image.entry.0, plan.report.image.base.0 + 0x20);
        plan.report.image.base.0
    };
    assert_eq!(base(Preference::Lowest), 2 * MIB);
    assert_eq!(base(Preference::None), 2 * MIB);
    assert_eq!(base(Preference::Highest), 0x7fe0_0000);
    let mut request = Request::new(relocatable(Preference::Lowest));
    request.mem_min = 64 * MIB + 1;
    let plan = plan(&request, &bios()).unwrap();
    assert_eq!(plan.report.image.base.0, 66 * MIB);
    assert!(
        plan.segments
            .iter()
            .all(|segment| segment.dest.start > 64 * MIB)
    );
    request.mem_max = Some(65 * MIB);
    let text = refused(&request, &bios());
    assert!(
        text.contains("payload") && text.contains("0x4000001-0x4100000"),
        "{text}"
    );
}

#[test]
fn a_position_independent_image_moves_as_a_whole() {
    let mut image = payload();
    image.position_independent = true;
    image.segments[0].range = r(0x10, 0x3000);
    image.span = r(0x10, 0x3000);
    image.entry = 0x40;
    image.align = 0x10000;
    let plan = plan(&Request::new(image), &bios()).unwrap();
    assert_eq!(plan.report.image.base.0 % 0x10000, 0x10);
    let segment = &plan.segments.iter().find(|s| s.name == "payload").unwrap();
    assert_eq!(segment.dest.start, plan.report.image.base.0 - 0x10);
    assert_eq!(
        (&segment.data[..0x10], segment.data[0x10]),
        (&[0; 0x10][..], 0x90)
    );
}

#[test]
fn xen_gets_what_it_needs_on_bios() {
    let plan = plan(&xen_request(), &bios()).unwrap();
    // highest, whole superpages, claim and image side by side
    assert_eq!(plan.report.image.base.0, 0x7fa0_0000);
    assert_eq!(plan.report.image.reserved, 0x40_0000);
    let xen = plan
        .kernel_segments
        .iter()
        .find(|s| s.names[0] == "xen")
        .unwrap();
    assert_eq!(xen.dest, r(0x7fa0_0000, 0x7fe0_0000));
    assert_eq!(xen.data.len(), 0x2000);
    let tags = plan.report.boot.tags();
    let text = |kind| match &tags.iter().find(|tag| tag.kind == kind).unwrap().body {
        Body::Text { string } => string.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(text(1), "no-real-mode com1=115200,8n1 console=com1");
    assert!(text(2).starts_with("GRUB 2"), "{}", text(2));
    assert!(tags.iter().all(|tag| tag.kind != 11 && tag.kind != 12));
    assert!(plan.report.warnings[0].contains("added no-real-mode"));
    assert_eq!(
        plan.report.image.xen.as_ref().unwrap().version.as_deref(),
        Some("4.17.7")
    );
    // nothing below 1 MiB is touched
    assert!(
        plan.segments
            .iter()
            .all(|segment| segment.dest.start >= MIB)
    );
    let low = plan.report.xen_low_memory.unwrap();
    assert!(low.fix.is_none());
    assert_eq!(low.trampoline.unwrap().start.0, 0x8f000);
    for fixup in &plan.report.fixups {
        let FixupReport::CopyRsdp { to, .. } = fixup else {
            panic!("{fixup:?}")
        };
        assert!(to.0 > MIB);
    }
}

#[test]
fn xen_gets_a_made_up_ebda_on_uefi() {
    let plan = plan(&xen_request(), &uefi()).unwrap();
    let low = plan.report.xen_low_memory.as_ref().unwrap();
    assert_eq!(low.fix.as_ref().unwrap().ebda, Hex(0x9f000));
    assert_eq!(low.fix.as_ref().unwrap().rsdp, Some(Hex(0x9f010)));
    assert_eq!(plan.report.fixups.len(), 6);
    assert!(
        plan.segments
            .iter()
            .all(|segment| segment.dest.start >= MIB)
    );
    for tag in plan.report.boot.tags() {
        match &tag.body {
            Body::Memory {
                mem_lower,
                mem_upper,
            } => {
                assert_eq!(
                    (*mem_lower, *mem_upper),
                    (636, (0x7e8e_d000 - (1 << 20)) >> 10)
                );
            }
            // reserved where the copy and the way to it are, so that dom0 sees them too
            Body::Map { entries, .. } => {
                let low: Vec<_> = entries[..3]
                    .iter()
                    .map(|entry| (entry.base.0, entry.length, entry.kind))
                    .collect();
                let want = [(0, 0x1000, 2), (0x1000, 0x9e000, 1), (0x9f000, 0x1000, 2)];
                assert_eq!(low, want);
                assert_eq!(entries.len(), 9);
            }
            Body::Rsdp { copied_at_handoff } => {
                assert_eq!(copied_at_handoff.from.0, 0x7eb7_e014);
                assert_eq!((tag.kind, copied_at_handoff.len), (15, 36));
            }
            _ => {}
        }
    }
    // another image on the same machine is left with low memory as it is
    let other = super::plan(&Request::new(payload()), &uefi()).unwrap();
    assert_eq!(other.report.fixups.len(), 1);
    let copy = &other.report.fixups[0];
    assert!(
        matches!(copy, FixupReport::CopyRsdp { to, .. } if to.0 > MIB),
        "{copy:?}"
    );
}

#[test]
fn nothing_is_put_under_xens_trampoline() {
    let mut request = xen_request();
    request.mem_min = 0;
    request.modules[1].data = vec![1; 0x85000].into();
    let plan = plan(&request, &bios()).unwrap();
    let trampoline = r(0x8f000, 0x9f000);
    for segment in &plan.segments {
        assert!(
            !segment.dest.overlaps(&trampoline),
            "{} {}",
            segment.name,
            segment.dest
        );
        assert!(segment.dest.start >= PAGE_SIZE);
    }
    assert_eq!(dest(&plan, "module 1: initrd.img").start, PAGE_SIZE);
    assert!(dest(&plan, "handoff").start >= MIB);
}

#[test]
fn xens_rules_are_enforced() {
    let mut request = xen_request();
    request.modules.swap(0, 1);
    let text = refused(&request, &bios());
    assert!(
        text.contains("module 0 (initrd.img) is not a dom0 kernel"),
        "{text}"
    );
    request.modules.clear();
    let error = plan(&request, &bios()).unwrap_err();
    assert!(
        matches!(error, PlanError::Contract(ContractError::NoDom0)),
        "{error}"
    );
}

#[test]
fn a_module_that_fits_only_above_4_gib_says_why() {
    let mut host = bios();
    host.memory_map = vec![
        entry(0, 0xa0000, Kind::Ram),
        entry(MIB, 16 * MIB, Kind::Ram),
        entry(FOUR_GIB, FOUR_GIB + (128 << 20), Kind::Ram),
    ];
    let mut request = Request::new(payload());
    request.modules = vec![module("big", "", vec![0; 20 << 20])];
    let text = refused(&request, &host);
    for part in [
        "module 0: big",
        "0x1400000 bytes",
        "above 4 GiB",
        "32 bits",
        "--mem-min",
    ] {
        assert!(text.contains(part), "{text}");
    }
    // because of --mem-min
    request.modules = vec![module("small", "", vec![0; 20])];
    request.mem_min = FOUR_GIB;
    let text = refused(&request, &host);
    assert!(
        text.contains("module 0: small") && text.contains("above 4 GiB"),
        "{text}"
    );
    request.modules.clear();
    let text = refused(&request, &host);
    assert!(text.contains("mbi") && text.contains("--mem-min"), "{text}");
}

#[test]
fn no_room_says_what_was_asked_and_what_there_is() {
    let mut request = Request::new(payload());
    request.modules = vec![module("huge", "", vec![0; 40 << 20])];
    let mut host = bios();
    host.memory_map = vec![
        entry(0, 0xa0000, Kind::Ram),
        entry(MIB, 32 * MIB, Kind::Ram),
    ];
    let text = refused(&request, &host);
    for part in [
        "module 0: huge: 0x2800000 bytes",
        "within 0x100000-",
        "RAM is 0x0-0xa0000, 0x100000-0x2000000",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    // half of RAM, as the kernel would say with EINVAL
    request.modules = vec![module("large", "", vec![0; 20 << 20])];
    let text = refused(&request, &host);
    assert!(
        text.contains("module 0: large") && text.contains("half of the RAM"),
        "{text}"
    );
    host.memory_map = vec![entry(0, 4096, Kind::Reserved)];
    assert!(matches!(plan(&request, &host), Err(PlanError::NoRam)));
}

#[test]
fn a_fixed_image_outside_ram_is_refused() {
    let mut image = payload();
    for range in [&mut image.segments[0].range, &mut image.span] {
        *range = r(0xf0000, 0xf3000);
    }
    image.entry = 0xf0020;
    let text = refused(&Request::new(image), &bios());
    assert!(
        text.contains("payload must be at 0xf0000-0xf3000"),
        "{text}"
    );
    let mut image = payload();
    for range in [&mut image.segments[0].range, &mut image.span] {
        *range = r(0, 0x3000);
    }
    image.entry = 0x20;
    let text = refused(&Request::new(image), &bios());
    assert!(text.contains("page 0"), "{text}");
}

#[test]
fn segments_beyond_the_limit_are_refused_by_count() {
    // holes of one page in RAM keep the segments apart
    let mut host = bios();
    let islands = (0..40).map(|i| entry(MIB + i * 0x2000, MIB + i * 0x2000 + 0x1000, Kind::Ram));
    host.memory_map = islands.collect();
    host.memory_map.push(entry(2 * MIB, 0x7000_0000, Kind::Ram));
    let mut request = Request::new(payload());
    request.modules = (0..15)
        .map(|i| module(&format!("m{i}"), "", vec![1; 10]))
        .collect();
    let error = plan(&request, &host).unwrap_err();
    let too_many = ResolveError::TooMany {
        count: 17,
        limit: 16,
        names: vec![],
    };
    let PlanError::Resolve(ResolveError::TooMany { count, limit, .. }) = &error else {
        panic!("{error}, not {too_many}");
    };
    assert_eq!((*count, *limit), (17, 16));
    assert!(
        error
            .to_string()
            .contains("17 segments, the kernel takes at most 16"),
        "{error}"
    );
    request.modules.pop();
    let plan = plan(&request, &host).unwrap();
    assert_eq!(plan.kernel_segments.len(), 16);
    request.max_segments = request::XEN_SEGMENTS;
    assert!(refused(&request, &host).contains("16 segments, the kernel takes at most 15"));
}

#[test]
fn many_modules_are_merged_and_still_verified() {
    let mut request = Request::new(payload());
    request.modules = (0..60)
        .map(|i| module(&format!("m{i}"), "", vec![i; 10]))
        .collect();
    let seen = std::cell::RefCell::new(None);
    let plan = plan_with(&request, &bios(), &|spec| {
        *seen.borrow_mut() = Some(spec.clone());
        handoff::blob::build(spec)
    })
    .unwrap();
    assert!(plan.kernel_segments.len() <= 16);
    let spec = seen.into_inner().unwrap();
    assert!(spec.regions.len() <= handoff::abi::MAX_REGIONS);
    for segment in plan
        .segments
        .iter()
        .filter(|segment| segment.name != "handoff")
    {
        let holder = spec
            .regions
            .iter()
            .find(|region| region.range.covers(&segment.dest));
        assert!(holder.is_some(), "{}", segment.name);
    }
}

#[test]
fn required_wishes_are_refused_by_tag() {
    let mut image = payload();
    image.requirements.info_requests = vec![InfoRequest {
        tag: 13,
        required: true,
    }];
    let text = refused(&Request::new(image.clone()), &bios());
    assert!(
        text.contains("information tag 13 (smbios tables)"),
        "{text}"
    );
    image.requirements.info_requests.clear();
    let framebuffer = FramebufferRequest {
        width: 1,
        height: 1,
        depth: 32,
        required: true,
    };
    image.requirements.framebuffer = Some(framebuffer);
    assert!(refused(&Request::new(image), &bios()).contains("header tag 5"));
}

#[test]
fn empty_modules_and_bad_strings_are_refused() {
    let mut request = Request::new(payload());
    request.modules = vec![module("a", "", vec![1]), module("b", "", vec![])];
    let text = refused(&request, &bios());
    assert!(text.contains("module 1: b is empty"), "{text}");
    request.modules = vec![module("a", "x\0y", vec![1])];
    let text = refused(&request, &bios());
    assert!(text.contains("string of module 0 has a NUL"), "{text}");
}

#[test]
fn a_crash_image_stays_in_the_crash_region() {
    let mut request = Request::new(relocatable(Preference::Highest));
    let region = r(256 * MIB, 320 * MIB);
    request.crash = Some(region);
    let text = refused(&request, &bios());
    assert!(
        text.contains("no crash region at all") && text.contains("crashkernel="),
        "{text}"
    );
    let mut host = bios();
    host.crash_regions = vec![region.into()];
    let plan = plan(&request, &host).unwrap();
    assert!(plan.crash && plan.report.crash);
    assert!(
        plan.segments
            .iter()
            .all(|segment| region.covers(&segment.dest))
    );
    let Some(Body::Map { entries, .. }) = plan
        .report
        .boot
        .tags()
        .iter()
        .find(|tag| tag.kind == 6)
        .map(|tag| &tag.body)
    else {
        panic!("no map");
    };
    let ram: Vec<u64> = entries
        .iter()
        .filter(|e| e.kind == 1)
        .map(|e| e.base.0)
        .collect();
    assert_eq!(ram, [region.start]);
    request.crash = Some(r(255 * MIB, 320 * MIB));
    assert!(refused(&request, &host).contains("only 0x10000000-0x14000000"));
}

#[test]
fn a_builder_that_refuses_is_heard() {
    let error = plan_with(&Request::new(payload()), &bios(), &|_| Err("no".to_owned()));
    assert_eq!(error.unwrap_err().to_string(), "handoff: no");
    // an entry that is nowhere
    let error = plan_with(&Request::new(payload()), &bios(), &|spec| {
        let built = handoff::blob::build(spec)?;
        Ok(Built {
            entry: 0xdead_0000,
            ..built
        })
    });
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("handoff entry point 0xdead0000")
    );
}

#[test]
fn an_rsdp_above_4_gib_is_not_passed_on() {
    let mut host = bios();
    host.low_memory.rsdp = Some(Rsdp {
        addr: FOUR_GIB,
        revision: 2,
    });
    host.low_memory.rsdp_in_low_memory = false;
    let plan = plan(&Request::new(payload()), &host).unwrap();
    assert!(
        plan.report.warnings[0].contains("above 4 GiB"),
        "{:?}",
        plan.report.warnings
    );
    assert!(
        plan.report
            .boot
            .tags()
            .iter()
            .all(|tag| tag.kind != 14 && tag.kind != 15)
    );
}

#[test]
fn names_are_short_enough_for_the_handoff() {
    let mut request = Request::new(payload());
    request.image.name = "/boot/deep/payload".to_owned();
    request.modules = vec![module(
        "/very/long/directory/name/for/an/initrd.img",
        "",
        vec![1],
    )];
    let plan = plan(&request, &bios()).unwrap();
    assert_eq!(dest(&plan, "payload").start, 2 * MIB);
    assert_eq!(dest(&plan, "module 0: initrd.img").len(), PAGE_SIZE);
    assert_eq!(plan.report.image.name, "/boot/deep/payload");
}

#[test]
fn the_table_names_every_segment() {
    let plan = plan(&xen_request(), &uefi()).unwrap();
    let text = plan.report.to_string();
    for segment in &plan.segments {
        assert!(text.contains(&segment.name), "{text}");
    }
    assert!(
        text.contains("Xen 4.17.7") && text.contains("EBDA at 0x9f000"),
        "{text}"
    );
}

mod any_machine;
mod crash_linux;
mod crash_xen;
mod out_of_xen;
mod protocols;
mod staged;
mod verify;
