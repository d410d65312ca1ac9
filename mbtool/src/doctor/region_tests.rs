use super::*;
use crate::backend::xen::status::XenKexec;
use crate::doctor::testing::Recorded;
use crate::host::hypervisor::Hypervisor;
use crate::host::xen::XenHost;
use crate::image::synth;
use crate::sys::testing::IOMEM;
use std::borrow::Cow;
use xen_shim::fix::Fix;

fn find(machine: &CheckedMachine, id: &str) -> Check {
    let checks = checks(machine);
    let found = checks.iter().find(|check| check.id == id);
    found
        .unwrap_or_else(|| panic!("no {id}: {checks:?}"))
        .clone()
}

/// Why the image does not fit.
fn machine_error(machine: &CheckedMachine) -> PlanError {
    let wanted = machine.wanted.as_ref().unwrap();
    match wanted.outcome.as_ref().unwrap() {
        Err(error) => match error.downcast_ref() {
            Some(PlanError::CrashRegionTooSmall {
                region,
                load,
                parts,
                reserve,
            }) => PlanError::CrashRegionTooSmall {
                region: *region,
                load: *load,
                parts: parts.clone(),
                reserve: *reserve,
            },
            _ => panic!("{error:#}"),
        },
        Ok(_) => panic!("it fits"),
    }
}

/// Replaces the region, or removes it: the last eight digits of each end.
fn with_region(recorded: &Recorded, region: Option<(&str, &str)>) {
    let line = "  6c000000-7bffffff : Crash kernel\n";
    let new = match region {
        Some((start, last)) => format!("  {start}-{last} : Crash kernel\n"),
        None => String::new(),
    };
    recorded.put("proc/iomem", IOMEM.replace(line, &new));
}

#[test]
fn a_region_that_holds_the_image() {
    let recorded = Recorded::new();
    let machine = recorded.machine();
    let region = find(&machine, "region");
    let expected = "0x6c000000-0x7c000000 (256 MiB)";
    assert_eq!(
        (region.state, region.found.as_str()),
        (CheckState::Ok, expected)
    );
    assert_eq!(find(&machine, "position").state, CheckState::Ok);
    assert_eq!(find(&machine, "size").state, CheckState::Unknown);
    let machine = recorded.with_linux();
    assert_eq!(find(&machine, "image").state, CheckState::Ok);
    let size = find(&machine, "size");
    assert_eq!(size.state, CheckState::Ok);
    assert!(size.found.ends_with("of the 256 MiB that are reserved"));
}

#[test]
fn no_region() {
    let recorded = Recorded::new();
    with_region(&recorded, None);
    recorded.put("sys/kernel/kexec_crash_size", "0\n");
    let check = find(&recorded.machine(), "region");
    assert_eq!(check.state, CheckState::Problem);
    assert!(
        check
            .found
            .contains("although the command line has crashkernel=256M")
    );
    let fix = check.fix.unwrap();
    assert!(fix.starts_with("`mbtool crash size` prints"), "{fix}");
    recorded.put("proc/cmdline", "quiet\n");
    let check = find(&recorded.machine(), "region");
    assert_eq!(check.found, "no memory is reserved for a crash image");
    // the image determines the size: itself, 64 MiB to run, steps of 32 MiB
    let machine = recorded.with_linux();
    let check = find(&machine, "region");
    assert!(check.fix.unwrap().contains("crashkernel=96M (or more)"));
    assert_eq!(find(&machine, "image").state, CheckState::Unknown);
    assert!(!checks(&machine).iter().any(|check| check.id == "size"));
}

#[test]
fn a_region_out_of_reach() {
    let recorded = Recorded::new();
    let high = "100000000-1ffffffff : System RAM\n  140000000-14fffffff : Crash kernel\n";
    recorded.put("proc/iomem", format!("{IOMEM}{high}"));
    recorded.remove("sys/firmware/memmap");
    let machine = recorded.machine();
    let region = find(&machine, "region");
    assert_eq!(region.found, "0x140000000-0x150000000 (256 MiB)");
    let check = find(&machine, "position");
    assert_eq!(check.state, CheckState::Problem);
    assert!(check.found.contains("ends above 4 GiB"), "{check:?}");
    assert!(check.fix.unwrap().contains("crashkernel="));
    let check = find(&recorded.with_linux(), "position");
    assert!(check.fix.unwrap().contains("replace it by crashkernel=96M"));
}

