//! Whole logs: recorded ones with their expected output, and damaged ones.
//!
//! The logs in tests/data/decode are of real runs (see docs/debugging-triple-faults.md), but for linux.log, which has
//! the format of Linux 6.16 and a fault in Linux's own control page. linux-7.2.log is of Debian's Linux 7.2, booted
//! with earlyprintk=serial, which jumped into `mov rax, 0x1122334455667788; mov rbx, 0x42; ud2`. Those of riscv64 are of
//! images/tests/riscv64.rs, and those of arm64 of images/tests/arm64.rs; arm64-linux-lpa2.log is of Debian's Linux 6.12 and
//! QEMU's `-cpu max`, where a program called kexec_load(2); those of Xen 4.20 and arm64 are of QEMU, too. With UPDATE_GOLDEN set, the expected texts are written anew.

use super::address_map::AddressMap;
use super::found::{CpuDump, DumpSource, FoundDump};
use super::lines::Lines;
use super::report::DecodedDump;
use super::scan::Scanner;
use super::symbolizer::Symbolizer;
use handoff::dump::read::{Dump, Integrity};
use handoff::dump::{self, Mode, Record, Summed};
use handoff::print::Print;
use proptest::prelude::*;
use std::path::PathBuf;
use std::{env, fs};

mod arm64;

fn data(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/decode")).join(name)
}

fn scan(log: &[u8]) -> Vec<FoundDump> {
    let (mut lines, mut scanner, mut found) = (Lines::default(), Scanner::default(), Vec::new());
    lines.push(log, |number, line| found.extend(scanner.line(number, line)));
    lines.finish(|number, line| found.extend(scanner.line(number, line)));
    found.extend(scanner.finish());
    found
}

fn x86(found: &FoundDump) -> &Dump {
    let CpuDump::X86(dump) = &found.dump else {
        panic!("{found:?}")
    };
    dump
}

/// Decodes without the handoff's own symbols: a recorded log is from another
/// build.
fn reports(log: &[u8], plan: Option<&AddressMap>) -> Vec<DecodedDump> {
    let mut symbols = Symbolizer::without_own(Vec::new());
    scan(log)
        .iter()
        .map(|found| DecodedDump::new(found, plan, &mut symbols))
        .collect()
}

fn rules(report: &DecodedDump) -> Vec<&'static str> {
    report
        .explanations
        .iter()
        .map(|explanation| explanation.rule)
        .collect()
}

fn recorded(name: &str, plan: Option<&str>) -> Vec<DecodedDump> {
    let plan = plan.map(|plan| AddressMap::from_plan(&fs::read(data(plan)).unwrap()).unwrap());
    let log = fs::read(data(&format!("{name}.log"))).unwrap();
    let reports = reports(&log, plan.as_ref());
    let texts: Vec<String> = reports.iter().map(DecodedDump::to_string).collect();
    let file = data(&format!("{name}.txt"));
    let text = texts.join("\n");
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&file, &text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(&file).unwrap(), "{name}");
    reports
}

#[test]
fn a_drill_in_long_mode() {
    let [report] = &recorded("drill-long", None)[..] else {
        panic!()
    };
    assert_eq!(rules(report), ["drill", "ud2"]);
    assert_eq!(report.code[0].text, "ud2");
}

#[test]
fn a_drill_in_protected_mode() {
    let [report] = &recorded("drill-protected", None)[..] else {
        panic!()
    };
    assert_eq!(rules(report), ["drill", "ud2"]);
}

#[test]
fn a_target_that_stops_itself() {
    let [report] = &recorded("target-ud2", None)[..] else {
        panic!()
    };
    assert_eq!(rules(report), ["before-own-idt", "ud2"]);
    assert_eq!(report.addresses[0].place.as_ref().unwrap().name, "fault32");
}

#[test]
fn xen_caught_by_a_watchpoint() {
    let [report] = &recorded("xen-guard", Some("xen-guard.plan.json"))[..] else {
        panic!()
    };
    assert_eq!(rules(report), ["guard", "xen-trampoline"]);
    assert_eq!(report.addresses[0].place.as_ref().unwrap().name, "xen");
}

#[test]
fn a_dump_of_linux() {
    let [report] = &recorded("linux", None)[..] else {
        panic!()
    };
    assert_eq!(
        (report.source, report.integrity, report.line),
        (DumpSource::Linux, "whole", 2)
    );
    assert_eq!(rules(report), ["linux-kexec", "page-fault"]);
    assert_eq!(report.registers["rdi"], "0xfffffffffffff000");
    assert!(!report.registers.contains_key("rbp") && report.missing.is_empty());
}

