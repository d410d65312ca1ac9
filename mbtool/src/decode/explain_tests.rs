//! Each rule is tested with dumps that it applies to, and others.

use super::*;
use crate::decode::lines::Lines;
use crate::decode::report::DecodedDump;
use crate::decode::scan::Scanner;
use crate::decode::symbolizer::Symbolizer;
use crate::decode::tests::{record, text};
use handoff::dump::Record;

/// Lines of the handoff: itself at 1 MiB, Xen at 2 MiB.
const BANNER: &str = "[handoff] mbtool 0.1.0 at 0x100000, entered by linux\n\
    [handoff] verify xen 0x00200000-0x00600000 9 bytes: crc32 ok\n\
    [handoff] verify module 0: vmlinuz 0x01000000-0x01001000 9 bytes: crc32 ok\n";

fn report_of(log: &str) -> DecodedDump {
    let (mut lines, mut scanner, mut found) = (Lines::default(), Scanner::default(), Vec::new());
    lines.push(log.as_bytes(), |number, line| {
        found.extend(scanner.line(number, line))
    });
    found.extend(scanner.finish());
    assert_eq!(found.len(), 1, "{log}");
    DecodedDump::new(&found[0], None, &mut Symbolizer::without_own(Vec::new()))
}

fn report(record: &Record<'_>, before: &str, more: &str) -> DecodedDump {
    report_of(&format!("{BANNER}{before}{}", text(record, more)))
}

fn rules(record: &Record<'_>) -> Vec<&'static str> {
    report(record, "", "")
        .explanations
        .iter()
        .map(|e| e.rule)
        .collect()
}

/// A dump in the image, in protected mode without paging.
fn protected() -> Record<'static> {
    Record {
        mode: Mode::Protected,
        cr: [0x11, 0, 0, 0],
        efer: 0,
        ..record()
    }
}

fn registers(set: &[(usize, u64)]) -> [u64; 16] {
    let mut gpr = [0; 16];
    for (number, value) in set {
        gpr[*number] = *value;
    }
    gpr
}

#[test]
fn a_watchpoint_of_the_handoff() {
    let hit = Record {
        vector: 1,
        error: None,
        dr6: 0xffff_0ff2,
        ..protected()
    };
    let guarded = report(
        &hit,
        "[handoff] guard: watching writes to 0x100000 and 0x12ffff8\n",
        "",
    );
    assert_eq!(guarded.explanations[0].rule, "guard");
    assert!(
        guarded.explanations[0]
            .meaning
            .contains("0x12ffff8, the handoff's last word")
    );
    let step = Record {
        dr6: 0xffff_4ff0,
        ..hit
    };
    assert_eq!(rules(&step), ["before-own-idt", "debug"]);
}

#[test]
fn the_trampoline_of_a_zero_bios_data_area() {
    // mov [edi], eax
    let code = [0x89, 0x07, 0x90];
    let at = |edi| Record {
        vector: 6,
        error: None,
        gpr: registers(&[(7, edi)]),
        code: &code,
        ..protected()
    };
    let found = report(&at(0xffff_efb0), "", "");
    assert_eq!(found.explanations[0].rule, "xen-trampoline");
    assert!(found.explanations[0].meaning.contains("0xffffefb0"));
    assert_eq!(found.accesses, ["writes 0xffffefb0 (firmware flash)"]);
    // a small negative number is not an address, and other images have no trampoline
    assert!(!rules(&at(0xffff_fff0)).contains(&"xen-trampoline"));
    let module = Record {
        rip: 0x100_0000,
        ..at(0xffff_efb0)
    };
    assert!(!rules(&module).contains(&"xen-trampoline"));
}

#[test]
fn faults_of_the_handoff_itself() {
    let own = Record {
        rip: 0x10_1000,
        phase: 2,
        ..record()
    };
    assert_eq!(rules(&own), ["handoff-bug", "general-protection"]);
    let drill = report(
        &Record {
            vector: 6,
            error: None,
            code: &[0x0f, 0x0b],
            ..own
        },
        "[handoff] drill: ud2 in long mode\n",
        "",
    );
    assert_eq!(drill.explanations[0].rule, "drill");
    assert!(drill.explanations.iter().all(|e| e.rule != "handoff-bug"));
}

#[test]
fn jumps_to_unloaded_addresses() {
    let at = |rip| rules(&Record { rip, ..protected() });
    assert_eq!(at(0)[0], "jump-to-null");
    assert_eq!(at(0xffff_fff0)[0], "jump-to-nowhere");
    assert_eq!(at(0x9_0000_u64)[0], "jump-to-nowhere");
    assert_eq!(at(0x20_0000)[0], "before-own-idt");
    // 64-bit code may run at addresses of its own page tables
    let high = Record {
        rip: 0xffff_82d0_4020_0000,
        ..record()
    };
    assert!(!rules(&high).contains(&"jump-to-nowhere"));
}

#[test]
fn a_stack_outside_of_memory() {
    let lost = Record {
        rip: 0,
        gpr: registers(&[(4, 0xffff_f000)]),
        ..protected()
    };
    let found = report(
        &lost,
        "",
        "[handoff] frame lost: esp was not in memory, so rip is not known\n",
    );
    assert_eq!(found.explanations[0].rule, "frame-lost");
    assert!(
        found.explanations[0]
            .meaning
            .contains("0xfffff000 (firmware flash)")
    );
    assert_eq!(found.missing, ["error", "rip", "rflags", "cs"]);
    assert!(found.explanations.iter().all(|e| e.rule != "jump-to-null"));
}

