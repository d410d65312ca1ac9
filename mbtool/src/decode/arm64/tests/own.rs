//! Exceptions in the handoff's own time.

use super::*;
use handoff::abi::PageTable;
use handoff::addr::PhysRange;
use handoff::arch::arm64::abi::TABLES;
use handoff::arch::arm64::paging::{Arm64Mapper, DATA, READ_ONLY, TEXT, walk};

/// Permission fault of a write.
const WRITE_DENIED: u64 = 0x4f;

#[test]
fn each_phase_and_cause_has_its_rule() {
    let elsewhere = 0x7000_0000;
    for (esr, phase, far, expected) in [
        (
            esr(0x25, 0x10),
            PHASE_VERIFY,
            SEGMENT + 1,
            &["segment-memory", "external-abort"][..],
        ),
        (
            esr(0x25, 0x50),
            PHASE_RELOCATE,
            elsewhere,
            &["segment-memory", "external-abort"],
        ),
        (
            esr(0x25, 0x410),
            PHASE_VERIFY,
            0,
            &["segment-memory", "external-abort"],
        ),
        (esr(0x2f, 0), PHASE_VERIFY, 0, &["segment-memory", "serror"]),
        (
            esr(0x2f, 0x11),
            PHASE_RELOCATE,
            0,
            &["segment-memory", "serror"],
        ),
        (esr(0x2f, 0), PHASE_EXIT, 0, &["handoff-bug", "serror"]),
        (
            esr(0x25, 0x10),
            PHASE_VERIFY,
            HANDOFF + 8,
            &["handoff-bug", "external-abort"],
        ),
        (
            esr(0x25, 0x10),
            PHASE_CONSOLE,
            elsewhere,
            &["handoff-bug", "external-abort"],
        ),
        (
            esr(0x25, WRITE_DENIED),
            PHASE_RELOCATE,
            HANDOFF + 8,
            &["handoff-text", "permission"],
        ),
        (
            esr(0x25, 0x06),
            PHASE_RELOCATE,
            elsewhere,
            &["handoff-tables", "page-fault"],
        ),
        (
            esr(0x25, 0x06),
            PHASE_VERIFY,
            8,
            &["handoff-tables", "null-pointer"],
        ),
        (
            esr(0x21, 0x0f),
            PHASE_EXIT,
            SEGMENT,
            &["handoff-tables", "permission"],
        ),
        (
            esr(0x25, 0x00),
            PHASE_EXIT,
            u64::MAX,
            &["handoff-tables", "page-fault"],
        ),
        (
            esr(0x25, 0x21),
            PHASE_VERIFY,
            SEGMENT + 1,
            &["handoff-bug", "alignment"],
        ),
        (esr(0x15, 7), PHASE_RELOCATE, 0, &["handoff-bug", "call"]),
    ] {
        let case = own(esr, phase, far);
        assert_eq!(rules(&case), expected, "{esr:#x} {phase} {far:#x}");
    }
    // before its own tables
    let mut case = own(esr(0x25, 0x21), PHASE_ENTRY, SEGMENT + 1);
    case.frame.sctlr &= !SCTLR_M;
    let report = report("", &case);
    let rules: Vec<_> = report.explanations.iter().map(|e| e.rule).collect();
    assert_eq!(rules, ["handoff-bug", "device-alignment"]);
    assert!(
        report.explanations[0]
            .meaning
            .contains("translation was still off")
    );
}

#[test]
fn the_segment_is_named_if_it_is_known() {
    let meaning = |far| {
        let case = own(esr(0x25, 0x10), PHASE_VERIFY, far);
        report("", &case).explanations[0].meaning.clone()
    };
    assert!(meaning(SEGMENT + 1).starts_with("segment `kernel` is in memory"));
    assert!(meaning(0x7000_0000).contains("after the last `verify` line"));
}

#[test]
fn a_drill_is_no_bug() {
    for (esr, word) in [(esr(0, 0), 0), (esr(0x3c, 0), 0xd420_0000)] {
        let case = Case {
            word,
            ..own(esr, PHASE_RELOCATE, 0)
        };
        let report = report("[handoff] drill: udf\n", &case);
        assert_eq!(report.explanations[0].rule, "drill");
        assert!(report.explanations.iter().all(|e| e.rule != "handoff-bug"));
        assert_eq!(rules(&case)[0], "handoff-bug");
    }
}

/// What the rules say about the handoff's tables is what its mapper makes.
#[test]
fn the_handoffs_tables_are_as_the_rules_say() {
    let mut pool: Vec<PageTable> = vec![[0; 512]; TABLES];
    let pool_at = HANDOFF + 0x3_0000;
    let mut mapper = Arm64Mapper::new(&mut pool, pool_at).unwrap();
    let range = |start, len| PhysRange::from_len(start, len).unwrap();
    mapper.identity(range(HANDOFF, 0x4_0000), DATA).unwrap();
    mapper.identity(range(SEGMENT, 0x4000), DATA).unwrap();
    mapper.identity(range(HANDOFF, 0x5000), TEXT).unwrap();
    let at = |address| walk(&pool, pool_at, address);
    // code: read-only; data, one to one
    let (physical, flags) = at(HANDOFF + 0x8).unwrap();
    assert_eq!((physical, flags & READ_ONLY), (HANDOFF + 8, READ_ONLY));
    for data in [HANDOFF + 0x5000, SEGMENT + 0x3fff] {
        let (physical, flags) = at(data).unwrap();
        assert_eq!((physical, flags & READ_ONLY), (data, 0));
    }
    // pages of segments, and no others
    for outside in [
        8,
        SEGMENT + 0x4000,
        SEGMENT - 1,
        HANDOFF - 1,
        0x7000_0000,
        u64::MAX,
    ] {
        assert_eq!(at(outside), None, "{outside:#x}");
        let case = own(esr(0x25, 0x07), PHASE_RELOCATE, outside);
        assert_eq!(rules(&case)[0], "handoff-tables", "{outside:#x}");
    }
    let case = own(esr(0x25, WRITE_DENIED), PHASE_RELOCATE, HANDOFF + 8);
    assert_eq!(rules(&case)[0], "handoff-text");
}

#[test]
fn a_cpu_without_granules_of_4_kib_is_noted() {
    let line = "[handoff] page tables: this CPU has no 4 KiB granule: caches stay off\n";
    let case = own(esr(0x25, 0x21), PHASE_VERIFY, SEGMENT + 1);
    let report = report(line, &case);
    assert!(
        report.notes.iter().any(|note| note.contains("4 KiB")),
        "{:?}",
        report.notes
    );
}