#[test]
fn a_dump_that_linux_itself_wrote() {
    let [report] = &recorded("linux-7.2", None)[..] else {
        panic!()
    };
    assert_eq!(report.source, DumpSource::Linux);
    assert_eq!(rules(report), ["linux-kexec", "undefined-opcode"]);
    assert_eq!(report.registers["rax"], "0x1122334455667788");
    assert_eq!(report.registers["rbx"], "0x42");
    assert!(report.missing.is_empty());
}

#[test]
fn a_page_fault_of_the_handoff_on_riscv64() {
    let [report] = &recorded("riscv64-load-page-fault", None)[..] else {
        panic!()
    };
    assert_eq!(rules(report), ["handoff-tables", "null-pointer"]);
    assert_eq!((report.integrity, report.mode), ("whole", Some("sv39")));
    assert_eq!(report.cause.as_ref().unwrap().code, 13);
    assert_eq!(report.registers.len(), 36);
}

#[test]
fn an_image_on_riscv64_that_fails_before_it_sets_stvec() {
    let [report] = &recorded("riscv64-target-illegal", None)[..] else {
        panic!()
    };
    // without verification no segment has a name: nothing tells that sepc is outside of them
    assert_eq!(rules(report), ["before-own-stvec", "illegal-instruction"]);
    assert_eq!(
        (report.mode, report.phase.as_deref()),
        (Some("bare"), Some("target"))
    );
}

#[test]
fn a_breakpoint_of_the_handoff_on_riscv64() {
    let [report] = &recorded("riscv64-ebreak", None)[..] else {
        panic!()
    };
    assert_eq!(rules(report), ["drill", "breakpoint"]);
    assert_eq!(report.code[0].text, "ebreak");
}

/// Two boots on one port, with lines of Xen and Linux in between, a truncated dump, and one without
/// its first line.
#[test]
fn several_dumps_in_noise() {
    let first = fs::read_to_string(data("target-ud2.log")).unwrap();
    let second = fs::read_to_string(data("xen-guard.log")).unwrap();
    let linux = fs::read_to_string(data("linux.log")).unwrap();
    let mut log = String::new();
    for (number, line) in first.lines().enumerate() {
        log += &format!(
            "[{number:5}.{number:06}] {line}\r\n(XEN) noise {number}\r\n\x1b[0;32mok\x1b[m\r\n"
        );
    }
    log += &second[..second.find("[handoff] code").unwrap()];
    log += &linux;
    let lost = first.find("[handoff] rip").unwrap();
    log += &first[lost..];
    log += &linux[..linux.find("rdx:").unwrap()];
    let reports = reports(log.as_bytes(), None);
    let brief: Vec<_> = reports
        .iter()
        .map(|r| (r.source, r.integrity, r.vector.as_ref().map(|v| v.number)))
        .collect();
    assert_eq!(
        brief,
        [
            (DumpSource::Handoff, "whole", Some(6)),
            (DumpSource::Linux, "whole", Some(14)),
            (DumpSource::Handoff, "truncated", Some(1)),
            (DumpSource::Handoff, "damaged", None),
            (DumpSource::Linux, "truncated", Some(14)),
        ]
    );
    assert_eq!(reports[3].missing, ["vector", "error", "phase"]);
    assert_eq!(reports[3].registers["rax"], "0xfa017000");
    assert_eq!(reports[4].missing[0], "cr2");
}

/// Text of a record as written by the handoff.
#[derive(Default)]
struct Buffer(String);

impl Print for Buffer {
    fn byte(&mut self, byte: u8) {
        self.0.push(char::from(byte));
    }
}

/// A dump's text.
pub(super) fn text(record: &Record<'_>, more: &str) -> String {
    let mut out = Summed::new(Buffer::default());
    dump::write_with(&mut out, record, |out: &mut Summed<Buffer>| {
        out.str(more);
    });
    out.0.clone()
}

/// A record to modify in tests.
pub(super) fn record() -> Record<'static> {
    Record {
        vector: 13,
        error: Some(0),
        mode: Mode::Long,
        phase: 6,
        rip: 0x20_0000,
        rflags: 0x46,
        gpr: [0; 16],
        sel: [0x10, 0x18, 0x18, 0x18, 0x18, 0x18],
        cr: [0x8001_0033, 0, 0x1000, 0x660],
        efer: 0xd00,
        dr6: 0xffff_0ff0,
        code: &[],
        stack: &[],
    }
}

