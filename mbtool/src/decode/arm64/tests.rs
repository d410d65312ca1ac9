//! Each class and each rule, with dumps as the handoff writes them.

use crate::arch::Architecture;
use crate::decode::found::FoundDump;
use crate::decode::lines::Lines;
use crate::decode::report::{DecodedArm64, DecodedDump};
use crate::decode::scan::Scanner;
use crate::decode::symbolizer::Symbolizer;
use handoff::abi::{
    PHASE_CONSOLE, PHASE_ENTRY, PHASE_EXIT, PHASE_RELOCATE, PHASE_TARGET, PHASE_VERIFY,
};
use handoff::arch::arm64::abi::Arm64Frame;
use handoff::arch::arm64::dump::{Arm64Record, write};
use handoff::arch::arm64::registers::{SCTLR_EL1_ON, SCTLR_EL2_ON, SCTLR_M};
use handoff::arch::arm64::syndrome::class_name;
use handoff::dump::Summed;
use handoff::print::Print;
use proptest::prelude::*;
use std::collections::BTreeSet;

mod own;

/// Where the handoff and a segment are.
const HANDOFF: u64 = 0x4800_0000;
const SEGMENT: u64 = 0x4a00_0000;
/// Lines of the handoff.
const BANNER: &str = "[handoff] mbtool 0.1.0 at 0x48000000, entered at 0x48000000 in el2 with translation off on cpu \
    0x80000001, psci by smc\n\
    [handoff] entry sctlr 0x30c50830 hcr 0x80000038 vbar 0x4a000800 x0 0x1 x30 0x48000028 sp 0x7770\n\
    [handoff] verify with crc32 (CRC32X)\n\
    [handoff] verify kernel 0x4a000000-0x4a004000 12293 bytes: crc32 0x0002a37a ok\n";

#[derive(Default)]
struct Buffer(String);

impl Print for Buffer {
    fn byte(&mut self, byte: u8) {
        self.0.push(char::from(byte));
    }
}

/// A dump to modify.
#[derive(Clone, Copy)]
struct Case {
    frame: Arm64Frame,
    phase: u32,
    /// Instruction at `ELR`; 0: not readable.
    word: u32,
}

/// An exception of the loaded image at EL2, with translation off.
fn target(esr: u64) -> Case {
    let frame = Arm64Frame {
        esr,
        elr: SEGMENT + 0x10,
        spsr: 0x3c9,
        sctlr: SCTLR_EL2_ON & !SCTLR_M,
        hcr: 0x8000_0000,
        current_el: 8,
        vector: 4,
        ..Arm64Frame::default()
    };
    Case {
        frame,
        phase: PHASE_TARGET,
        word: 0,
    }
}

/// An exception of the handoff, on its own page tables.
fn own(esr: u64, phase: u32, far: u64) -> Case {
    let mut case = target(esr);
    (case.frame.elr, case.frame.sctlr, case.frame.far) = (HANDOFF + 0x1200, SCTLR_EL2_ON, far);
    Case { phase, ..case }
}

fn text(case: &Case) -> String {
    let code = match case.word {
        0 => Vec::new(),
        word => word.to_le_bytes().to_vec(),
    };
    let record = Arm64Record {
        frame: &case.frame,
        mpidr: 0x8000_0001,
        phase: case.phase,
        code: &code,
        stack: &[],
    };
    let mut out = Summed::new(Buffer::default());
    write(&mut out, &record);
    out.0.clone()
}

fn scan(log: &str) -> Vec<FoundDump> {
    let (mut lines, mut scanner, mut found) = (Lines::default(), Scanner::default(), Vec::new());
    lines.push(log.as_bytes(), |number, line| {
        found.extend(scanner.line(number, line))
    });
    found.extend(scanner.finish());
    found
}

fn decoded(log: &str) -> DecodedDump {
    let found = scan(log);
    assert_eq!(found.len(), 1, "{log}");
    assert_eq!(found[0].dump.architecture(), Architecture::Arm64);
    DecodedDump::new(&found[0], None, &mut Symbolizer::without_own(Vec::new()))
}

fn report(before: &str, case: &Case) -> DecodedDump {
    decoded(&format!("{BANNER}{before}{}", text(case)))
}

fn rules(case: &Case) -> Vec<&'static str> {
    let report = report("", case);
    report.explanations.iter().map(|e| e.rule).collect()
}

fn arm64(report: &DecodedDump) -> &DecodedArm64 {
    report.arm64.as_ref().unwrap()
}

