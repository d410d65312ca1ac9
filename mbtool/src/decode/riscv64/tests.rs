//! Each cause and each rule, with dumps as the handoff writes them.

use super::*;
use crate::arch::Architecture;
use crate::decode::found::{CpuDump, FoundDump};
use crate::decode::lines::Lines;
use crate::decode::report::DecodedDump;
use crate::decode::scan::Scanner;
use crate::decode::symbolizer::Symbolizer;
use handoff::abi::{
    PHASE_CONSOLE, PHASE_ENTRY, PHASE_EXIT, PHASE_RELOCATE, PHASE_TARGET, PHASE_VERIFY,
};
use handoff::arch::riscv64::abi::RiscvFrame;
use handoff::arch::riscv64::causes::cause_name;
use handoff::arch::riscv64::dump::{RiscvRecord, write};
use handoff::arch::riscv64::registers::{SCAUSE_INTERRUPT, SSTATUS_FS};
use handoff::dump::Summed;
use handoff::print::Print;
use std::collections::BTreeSet;

/// Where the handoff, a segment and the page tables are.
const HANDOFF: u64 = 0x8040_0000;
const SEGMENT: u64 = 0x8100_0000;
const ROOT: u64 = 0x8040_8000;
const SV39: u64 = 8 << 60 | ROOT >> 12;
/// Lines of the handoff.
const BANNER: &str = "[handoff] mbtool 0.1.0 at 0x80400000, entered at 0xffffffc012345000 in mode sv48 on hart 2, \
    sbi 2.0 implementation 3 version 0x60c75\n\
    [handoff] entry satp 0x9012300000080200 sstatus 0x200000100 stvec 0x81000101 sie 0x0 ra 0x80000002\n\
    [handoff] verify with crc32 (portable)\n\
    [handoff] verify linux 0x81000000-0x81004000 12293 bytes: crc32 0x0002a37a ok\n";

#[derive(Default)]
struct Buffer(String);

impl Print for Buffer {
    fn byte(&mut self, byte: u8) {
        self.0.push(char::from(byte));
    }
}

/// A dump to modify.
#[derive(Clone, Copy)]
struct Case<'a> {
    frame: RiscvFrame,
    phase: u32,
    code: &'a [u8],
}

/// A trap of the loaded image, with translation off.
fn target(scause: u64) -> Case<'static> {
    let frame = RiscvFrame {
        scause,
        sepc: SEGMENT + 0x10,
        sstatus: 0x2_0000_0100 | SSTATUS_FS,
        ..RiscvFrame::default()
    };
    Case {
        frame,
        phase: PHASE_TARGET,
        code: &[],
    }
}

/// A trap of the handoff, on its own page tables.
fn own(scause: u64, phase: u32, stval: u64) -> Case<'static> {
    let mut case = target(scause);
    (case.frame.sepc, case.frame.satp, case.frame.stval) = (HANDOFF + 0x1200, SV39, stval);
    Case { phase, ..case }
}

