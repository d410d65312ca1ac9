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

/// A write to a null pointer, made with a debugger.
#[test]
fn a_fatal_data_abort_of_xen() {
    let report = one("arm64-xen-data-abort");
    assert_eq!(report.source, DumpSource::Xen);
    assert_eq!(
        syndrome(&report),
        "data abort: translation fault, level 1, write"
    );
    assert_eq!(rules(&report), ["null-pointer"]);
    assert_eq!(report.registers["far"], "0x68");
    assert_eq!(report.bits["spsr"], ["EL2h", "D", "F"]);
    assert_eq!(report.calls.len(), 2);
    let arm64 = report.arm64.as_ref().unwrap();
    assert_eq!((arm64.level, arm64.translation), (Some("el2"), Some(true)));
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

const LOGS: [&str; 8] = [
    "arm64-external-abort",
    "arm64-null-pointer",
    "arm64-target-virtual",
    "arm64-brk",
    "arm64-irq",
    "arm64-linux-lpa2",
    "arm64-xen-data-abort",
    "arm64-xen-at-el1",
];

/// The end of a recorded log, where its dump is.
fn end_of(name: &str) -> String {
    let log = fs::read_to_string(data(&format!("{name}.log"))).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(80)..].join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Bytes that are changed, lost or inserted: every report can be printed, and what is called whole is what was printed.
    #[test]
    fn damaged_logs_are_read(
        name in prop::sample::select(&LOGS[..]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..3u8, 0x20..0x7fu8), 1..20),
    ) {
        let whole = end_of(name);
        let mut bytes = whole.clone().into_bytes();
        for (at, how, byte) in changes {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, byte),
            }
        }
        let intact = reports(whole.as_bytes(), None);
        for report in reports(&bytes, None) {
            prop_assert!(!report.to_string().is_empty());
            prop_assert!(serde_json::to_value(&report).is_ok());
            if report.source == DumpSource::Handoff && report.integrity == "whole" {
                prop_assert_eq!(&report.registers, &intact[0].registers);
            }
        }
    }

    /// Lines that are lost or repeated.
    #[test]
    fn lost_lines_cost_their_fields_only(name in prop::sample::select(&LOGS[..5]), keep in any::<u64>()) {
        let log = end_of(name);
        let kept = |(n, line): &(usize, &str)| keep >> (n % 64) & 1 == 1 || line.contains("EXCEPTION") || line.contains(" elr 0x");
        let lines: Vec<&str> = log.lines().enumerate().filter(kept).map(|(_, line)| line).collect();
        let found = reports(lines.join("\n").as_bytes(), None);
        prop_assert_eq!(found.len(), 1);
        let (report, intact) = (&found[0], &reports(log.as_bytes(), None)[0]);
        for (name, value) in &report.registers {
            prop_assert_eq!(Some(value), intact.registers.get(name));
        }
        // the counter, the syndrome and what stands beside them
        prop_assert!(report.registers.contains_key("elr") && report.registers.contains_key("esr"));
        let lost = intact.registers.len() - report.registers.len();
        let named = report.missing.iter().filter(|name| intact.registers.contains_key(**name)).count();
        prop_assert_eq!(lost, named);
    }
}