#[test]
fn undefined_opcodes() {
    let with = |code: &'static [u8], cr4| {
        let cr = [0x8001_0033, 0, 0, cr4];
        rules(&Record {
            vector: 6,
            error: None,
            code,
            cr,
            ..record()
        })[1]
    };
    assert_eq!(with(&[0x0f, 0x0b], 0x660), "ud2");
    // movaps xmm0, xmm1; vaddps ymm0, ymm1, ymm2
    assert_eq!(with(&[0x0f, 0x28, 0xc1], 0x20), "sse-off");
    assert_eq!(with(&[0x0f, 0x28, 0xc1], 0x220), "undefined-opcode");
    assert_eq!(with(&[0xc5, 0xf4, 0x58, 0xc2], 0x220), "sse-off");
    assert_eq!(
        with(&[0xc5, 0xf4, 0x58, 0xc2], 0x4_0220),
        "undefined-opcode"
    );
    assert_eq!(with(&[0x06], 0x660), "undefined-opcode");
}

#[test]
fn general_protection() {
    let with = |error, code: &'static [u8], rax| {
        let gpr = registers(&[(0, rax), (1, 0x174)]);
        rules(&Record {
            error: Some(error),
            code,
            gpr,
            ..record()
        })[1]
    };
    assert_eq!(with(0x18, &[0x90], 0), "selector");
    // mov rcx, [rax]
    assert_eq!(
        with(0, &[0x48, 0x8b, 0x08], 0x8000_0000_0000_0000),
        "non-canonical"
    );
    assert_eq!(
        with(0, &[0x48, 0x8b, 0x08], 0xffff_8000_0000_0000),
        "general-protection"
    );
    assert_eq!(with(0, &[0x0f, 0x30], 0), "msr");
}

#[test]
fn page_faults() {
    let meaning = |error, cr2| {
        let cr = [0x8001_0033, cr2, 0x1000, 0x660];
        let record = Record {
            vector: 14,
            error: Some(error),
            cr,
            ..record()
        };
        let found = report(&record, "", "");
        let last = found.explanations.last().unwrap();
        assert_eq!(last.rule, "page-fault");
        last.meaning.clone()
    };
    assert!(meaning(0, 0x18).contains("null pointer"));
    assert!(
        meaning(2, 0x40_0000_0000)
            .contains("write to 0x4000000000 (nothing that was loaded), which is not mapped")
    );
    assert!(
        meaning(3, 0x10_0000).contains("write to 0x100000 (handoff) that its page does not allow")
    );
    assert!(meaning(0x11, 0x10_8000).contains("not executable (NX)"));
    assert!(meaning(0x10, 0x40_0000_0000).contains("not mapped"));
    assert!(meaning(9, 0x20_0000).contains("reserved bit"));
}

#[test]
fn other_vectors() {
    for (vector, rule) in [
        (0, "divide"),
        (2, "nmi"),
        (3, "breakpoint"),
        (8, "double-fault"),
        (12, "segment"),
        (17, "alignment"),
        (18, "machine-check"),
        (21, "control-protection"),
        (32, "interrupt"),
        (255, "interrupt"),
    ] {
        let error = handoff::abi::has_error_code(vector).then_some(0);
        let vector = vector as u8;
        assert_eq!(
            rules(&Record {
                vector,
                error,
                ..record()
            })[1],
            rule
        );
    }
    let off = Record {
        vector: 7,
        error: None,
        cr: [0x8001_003b, 0, 0, 0],
        ..record()
    };
    assert_eq!(rules(&off)[1], "no-unit");
    assert_eq!(
        rules(&Record {
            vector: 5,
            error: None,
            ..record()
        }),
        ["before-own-idt"]
    );
}

#[test]
fn machine_checks_name_their_banks() {
    let record = Record {
        vector: 18,
        error: None,
        ..record()
    };
    let more = "[handoff] mcg status 0x0000000000000005 banks 10\n\
                [handoff] mc bank 9 status 0xbd80000000000091 addr 0x0000000012345000\n";
    let found = report(&record, "", more);
    let meaning = &found.explanations.last().unwrap().meaning;
    // the text of the bank is `mca`'s
    assert!(meaning.contains("bank 9: "), "{meaning}");
    assert_eq!(found.more.len(), 2);
}

#[test]
fn linux_has_sixteen_gates() {
    let log = format!(
        "Exc:{:016x}\nErr:{:016x}\nrip:{:016x}\n",
        13,
        18 * 8 + 2,
        0x10_0000
    );
    let found = report_of(&log);
    assert_eq!(found.explanations[0].rule, "linux-gate");
    assert!(
        found.explanations[0]
            .meaning
            .contains("vector 18 (#MC machine check)")
    );
}

#[test]
fn a_fault_inside_a_dump_is_reported() {
    let text = text(&record(), "");
    let (cut, _) = text.split_once("[handoff] code").unwrap();
    let found = report_of(&format!(
        "{BANNER}{cut}\n[handoff] nested exception, vector 14, rip 0x10\n"
    ));
    assert_eq!(found.integrity, "truncated");
    assert!(
        found
            .notes
            .iter()
            .any(|note| note.contains("nested exception, vector 14")),
        "{:?}",
        found.notes
    );
}