fn text(case: &Case<'_>) -> String {
    let record = RiscvRecord {
        frame: &case.frame,
        hart: 2,
        phase: case.phase,
        code: case.code,
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
    assert_eq!(found[0].dump.architecture(), Architecture::Riscv64);
    DecodedDump::new(&found[0], None, &mut Symbolizer::without_own(Vec::new()))
}

fn report(before: &str, case: &Case<'_>) -> DecodedDump {
    decoded(&format!("{BANNER}{before}{}", text(case)))
}

fn rules(case: &Case<'_>) -> Vec<&'static str> {
    let report = report("", case);
    report.explanations.iter().map(|e| e.rule).collect()
}

#[test]
fn every_cause_has_the_handoffs_name_and_one_rule() {
    let mut named = BTreeSet::new();
    for scause in (0..80).chain((0..80).map(|code| code | SCAUSE_INTERRUPT)) {
        let report = report("", &target(scause));
        let name = cause_name(scause);
        let cause = report.cause.as_ref().unwrap();
        assert_eq!(cause.name.as_bytes(), name, "{scause:#x}");
        assert_eq!(
            (cause.code, cause.interrupt),
            (scause & !SCAUSE_INTERRUPT, scause >> 63 == 1)
        );
        assert_eq!(cause.value, format!("{scause:#x}"));
        // one about the situation, one about the cause
        let rules: Vec<&str> = report.explanations.iter().map(|e| e.rule).collect();
        assert_eq!(
            (rules.len(), rules[0]),
            (2, "before-own-stvec"),
            "{scause:#x}"
        );
        let reserved = name == b"reserved" && scause >> 63 == 0;
        assert_eq!(rules[1] == "reserved-cause", reserved, "{scause:#x}");
        assert_eq!(rules[1] == "interrupt", scause >> 63 == 1, "{scause:#x}");
        named.extend((name != b"reserved").then_some((scause >> 63, rules[1])));
        assert!(report.to_string().starts_with(cause.name), "{report}");
    }
    assert!(named.contains(&(0, "guest-page-fault")) && named.contains(&(1, "interrupt")));
}

#[test]
fn the_rule_of_a_cause() {
    for (scause, rule) in [
        (0, "misaligned-fetch"),
        (1, "access-fault"),
        (2, "illegal-instruction"),
        (3, "breakpoint"),
        (4, "misaligned"),
        (5, "access-fault"),
        (6, "misaligned"),
        (7, "access-fault"),
        (8, "environment-call"),
        (9, "environment-call"),
        (10, "environment-call"),
        (12, "page-fault"),
        (13, "page-fault"),
        (15, "page-fault"),
        (16, "double-trap"),
        (18, "software-check"),
        (19, "hardware-error"),
        (20, "guest-page-fault"),
        (21, "guest-page-fault"),
        (22, "virtual-instruction"),
        (23, "guest-page-fault"),
        (24, "reserved-cause"),
        (SCAUSE_INTERRUPT | 5, "interrupt"),
    ] {
        let mut case = target(scause);
        case.frame.stval = if scause == 2 {
            0xffff_ffff
        } else {
            0x9000_0000
        };
        assert_eq!(rules(&case), ["before-own-stvec", rule], "{scause:#x}");
    }
}

#[test]
fn an_interrupt_names_its_source() {
    let report = report("", &target(SCAUSE_INTERRUPT | 5));
    let meaning = &report.explanations[1].meaning;
    assert!(meaning.contains("supervisor timer interrupt"), "{meaning}");
    assert!(
        report
            .to_string()
            .starts_with("supervisor timer interrupt (interrupt 0x5)"),
        "{report}"
    );
}

#[test]
fn illegal_instructions_by_their_bits() {
    let at = |code: &'static [u8], sstatus: u64, stval: u64| {
        let mut case = target(2);
        (case.frame.sstatus, case.frame.stval, case.code) = (sstatus, stval, code);
        rules(&case)[1]
    };
    let on = SSTATUS_FS | 3 << 9;
    // unimp, its short form, and fadd.d fa0,fa0,fa1; vsetvli; csrr a0,mhartid; mret
    assert_eq!(at(&[0x73, 0x10, 0x00, 0xc0], on, 0), "unimp");
    assert_eq!(at(&[0, 0, 0, 0], on, 0), "unimp");
    let float = &[0x53, 0x75, 0xb5, 0x02];
    assert_eq!(at(float, 0, 0), "unit-off");
    assert_eq!(at(float, on, 0), "illegal-instruction");
    let vector = &[0x57, 0x75, 0x85, 0x0d];
    assert_eq!(at(vector, SSTATUS_FS, 0), "unit-off");
    assert_eq!(at(&[0x73, 0x25, 0x40, 0xf1], on, 0), "csr");
    assert_eq!(at(&[0x73, 0x00, 0x20, 0x30], on, 0), "privileged");
    assert_eq!(at(&[0xff; 8], on, 0), "illegal-instruction");
    // fence is no floating point
    assert_eq!(at(&[0x0f, 0x00, 0xf0, 0x0f], 0, 0), "illegal-instruction");
    // without code the CPU's copy in stval
    assert_eq!(at(&[], on, 0xc000_1073), "unimp");
    assert_eq!(at(&[], on, 0), "illegal-instruction");
    assert_eq!(at(&[], 0, 0x02b5_7553), "unit-off");
}

#[test]
fn faults_by_their_address() {
    let at = |scause, stval| {
        let mut case = target(scause);
        case.frame.stval = stval;
        rules(&case)[1]
    };
    assert_eq!(at(13, 0x18), "null-pointer");
    assert_eq!(at(13, 0x1018), "page-fault");
    // translation is off: that can only be a virtual address
    assert_eq!(at(1, 0xffff_ffc0_0000_0008), "virtual-address");
    assert_eq!(at(1, 0x8000_0000), "access-fault");
    let mut paged = target(1);
    (paged.frame.stval, paged.frame.satp) = (0xffff_ffc0_0000_0008, SV39);
    assert_eq!(rules(&paged)[1], "access-fault");
    let mut jump = target(12);
    jump.frame.sepc = 8;
    assert_eq!(
        rules(&jump),
        ["jump-to-null", "before-own-stvec", "null-pointer"]
    );
    jump.frame.sepc = 0x9000_0000;
    assert_eq!(rules(&jump)[0], "jump-to-nowhere");
    jump.frame.satp = SV39;
    assert_eq!(rules(&jump)[0], "before-own-stvec");
}

#[test]
fn faults_of_the_handoff() {
    let at = |scause, phase, stval| rules(&own(scause, phase, stval));
    assert_eq!(
        at(5, PHASE_VERIFY, SEGMENT),
        ["segment-memory", "access-fault"]
    );
    assert_eq!(
        at(7, PHASE_RELOCATE, SEGMENT),
        ["segment-memory", "access-fault"]
    );
    assert_eq!(
        at(7, PHASE_RELOCATE, HANDOFF),
        ["handoff-bug", "access-fault"]
    );
    assert_eq!(
        at(5, PHASE_CONSOLE, 0x1000_0000),
        ["handoff-bug", "access-fault"]
    );
    for phase in [PHASE_CONSOLE, PHASE_VERIFY, PHASE_RELOCATE, PHASE_EXIT] {
        assert_eq!(
            at(15, phase, HANDOFF),
            ["handoff-tables", "page-fault"],
            "{phase}"
        );
    }
    assert_eq!(at(15, PHASE_ENTRY, HANDOFF), ["handoff-bug", "page-fault"]);
    assert_eq!(at(2, PHASE_EXIT, 0), ["handoff-bug", "illegal-instruction"]);
    // after the jump, in the handoff's code
    assert_eq!(
        at(2, PHASE_TARGET, 0),
        ["handoff-bug", "illegal-instruction"]
    );
    for (scause, drill) in [(2, "unimp"), (3, "ebreak")] {
        let mut case = own(scause, PHASE_RELOCATE, 0);
        case.code = &[0x73, 0x10, 0x00, 0xc0];
        let report = report(&format!("[handoff] drill: {drill}\n"), &case);
        assert_eq!(report.explanations[0].rule, "drill");
    }
}

#[test]
fn a_dump_with_everything() {
    let mut case = own(13, PHASE_VERIFY, SEGMENT + 8);
    // ld a0,8(a1); ret
    case.code = &[0x88, 0x65, 0x82, 0x80];
    for (number, register) in case.frame.gpr.iter_mut().enumerate() {
        *register = number as u64;
    }
    case.frame.gpr[1] = SEGMENT + 0x20;
    let report = report("", &case);
    assert_eq!(
        (
            report.architecture,
            report.mode,
            report.hart,
            report.integrity
        ),
        (Some("riscv64"), Some("sv39"), Some(2), "whole")
    );
    assert_eq!(
        (&report.vector, &report.error, report.missing.len()),
        (&None, &None, 0)
    );
    let places: Vec<_> = report
        .addresses
        .iter()
        .map(|address| {
            (
                address.register,
                address.place.as_ref().unwrap().name.as_str(),
            )
        })
        .collect();
    assert_eq!(
        places,
        [("sepc", "handoff"), ("ra", "linux"), ("stval", "linux")]
    );
    let satp = report.satp.unwrap();
    assert_eq!(
        (satp.mode, satp.asid, satp.root.as_deref()),
        (Some("sv39"), 0, Some("0x80408000"))
    );
    assert_eq!(satp.place.unwrap().name, "handoff");
    assert_eq!(report.bits["sstatus"], ["SPP", "FS dirty", "UXL 64"]);
    assert_eq!(
        (report.registers["t6"].as_str(), report.registers.len()),
        ("0x1f", 36)
    );
    let texts: Vec<_> = report.code.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, ["ld a0,8(a1)", "ret"]);
    assert!(report.code[0].current && !report.code[1].current);
    let entry = report.entry.unwrap();
    assert_eq!((entry.sbi, entry.sstatus), (Some(3), vec!["SPP", "UXL 64"]));
    let stvec = entry.stvec.unwrap();
    assert_eq!(
        (stvec.base.as_str(), stvec.mode),
        ("0x81000100", Some("vectored"))
    );
    let satp = entry.satp.unwrap();
    assert_eq!((satp.mode, satp.asid), (Some("sv48"), 0x123));
}