#[test]
fn a_region_that_is_too_small() {
    let recorded = Recorded::new();
    with_region(&recorded, Some(("78000000", "7bffffff")));
    let machine = recorded.with_linux();
    let check = find(&machine, "size");
    // it fits in 64 MiB, but there is not as much left to run
    assert_eq!(check.state, CheckState::Warning);
    assert!(
        check
            .fix
            .unwrap()
            .starts_with("crashkernel=96M on the kernel's")
    );
    with_region(&recorded, Some(("7bf80000", "7bffffff")));
    let check = find(&recorded.with_linux(), "size");
    assert_eq!(check.state, CheckState::Problem);
    let error = machine_error(&recorded.with_linux());
    let advised = matches!(
        error,
        PlanError::CrashRegionTooSmall {
            reserve: Some(_),
            ..
        }
    );
    assert!(advised, "{error}");
    assert_eq!(check.found, error.statement());
    assert_eq!(check.fix, error.fix().map(Cow::into_owned));
}

#[test]
fn an_image_that_cannot_be_loaded() {
    let recorded = Recorded::new();
    let program = synth::program(synth::HeaderBuilder::new(), 0x400);
    let in_rom = synth::ElfBuilder::elf32(0xf_0100).load(0xf_0000, program, 0x1000);
    let machine = recorded.with("rom", in_rom.build(), "");
    let check = find(&machine, "image");
    assert_eq!(check.state, CheckState::Problem);
    assert!(check.found.starts_with("rom: "), "{check:?}");
}

#[test]
fn where_addresses_are_hidden() {
    let recorded = Recorded::new();
    let hidden = "00000000-00000000 : System RAM\n  00000000-00000000 : Crash kernel\n";
    recorded.put("proc/iomem", hidden);
    let check = find(&recorded.machine(), "region");
    assert_eq!(check.state, CheckState::Unknown);
    assert!(
        check
            .found
            .starts_with("256 MiB are reserved; the address is unknown")
    );
    recorded.remove("sys/firmware/memmap");
    assert_eq!(
        find(&recorded.machine(), "region").state,
        CheckState::Unknown
    );
    recorded.put("sys/kernel/kexec_crash_size", "0\n");
    assert_eq!(
        find(&recorded.machine(), "region").state,
        CheckState::Problem
    );
    recorded.remove("sys/kernel/kexec_crash_size");
    let machine = recorded.with_linux();
    assert_eq!(find(&machine, "region").state, CheckState::Unknown);
    assert_eq!(find(&machine, "image").state, CheckState::Unknown);
}

#[test]
fn a_parameter_on_the_wrong_command_line() {
    let recorded = Recorded::new();
    assert_eq!(
        find(&recorded.machine(), "crashkernel").state,
        CheckState::Ok
    );
    let mut machine = recorded.machine();
    machine.status.kernel.hypervisor = Hypervisor::XenPvDom0;
    machine.status.xen_kexec = Some(XenKexec {
        command_line: Some("console=com1".to_owned()),
        ..XenKexec::default()
    });
    let host = machine.status.host.as_mut().unwrap();
    host.crash_regions.clear();
    host.xen = Some(XenHost::default());
    let check = find(&machine, "crashkernel");
    assert_eq!(check.state, CheckState::Warning);
    assert!(
        check
            .found
            .starts_with("no crashkernel= on Xen's command line; crashkernel=256M")
    );
    let check = find(&machine, "region");
    assert_eq!(check.state, CheckState::Problem);
    assert!(
        check
            .fix
            .unwrap()
            .contains("Xen's command line (not dom0's)")
    );
    recorded.put("proc/cmdline", "console=hvc0\n");
    assert_eq!(find(&machine, "crashkernel").state, CheckState::Ok);
}