const fn esr(class: u64, iss: u64) -> u64 {
    class << 26 | 1 << 25 | iss
}

#[test]
fn every_class_has_the_handoffs_name_and_one_rule() {
    let mut rules_of_classes = BTreeSet::new();
    for class in 0..64 {
        let mut case = target(esr(class, 0x10));
        case.frame.far = SEGMENT;
        let report = report("", &case);
        let syndrome = arm64(&report).syndrome.clone().unwrap();
        assert_eq!(
            syndrome.name.as_bytes(),
            class_name(case.frame.esr),
            "{class:#x}"
        );
        assert_eq!(u64::from(syndrome.class), class);
        assert_eq!(syndrome.iss, "0x10");
        // one about the situation, one about the class
        let rules: Vec<&str> = report.explanations.iter().map(|e| e.rule).collect();
        assert_eq!(
            (rules.len(), rules[0]),
            (2, "before-own-vectors"),
            "{class:#x}"
        );
        if syndrome.name == "reserved" {
            assert_eq!(rules[1], "other-class", "{class:#x}");
        }
        rules_of_classes.insert(rules[1]);
        let text = report.to_string();
        assert!(text.starts_with(syndrome.name), "{text}");
        assert!(!text.contains(".."), "{text}");
    }
    assert!(rules_of_classes.len() >= 18, "{rules_of_classes:?}");
}

#[test]
fn every_status_of_an_abort_has_a_rule() {
    for status in 0..64 {
        for (class, translated) in [(0x25, true), (0x25, false), (0x21, true), (0x24, true)] {
            let mut case = target(esr(class, status));
            case.frame.far = 0x5000_0000;
            if translated {
                case.frame.sctlr |= SCTLR_M;
            }
            let rules = rules(&case);
            assert_eq!(rules.len(), 2, "{status:#x} {class:#x} {rules:?}");
            assert_eq!(rules[1] == "lower-level", class == 0x24, "{status:#x}");
        }
    }
}

#[test]
fn the_rule_of_an_abort() {
    let rule = |status: u64, far: u64, translated: bool| {
        let mut case = target(esr(0x25, status));
        case.frame.far = far;
        case.frame.sctlr |= u64::from(translated);
        rules(&case)[1]
    };
    for (status, far, translated, expected) in [
        (0x06, 8, true, "null-pointer"),
        (0x4f, 8, true, "null-pointer"),
        (0x10, 8, true, "external-abort"),
        (0x06, 0x5000_0000, true, "page-fault"),
        (0x09, 0x5000_0000, true, "page-fault"),
        (0x0f, 0x5000_0000, true, "permission"),
        (0x10, 0x5000_0000, false, "external-abort"),
        (0x410, 0, false, "external-abort"),
        (0x14, 0x5000_0000, true, "external-abort"),
        (0x18, 0x5000_0000, true, "external-abort"),
        (0x21, 0x5000_0001, false, "device-alignment"),
        (0x21, 0x5000_0001, true, "alignment"),
        (0x35, 0x5000_0000, true, "alignment"),
        (0x00, 0xffff_8000_8000_0000, false, "virtual-address"),
        (0x04, 0xffff_8000_8000_0000, true, "page-fault"),
        (0x30, 0x5000_0000, true, "abort"),
        (0x28, 0x5000_0000, true, "abort"),
        (0x11, 0x5000_0000, true, "abort"),
    ] {
        assert_eq!(
            rule(status, far, translated),
            expected,
            "{status:#x} {far:#x} {translated}"
        );
    }
}