#[test]
fn bits_of_sstatus_and_modes_of_satp() {
    assert_eq!(csr::sstatus(0), [""; 0]);
    let all = csr::sstatus(u64::MAX);
    assert_eq!(all.len(), 13);
    assert_eq!(
        csr::sstatus(0x0000_0002_0000_2022),
        ["SIE", "SPIE", "FS initial", "UXL 64"]
    );
    assert_eq!(
        csr::sstatus(1 << 10 | 1 << 15 | 1 << 63),
        ["SD", "VS clean", "XS initial"]
    );
    let map = crate::decode::address_map::AddressMap::default();
    let mode = |satp| DecodedSatp::new(satp, &map).mode;
    assert_eq!(mode(0), Some("bare"));
    assert_eq!(mode(8 << 60), Some("sv39"));
    assert_eq!(mode(9 << 60), Some("sv48"));
    assert_eq!(mode(10 << 60), Some("sv57"));
    assert_eq!(mode(11 << 60), None);
    assert_eq!(DecodedSatp::new(0, &map).root, None);
    assert_eq!(csr::root(SV39), Some(ROOT));
}

#[test]
fn fields_that_are_lost_are_named() {
    let whole = text(&target(5));
    let lines: Vec<&str> = whole
        .lines()
        .filter(|line| !line.contains(" t4 "))
        .collect();
    let cut = lines[..lines.len() - 2]
        .join("\n")
        .replace(" cause 0x5 ", " cause 0x6 ");
    let report = decoded(&format!("{BANNER}{cut}\n"));
    assert_eq!(report.integrity, "truncated");
    assert_eq!(report.missing, ["scause", "t4", "t5", "t6", "stack"]);
    assert!(report.cause.is_none() && report.explanations[0].rule == "before-own-stvec");
    assert!(
        report
            .to_string()
            .starts_with("an exception whose cause is lost")
    );
}

