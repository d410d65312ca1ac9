//! Images that are not Multiboot2.

use super::*;
use crate::image::{As, mb1 as header, synth};
use crate::plan::boot::{DecodedInfo, mb1, pvh};
use handoff::spec::Exit;

fn multiboot1(host: &Host) -> Plan {
    let bytes = synth::mb1_flat(0x40_0000);
    let image = Image::parse_as(&bytes, "old", As::Auto).unwrap();
    let mut request = Request::new(image);
    request.cmdline = "alpha beta".to_owned();
    request.modules = vec![module("one", "first", vec![1; 5000])];
    plan(&request, host).unwrap()
}

fn pvh_request() -> Request {
    let entry = synth::xen_note(18, &0x100_0080_u64.to_le_bytes());
    let bytes = synth::pvh_kernel(&[entry]);
    let image = Image::parse_as(&bytes, "kernel", As::Auto).unwrap();
    let mut request = Request::new(image);
    request.cmdline = "console=ttyS0".to_owned();
    request.modules = vec![module("initrd", "", vec![1; 5000])];
    request
}

/// Returns the exit state that the blob was built with.
fn exit(request: &Request, host: &Host) -> Exit {
    let seen = std::cell::Cell::new(None);
    let builder = |spec: &Spec| {
        seen.set(Some(spec.exit));
        handoff::blob::build(spec)
    };
    plan_with(request, host, &builder).unwrap();
    seen.get().unwrap()
}

#[test]
fn multiboot_1_gets_its_own_information_below_4_gib() {
    let host = bios();
    let plan = multiboot1(&host);
    let (report, info) = (&plan.report, dest(&plan, "mbi"));
    assert_eq!(
        (report.image.kind, report.exit.mode),
        ("multiboot", "multiboot1-i386")
    );
    let registers = &report.exit.registers;
    assert_eq!(registers.get("eax"), u64::from(mb1::MAGIC));
    assert_eq!(
        (registers.get("ebx"), registers.entry()),
        (info.start, 0x40_0100)
    );
    let DecodedInfo::Multiboot1(sent) = &report.boot else {
        panic!("{:?}", report.boot)
    };
    assert_eq!(sent.cmdline, "alpha beta");
    assert!(sent.boot_loader_name.starts_with("mbtool "));
    let module = dest(&plan, "module 0: one");
    assert_eq!(sent.modules[0].start.0, module.start);
    assert_eq!(sent.modules[0].end.0, module.start + 5000);
    let ram: u64 = sent
        .mmap
        .iter()
        .filter(|area| area.kind == 1)
        .map(|area| area.length)
        .sum();
    assert_eq!(ram, map::total_ram(&host.memory_map));
    // the loaded bytes match the report
    let loaded = plan
        .segments
        .iter()
        .find(|segment| segment.name == "mbi")
        .unwrap();
    assert_eq!(&mb1::decode(&loaded.data, info.start), sent);
    assert!(
        plan.segments
            .iter()
            .all(|segment| segment.dest.end <= 1 << 32)
    );
    let json = serde_json::to_value(report).unwrap();
    assert_eq!(json["multiboot_info"]["cmdline"], "alpha beta");
    assert!(json.get("mbi").is_none());
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    // the handoff does not change it
    assert!(report.fixups.is_empty());
}

#[test]
fn multiboot_1_on_uefi_warns_about_missing_acpi() {
    let warnings = multiboot1(&uefi()).report.warnings;
    assert!(
        warnings
            .iter()
            .any(|text| text.contains("no place for the ACPI root pointer")),
        "{warnings:?}"
    );
}

#[test]
fn multiboot_1_is_entered_with_its_own_magic() {
    let image = Image::parse_as(&synth::mb1_flat(0x40_0000), "old", As::Multiboot).unwrap();
    let Protocol::Multiboot1(header::Mb1Header { flags, .. }) = image.protocol else {
        panic!("{:?}", image.protocol)
    };
    assert_eq!(flags.bits(), 0x1_0003);
    let exit = exit(&Request::new(image), &bios());
    assert!(
        matches!(
            exit,
            Exit::Multiboot1 {
                entry: 0x40_0100,
                ..
            }
        ),
        "{exit:?}"
    );
}

#[test]
fn pvh_gets_a_start_info_below_1_gib() {
    let host = uefi();
    let request = pvh_request();
    let plan = plan(&request, &host).unwrap();
    let (report, info) = (&plan.report, dest(&plan, "start_info"));
    assert_eq!((report.image.kind, report.exit.mode), ("pvh", "pvh-i386"));
    assert_eq!(report.exit.registers.get("ebx"), info.start);
    assert_eq!(report.exit.registers.entry(), 0x100_0080);
    assert!(info.end <= pvh::LIMIT);
    let DecodedInfo::Pvh(sent) = &report.boot else {
        panic!("{:?}", report.boot)
    };
    assert_eq!(sent.rsdp.map(|rsdp| rsdp.0), Some(0x7eb7_e014));
    assert_eq!(sent.cmdline, "console=ttyS0");
    assert_eq!(
        sent.modules[0].start.0,
        dest(&plan, "module 0: initrd").start
    );
    let start = u32::try_from(info.start).unwrap();
    let want = Exit::Pvh {
        entry: 0x100_0080,
        start_info: start,
    };
    assert_eq!(exit(&request, &host), want);
}

#[test]
fn pvh_information_above_1_gib_is_refused() {
    let mut request = pvh_request();
    request.mem_min = 1 << 30;
    let below = r(0, 1 << 30);
    assert_error!(
        refused(&request, &bios()),
        PlanError::Window { name, allowed, .. } if name == "start_info" && *allowed == below
    );
}
