//! Recorded dumps of arm64.

use super::*;

fn one(name: &str) -> DecodedDump {
    let mut reports = recorded(name, None);
    assert_eq!(reports.len(), 1, "{name}");
    let report = reports.remove(0);
    assert_eq!(report.architecture, Some("arm64"), "{name}");
    assert_eq!(
        (report.integrity, &report.missing),
        ("whole", &Vec::new()),
        "{name}"
    );
    report
}

fn syndrome(report: &DecodedDump) -> String {
    let arm64 = report.arm64.as_ref().unwrap();
    let syndrome = arm64.syndrome.as_ref().unwrap();
    format!("{}: {}", syndrome.name, syndrome.parts.join(", "))
}

#[test]
fn a_segment_where_no_memory_is() {
    let report = one("arm64-external-abort");
    assert_eq!(syndrome(&report), "data abort: external abort, read");
    assert_eq!(rules(&report), ["segment-memory", "external-abort"]);
    assert_eq!(report.phase.as_deref(), Some("verify"));
    assert_eq!(report.code[0].text, "ldrb w14, [x12, #0x1]");
}

#[test]
fn a_null_pointer_in_the_handoffs_time() {
    let report = one("arm64-null-pointer");
    assert_eq!(
        syndrome(&report),
        "data abort: translation fault, level 2, read"
    );
    assert_eq!(rules(&report), ["handoff-tables", "null-pointer"]);
    let arm64 = report.arm64.as_ref().unwrap();
    assert_eq!(
        (arm64.level, arm64.translation),
        (Some("el2-e2h"), Some(true))
    );
    let entry = arm64.entry.as_ref().unwrap();
    assert_eq!(entry.bits["hcr"], ["TGE", "RW", "E2H"]);
}

#[test]
fn an_image_that_reads_device_memory_unaligned() {
    let report = one("arm64-target-alignment");
    assert_eq!(syndrome(&report), "data abort: alignment fault, read");
    assert_eq!(rules(&report), ["before-own-vectors", "device-alignment"]);
    assert_eq!(report.addresses[0].place.as_ref().unwrap().name, "kernel");
}

#[test]
fn an_image_that_jumps_to_a_virtual_address() {
    let report = one("arm64-target-virtual");
    assert_eq!(
        syndrome(&report),
        "instruction abort: address size fault, level 0, fetch"
    );
    assert_eq!(
        rules(&report),
        ["jump-to-nowhere", "before-own-vectors", "virtual-address"]
    );
    assert_eq!(report.arm64.as_ref().unwrap().level, Some("el1"));
}

#[test]
fn a_breakpoint_of_the_handoff() {
    let report = one("arm64-brk");
    assert_eq!(rules(&report), ["drill", "breakpoint"]);
    assert_eq!(report.code[0].text, "brk #0x0");
}

#[test]
fn an_interrupt_at_el1() {
    let report = one("arm64-irq");
    assert_eq!(rules(&report), ["handoff-bug", "interrupt"]);
    assert_eq!(report.arm64.as_ref().unwrap().syndrome, None);
}

/// kexec_load(2) of Debian's 6.12 on a CPU with LPA2.
#[test]
fn an_oops_of_linux() {
    let report = one("arm64-linux-lpa2");
    assert_eq!(report.source, DumpSource::LinuxOops);
    assert_eq!(
        report.at.as_deref(),
        Some("trans_pgd_create_copy+0x1f8/0x790")
    );
    assert_eq!(
        syndrome(&report),
        "data abort: translation fault, level 2, read"
    );
    assert_eq!(rules(&report), ["page-fault"]);
    assert_eq!(report.registers["x22"], "0xffffffffc0000000");
    assert_eq!(report.registers["far"], "0xffffffffc0000000");
    assert_eq!(report.registers.len(), 31 + 3);
    let current = report.code.iter().find(|line| line.current).unwrap();
    assert_eq!(
        (current.address.as_str(), current.text.as_str()),
        ("elr", "ldr x0, [x22]")
    );
    assert_eq!(report.calls.len(), 10);
    assert_eq!(report.arm64.as_ref().unwrap().level, Some("el2-e2h"));
}