#[test]
fn parts_of_a_pc_have_no_names_here() {
    let mut case = target(5);
    case.frame.stval = 0xfee0_0000;
    let report = report("", &case);
    assert_eq!(report.addresses[2].register, "stval");
    assert_eq!(report.addresses[2].place, None);
}

#[test]
fn calls_before_a_return_address() {
    // jal ra; jalr ra,a0; jalr t0; c.jalr a0
    for call in [
        &[0xef, 0x00, 0x40, 0x00][..],
        &[0xe7, 0x00, 0x05, 0x00],
        &[0xe7, 0x82, 0x02, 0x00],
        &[0x02, 0x95],
    ] {
        assert!(disasm::ends_in_call(call), "{call:x?}");
    }
    // j; jr ra; c.jr ra; ebreak; nothing
    for other in [
        &[0x6f, 0x00, 0x40, 0x00][..],
        &[0x67, 0x80, 0x00, 0x00],
        &[0x82, 0x80],
        &[0x02, 0x90],
        &[],
    ] {
        assert!(!disasm::ends_in_call(other), "{other:x?}");
    }
}

#[test]
fn code_before_sepc_is_shown_from_an_instruction_on() {
    // zeroes, which are no instruction, li a0,1, then ret at sepc
    let before = [0x00, 0x00, 0x05, 0x45];
    assert_eq!(disasm::synchronized(&before), &before[2..]);
    let lines = disasm::around(0x1004, &before[2..], &[0x82, 0x80, 0x13]);
    let shown: Vec<_> = lines
        .iter()
        .map(|l| (l.address.as_str(), l.text.as_str()))
        .collect();
    assert_eq!(shown, [("0x1002", "li a0,1"), ("0x1004", "ret")]);
}