#[test]
fn the_rule_of_an_instruction() {
    let rule = |esr: u64, word: u32| {
        let case = Case {
            word,
            ..target(esr)
        };
        rules(&case)[1]
    };
    for (esr, word, expected) in [
        (0x0200_0000, 0x0000_0000, "undefined-instruction"),
        (0x0200_0000, 0x0000_002a, "udf"),
        (0x0200_0000, 0xd400_0002, "undefined-call"),
        (0x0200_0000, 0xd400_0003, "undefined-call"),
        (0x0200_0000, 0xd53e_1100, "undefined-register"),
        (0x0200_0000, 0xd51d_1000, "undefined-register"),
        (0x0200_0000, 0xb8e0_0000, "undefined-instruction"),
        (0x0200_0000, 0xffff_ffff, "undefined-instruction"),
        (0x1fe0_0000, 0x9e67_03e0, "fp-trap"),
        (0x6600_0000, 0x0420_0000, "fp-trap"),
        (0x7600_0000, 0xd503_477f, "fp-trap"),
        (0x5a00_0000, 0xd400_0002, "call"),
        (0x6230_04a1, 0xd538_1000, "system-register"),
        (0xf200_0800, 0xd421_0000, "breakpoint"),
        (0x3a00_0000, 0xd503_201f, "illegal-state"),
        (0x8a00_0000, 0xd503_201f, "misaligned-fetch"),
        (0x9a00_0000, 0xd503_201f, "misaligned-stack"),
        (0xbe00_0011, 0xd503_201f, "serror"),
        (0xd600_0000, 0xd503_201f, "debug"),
        (0x0600_0000, 0xd503_207f, "trapped-wait"),
        (0x7200_0000, 0xd65f_0bff, "pointer-authentication"),
        (0x3600_0002, 0xd503_201f, "branch-target"),
    ] {
        assert_eq!(rule(esr, word), expected, "{esr:#x} {word:#x}");
    }
    let meaning = |esr: u64, word: u32| {
        let case = Case {
            word,
            ..target(esr)
        };
        report("", &case).explanations[1].meaning.clone()
    };
    assert!(meaning(0x0200_0000, 0xd53e_1100).contains("mrs x0, scr_el3"));
    assert!(meaning(0xf200_0800, 0xd421_0000).contains("BUG()"));
    assert!(meaning(0x5a00_4a48, 0xd400_0002).contains("hvc #0x4a48"));
    assert!(meaning(0x1fe0_0000, 0x9e67_03e0).contains("fmov d0, xzr"));
    assert!(meaning(0x1fe0_0000, 0x9e67_03e0).contains("CPTR_EL2 (TFP"));
}

#[test]
fn situations_of_the_target() {
    let mut case = target(esr(0x21, 0x06));
    (case.frame.elr, case.frame.far) = (8, 8);
    assert_eq!(
        rules(&case),
        ["jump-to-null", "before-own-vectors", "null-pointer"]
    );
    let mut case = target(esr(0x21, 0x10));
    (case.frame.elr, case.frame.far) = (0x5000_0000, 0x5000_0000);
    assert_eq!(
        rules(&case),
        ["jump-to-nowhere", "before-own-vectors", "external-abort"]
    );
    // a kernel on its own tables runs at virtual addresses
    case.frame.sctlr |= SCTLR_M;
    case.frame.elr = 0xffff_8000_8000_0000;
    assert_eq!(rules(&case), ["before-own-vectors", "external-abort"]);
    let mut case = target(esr(0x25, 0x21));
    case.frame.far = SEGMENT + 1;
    let report = report("", &case);
    assert!(report.explanations[0].meaning.contains("translation off"));
    assert!(report.explanations[0].advice.contains("compare far"));
    assert!(
        report.explanations[1]
            .meaning
            .contains("0x4a000001 (kernel)")
    );
}

#[test]
fn interrupts_have_no_syndrome() {
    for (vector, kind) in [(5, "IRQ"), (2, "FIQ"), (9, "IRQ")] {
        let mut case = target(esr(0x25, 0x06));
        (case.frame.vector, case.frame.far) = (vector, 8);
        let report = report("", &case);
        let rules: Vec<_> = report.explanations.iter().map(|e| e.rule).collect();
        assert_eq!(rules, ["before-own-vectors", "interrupt"], "{vector}");
        assert_eq!(arm64(&report).syndrome, None);
        assert_eq!(arm64(&report).exception.as_ref().unwrap().kind, kind);
        assert!(
            report
                .addresses
                .iter()
                .all(|address| address.register != "far")
        );
        assert!(report.to_string().starts_with(kind), "{report}");
    }
}