proptest! {
    #[test]
    fn anything_can_be_decoded(log in prop::collection::vec(any::<u8>(), 0..2000)) {
        for report in reports(&log, None) {
            serde_json::to_string(&report).unwrap();
        }
    }

    /// Lines with valid syntax and arbitrary values.
    #[test]
    fn almost_dumps_can_be_decoded(
        lines in prop::collection::vec(
            "(\\[handoff\\] |\x1b\\[0m)?(EXCEPTION vector [0-9]{1,3} |END OF DUMP |rip 0x[0-9a-f]{14,17}|code|stack 0x|\
             verify x 0x1-0x2|jump to|guard: 0x1 0x2|mbtool 1 at 0x1|Exc:0{15}|rip:[0-9a-f]{16}|cr2:)?[ -~\u{80}-\u{fff}]{0,40}",
            0..60),
    ) {
        for report in reports(lines.join("\n").as_bytes(), None) {
            prop_assert!(!report.to_string().is_empty());
        }
    }

    /// Any record, any code bytes: input of all rules and of the disassembler.
    #[test]
    fn every_record_can_be_explained(
        (vector, error, long, phase) in (any::<u8>(), any::<Option<u64>>(), any::<bool>(), 0..7u32),
        words in any::<[u64; 24]>(),
        shift in 0..64u32,
        code in prop::collection::vec(any::<u8>(), 0..=16),
        stack in prop::collection::vec(any::<u64>(), 0..=8),
    ) {
        let mode = if long { Mode::Long } else { Mode::Protected };
        let word = |n: usize| words[n] >> if long { shift } else { shift.max(32) };
        let record = Record {
            vector,
            error,
            mode,
            phase,
            rip: word(0),
            rflags: word(1),
            gpr: std::array::from_fn(|n| word(2 + n)),
            cr: std::array::from_fn(|n| word(18 + n)),
            efer: word(22),
            dr6: word(23),
            code: &code,
            stack: &stack.iter().map(|word| if long { *word } else { *word >> 32 }).collect::<Vec<_>>(),
            ..record()
        };
        let reports = reports(text(&record, "").as_bytes(), None);
        prop_assert_eq!(reports.len(), 1);
        prop_assert_eq!(reports[0].integrity, "whole");
        prop_assert!(reports[0].missing.is_empty());
        prop_assert!(!reports[0].to_string().is_empty());
    }

    /// If the lines of vector and rip are intact, they are found, whatever happens to
    /// other lines.
    #[test]
    fn damage_of_other_lines_does_not_affect_vector_and_rip(
        vector in any::<u8>(),
        rip in any::<u64>(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..30usize), 0..8),
        noise in prop::collection::vec("(\\(XEN\\) |\\[ *[0-9]{1,4}\\.[0-9]{6}\\] |\x1b\\[[0-9;]{0,5}m)?[ -Z^-~]{0,60}", 24),
        stamp in "(\\[ *[0-9]{1,4}\\.[0-9]{6}\\] )?",
    ) {
        let record = Record { vector, rip, ..record() };
        let text = text(&record, "");
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for (at, len) in &cuts {
            let line = &mut lines[2 + at.index(9)];
            let start = at.index(line.len() + 1);
            let end = (start + len).min(line.len());
            line.replace_range(start..end, "");
        }
        let log: String = lines.iter().zip(&noise).map(|(line, noise)| format!("{stamp}{line}\r\n{noise}\n\r")).collect();
        let found = scan(log.as_bytes());
        let first = x86(&found[0]);
        prop_assert_eq!(first.vector, Some(vector));
        prop_assert_eq!(first.rip, Some(rip));
        let untouched = cuts.iter().all(|(_, len)| *len == 0);
        prop_assert!(!untouched || first.integrity == Integrity::Whole);
    }

    /// The same for Linux's dumps.
    #[test]
    fn linux_dumps_survive_noise(
        values in any::<[u64; 19]>(),
        noise in prop::collection::vec("(\\(XEN\\) |\\[ *[0-9]{1,4}\\.[0-9]{6}\\] )?[ -9;-Z^-~]{0,60}", 19),
        lost in prop::option::of(3..19usize),
    ) {
        let labels = [
            "Exc:", "Err:", "rip:", "rsp:", "rax:", "rbx:", "rcx:", "rdx:", "rsi:", "rdi:", "r8 :", "r9 :", "r10:",
            "r11:", "r12:", "r13:", "r14:", "r15:", "cr2:",
        ];
        let mut values = values;
        values[0] &= 0x1f;
        let lines = labels.iter().zip(values).zip(&noise).enumerate();
        let log: String = lines
            .filter(|(n, _)| lost != Some(*n))
            .map(|(_, ((label, value), noise))| format!("{noise}\n{label}{value:016x}\n"))
            .collect();
        let found = scan(log.as_bytes());
        prop_assert_eq!(found.len(), 1);
        let dump = x86(&found[0]);
        prop_assert_eq!(dump.vector, Some(values[0] as u8));
        prop_assert_eq!(dump.rip, Some(values[2]));
        let whole = match lost {
            None => Integrity::Whole,
            Some(18) => Integrity::Truncated,
            Some(_) => Integrity::Damaged,
        };
        prop_assert_eq!(dump.integrity, whole);
        prop_assert_eq!(dump.cr[1], (lost != Some(18)).then_some(values[18]));
        prop_assert_eq!(dump.gpr[8], (lost != Some(10)).then_some(values[10]));
    }
}