const KVM: &str = "kvm [93]: VCPU exit error -95\n\
    kvm [93]: SEPC=0xff60000002d3d050 SSTATUS=0x200004120 HSTATUS=0x2002001c0\n\
    kvm [93]: SCAUSE=0x14 STVAL=0xff60000002d3d050 HTVAL=0x3fd8000000b4f414 HTINST=0x0\n";

#[test]
fn a_guest_that_turns_translation_off() {
    for label in [
        "",
        "[   51.939077] ",
        "Nov 30 01:02:03 box kernel: [   51.939077] ",
    ] {
        let log: String = KVM.lines().map(|line| format!("{label}{line}\n")).collect();
        let report = decoded(&log);
        let rules: Vec<_> = report.explanations.iter().map(|e| e.rule).collect();
        assert_eq!(rules, ["satp-switch", "guest-page-fault"], "{log}");
        assert_eq!(report.integrity, "whole");
        assert_eq!(report.registers["htval"], "0x3fd8000000b4f414");
        assert_eq!(report.addresses[0].value, "0xff60000002d3d050");
    }
}

#[test]
fn a_guest_that_runs_where_no_memory_is() {
    // a monitor without firmware: pc is 0, and the CPU does not tell the guest physical address
    let log = KVM
        .replace("0xff60000002d3d050", "0x0")
        .replace("0x3fd8000000b4f414", "0x0");
    let report = decoded(&log);
    let rules: Vec<_> = report.explanations.iter().map(|e| e.rule).collect();
    assert_eq!(rules, ["kvm", "jump-to-null", "guest-page-fault"]);
    // mapped by the guest, to a place that the monitor did not fill
    let log = KVM.replace("0x3fd8000000b4f414", "0x24000000");
    let report = decoded(&log);
    let rules: Vec<_> = report.explanations.iter().map(|e| e.rule).collect();
    assert_eq!(rules, ["kvm", "guest-page-fault"]);
    assert!(
        report.explanations[1]
            .meaning
            .contains("guest physical address 0x90000000")
    );
    // a double trap
    let log = KVM.replace("SCAUSE=0x14", "SCAUSE=0x10");
    let rules: Vec<_> = decoded(&log).explanations.iter().map(|e| e.rule).collect();
    assert_eq!(rules, ["kvm", "double-trap"]);
}

#[test]
fn lines_of_kvm_that_are_cut() {
    let (first, rest) = KVM.split_once('\n').unwrap();
    assert!(scan(&format!("{first}\nlogin:\n")).is_empty());
    let (second, _) = rest.split_once('\n').unwrap();
    let found = scan(&format!("{first}\nother\n{second}\n"));
    let CpuDump::Riscv(dump) = &found[0].dump else {
        panic!("{found:?}")
    };
    assert_eq!(
        (dump.sepc, dump.scause),
        (Some(0xff60_0000_02d3_d050), None)
    );
    assert_eq!(
        decoded(&format!("{first}\n{second}\n")).integrity,
        "truncated"
    );
}
