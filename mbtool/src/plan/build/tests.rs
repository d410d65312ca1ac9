use super::*;
use crate::host::{FoundRsdp, LowMemory, MemoryKind};
use crate::image::{Image, InfoRequest, LoadSegment, Preference, Protocol};
use crate::plan::decoded::DecodedTagBody;
use crate::plan::hex::Hex;
use crate::plan::report::FixupReport;
use crate::plan::{Module, request};
use fixtures::*;
use handoff::addr::{FOUR_GIB, MIB, PAGE_SIZE, PhysRange};

mod advised;
mod any_machine;
mod crash_linux;
mod crash_xen;
mod fixtures;
mod header_layouts;
mod out_of_xen;
mod places;
mod protocols;
mod refusals;
mod screen;
mod staged;
mod verify;
mod xen;

#[test]
fn a_fixed_image_is_not_moved_and_the_plan_is_consistent() {
    let mut request = Request::new(payload());
    request.cmdline = "hello world".to_owned();
    request.modules = vec![
        module("a", "first", vec![1; 5000]),
        module("b", "", vec![2; 1]),
    ];
    let plan = plan(&request, &bios()).unwrap();
    assert_eq!(dest(&plan, "payload"), r(2 * MIB, 2 * MIB + 0x3000));
    // modules are placed low, on separate pages, and the tags point to them
    let modules: Vec<_> = plan
        .report
        .boot
        .tags()
        .iter()
        .filter_map(|tag| match &tag.body {
            DecodedTagBody::Module {
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
    // the loaded bytes are those of the input
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
    assert_eq!(crate::host::replay::from_json(&json).unwrap(), host);
    let replayed = super::plan(&xen_request(), &again).unwrap();
    assert_eq!(serde_json::to_vec(&replayed.report).unwrap(), json);
}

#[test]
fn placement_preferences_are_applied() {
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
    let PlanError::NoFreeRange(error) = refused(&request, &bios()) else {
        panic!("it fits");
    };
    assert_eq!(
        (error.name.as_str(), error.window),
        ("payload", r(64 * MIB + 1, 65 * MIB))
    );
}

#[test]
fn all_segments_of_a_position_independent_image_move_together() {
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

/// As on a host of another architecture.
#[test]
fn a_plan_without_handoff_has_its_place_and_a_warning() {
    let plan_of = |absent: bool| {
        plan_with(&Request::new(payload()), &bios(), &|spec| {
            let built = handoff::blob::build(spec)?;
            Ok(match absent {
                true => Built {
                    bytes: Vec::new(),
                    ..built
                },
                false => built,
            })
        })
        .unwrap()
    };
    let (there, absent) = (plan_of(false), plan_of(true));
    assert_eq!(
        absent.report.warnings.len(),
        there.report.warnings.len() + 1
    );
    assert_eq!(absent.entry, there.entry);
    let places = |plan: &Plan| -> Vec<_> {
        let segments = plan.segments.iter();
        segments
            .map(|segment| (segment.name.clone(), segment.dest))
            .collect()
    };
    assert_eq!(places(&absent), places(&there));
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
fn a_crash_image_stays_in_the_crash_region() {
    let mut request = Request::new(relocatable(Preference::Highest));
    let region = r(256 * MIB, 320 * MIB);
    request.crash = Some(region);
    assert_error!(
        refused(&request, &bios()),
        PlanError::NoCrashRegion { wanted, there } if *wanted == region && there.is_empty()
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
    let Some(DecodedTagBody::Map { entries, .. }) = plan
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
    assert_error!(
        refused(&request, &host),
        PlanError::NoCrashRegion { there, .. } if *there == [region]
    );
}

#[test]
fn an_error_of_the_blob_builder_is_returned() {
    let error = plan_with(&Request::new(payload()), &bios(), &|_| Err("no".to_owned()));
    assert_eq!(error.unwrap_err().to_string(), "handoff: no");
    // an entry point outside of all segments
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
    host.low_memory.rsdp = Some(FoundRsdp {
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