#[test]
fn the_report_has_what_the_dump_and_the_banner_have() {
    let mut case = target(esr(0x25, 0x61));
    (case.frame.far, case.frame.gpr[30], case.frame.gpr[31]) = (SEGMENT + 0x21, HANDOFF + 4, 0x10);
    case.word = 0xf940_00a6;
    let report = report("", &case);
    assert_eq!(report.architecture, Some("arm64"));
    assert_eq!(
        (report.vector.clone(), report.mode, report.cause.clone()),
        (None, None, None)
    );
    let own = arm64(&report);
    assert_eq!((own.level, own.translation), (Some("el2"), Some(false)));
    assert_eq!(own.cpu.as_deref(), Some("0x80000001"));
    let exception = own.exception.as_ref().unwrap();
    assert_eq!((exception.vector, exception.source), (4, "SP_ELx"));
    let names: Vec<_> = report
        .addresses
        .iter()
        .map(|a| (a.register, a.place.as_ref().unwrap().name.as_str()))
        .collect();
    assert_eq!(
        names,
        [("elr", "kernel"), ("x30", "handoff"), ("far", "kernel")]
    );
    assert_eq!(report.code[0].text, "ldr x6, [x5]");
    assert_eq!(report.bits["spsr"], ["EL2h", "D", "A", "I", "F"]);
    assert_eq!(report.bits["hcr"], ["RW"]);
    assert_eq!(report.registers["sp"], "0x10");
    assert_eq!(report.registers.len(), 32 + 7);
    let entry = own.entry.as_ref().unwrap();
    assert_eq!(
        (entry.level, entry.psci, entry.translation),
        (Some("el2"), Some("smc"), Some(false))
    );
    assert_eq!(entry.registers["x30"], "0x48000028");
    assert_eq!(
        entry.vbar.as_ref().unwrap().place.as_ref().unwrap().offset,
        0x800
    );
    assert_eq!(entry.bits["hcr"], ["FMO", "IMO", "AMO", "RW"]);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["syndrome"]["parts"][0], "alignment fault");
    assert_eq!(
        (&json["level"], &json["entry"]["level"]),
        (&"el2".into(), &"el2".into())
    );
    assert_eq!(json["missing"], serde_json::json!([]));
    let text = report.to_string();
    for part in [
        "data abort (esr 0x96000061): alignment fault, write\n",
        "whole, el2, translation off, cpu 0x80000001, phase target\n",
        "\n    sctlr 0x30c51834  C EOS I EIS\n",
        "\n    el2, translation off, cpu 0x80000001, psci by smc\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn an_unusual_source_is_shown() {
    let mut case = target(esr(0x25, 0x61));
    case.frame.vector = 8;
    let text = report("", &case).to_string();
    assert!(
        text.contains(", from lower level (vector 8), phase target\n"),
        "{text}"
    );
}

#[test]
fn bits_of_sctlr_depend_on_the_level() {
    let mut case = target(esr(0x25, 0x06));
    case.frame.sctlr = SCTLR_EL1_ON;
    let on = |case: &Case| report("", case).bits["sctlr"].clone();
    assert!(!on(&case).contains(&"SPAN"));
    case.frame.hcr |= 1 << 34;
    assert!(on(&case).contains(&"SPAN"));
    case.frame.current_el = 4;
    assert!(on(&case).contains(&"SPAN"));
}

#[test]
fn fields_that_are_lost_are_named() {
    let whole = text(&target(esr(0x25, 0x06)));
    let lines: Vec<&str> = whole
        .lines()
        .filter(|line| !line.contains(" x28 ") && !line.contains(" hcr "))
        .collect();
    let cut = lines[..lines.len() - 2]
        .join("\n")
        .replace(" esr 0x96000006 ", " esr 0x86000006 ");
    let report = decoded(&format!("{BANNER}{cut}\n"));
    assert_eq!(report.integrity, "truncated");
    assert_eq!(
        report.missing,
        ["esr", "hcr", "mpidr", "x28", "x29", "x30", "sp", "stack"]
    );
    assert_eq!(arm64(&report).syndrome, None);
    assert!(
        report
            .explanations
            .iter()
            .all(|e| e.rule == "before-own-vectors")
    );
    // the vector still tells the kind
    assert!(
        report
            .to_string()
            .starts_with("synchronous (vector 4, SP_ELx)"),
        "{report}"
    );
}

proptest! {
    /// Whatever the registers hold, there is a report with one rule about the class at most.
    #[test]
    fn every_state_has_a_report(
        words in any::<[u64; 6]>(),
        vector in 0..16_u64,
        phase in 0..9_u32,
        current_el in prop::sample::select(vec![4_u64, 8]),
        word in any::<u32>(),
    ) {
        let [esr, far, elr, spsr, sctlr, hcr] = words;
        let frame = Arm64Frame { esr, far, elr, spsr, sctlr, hcr, current_el, vector, ..Arm64Frame::default() };
        let report = report("", &Case { frame, phase, word });
        prop_assert_eq!(report.integrity, "whole");
        let situations = ["drill", "segment-memory", "handoff-text", "handoff-tables", "handoff-bug", "jump-to-null",
            "jump-to-nowhere", "before-own-vectors"];
        let causes = report.explanations.iter().filter(|e| !situations.contains(&e.rule)).count();
        // a rule may need an address that FAR does not have
        prop_assert!(causes <= 1);
        prop_assert!(!report.to_string().contains(".."));
    }
}
