//! Machine state at the handoff's entry and exits, by register: the assertions
//! of docs/handoff-abi.md.

mod support;

use handoff::abi::{self, Extent};
use handoff::addr::FOUR_GIB;
use handoff::blob::{self, Built, MULTIBOOT1_MAGIC, MULTIBOOT2_MAGIC};
use handoff::extents;
use handoff::spec::{Console, Drill, Exit, OnFault, Relocate, Spec, Verify};
use images::launch::{self, plan};
use images::payloads::capture::{NAMES, WORDS};
use images::payloads::{EXIT_STATUS, MB2_FIXED, STATE64};
use images::report::{PayloadReport, Registers};
use support::{MBI, load_elf, mbi, run, run_with};

/// Address of the blob.
const BASE: u64 = 0x600_0000;
/// Address of a long mode target.
const TARGET: u64 = 0x70_0000;
/// Register values of a target.
const INFO: u32 = 0x123_4000;

fn spec(exit: Exit) -> Spec {
    Spec {
        base: BASE,
        consoles: vec![Console::Pio {
            port: 0x3f8,
            divisor: None,
        }],
        on_fault: OnFault::Halt,
        verify: Verify::None,
        regions: vec![],
        relocate: Relocate::default(),
        fixups: vec![],
        exit,
        drill: Drill::Off,
        guard: false,
    }
}

fn built(exit: Exit) -> Built {
    blob::build(&spec(exit)).unwrap()
}

/// Returns the state at entry of a target of `exit` in long mode, by name.
fn long(exit: Exit) -> (Vec<(&'static str, u64)>, String) {
    let built = built(exit);
    let segments = [
        (TARGET, 0x1000, STATE64),
        (BASE, built.memsz, &built.bytes[..]),
    ];
    let run = run(&launch::pack(&segments, built.entry), None);
    assert_eq!(run.status.code(), Some(EXIT_STATUS), "{}", run.serial);
    let words = run
        .serial
        .lines()
        .filter_map(|line| line.strip_prefix("STATE64 "));
    let words: Vec<u64> = words
        .map(|word| u64::from_str_radix(word.trim(), 16).unwrap())
        .collect();
    assert_eq!(words.len(), WORDS, "{}", run.serial);
    (NAMES.split('|').zip(words).collect(), run.serial)
}

/// Checks the state common to all exits in long mode; `given` are the registers
/// that are not zero.
fn check_long(exit: Exit, given: &[(&str, u64)]) {
    let (found, serial) = long(exit);
    let area = BASE + u64::from(blob::header().area);
    let end = BASE + blob::memsz();
    for (name, value) in found {
        let inside = |address: u64| (area..end).contains(&address);
        let want = match name {
            "rsp" => {
                assert!(inside(value) && value % 16 == 8, "rsp {value:#x}: {serial}");
                continue;
            }
            "cr3" => {
                assert!(
                    inside(value) && value.is_multiple_of(4096),
                    "cr3 {value:#x}"
                );
                continue;
            }
            "gdtr" | "idtr" => {
                let limit = value & 0xffff;
                let full = if name == "idtr" {
                    limit == 0xfff
                } else {
                    limit >= 0x1f
                };
                assert!(full && inside(value >> 16), "{name} {value:#x}: {serial}");
                continue;
            }
            "tr" => 0x28,
            "rflags" => 2,
            "cr0" => 0x8001_0033,
            "cr4" => 0x60,
            "efer" => 0xd01, // SCE as found
            "cs" => 0x10,
            "ds" | "es" | "fs" | "gs" | "ss" => 0x18,
            _ => given
                .iter()
                .find(|given| given.0 == name)
                .map_or(0, |given| given.1),
        };
        assert_eq!(value, want, "{name} {value:#x}, not {want:#x}: {serial}");
    }
}

#[test]
fn linux_64_bit_boot_protocol() {
    let (entry, boot_params) = (TARGET as u32, INFO);
    check_long(
        Exit::Linux64 {
            entry: entry.into(),
            boot_params: boot_params.into(),
        },
        &[("rsi", INFO.into())],
    );
}

#[test]
fn multiboot2_in_long_mode() {
    let (entry, mbi) = (TARGET as u32, INFO);
    let given = [("rax", MULTIBOOT2_MAGIC.into()), ("rbx", INFO.into())];
    check_long(Exit::Long { entry, mbi }, &given);
}

fn protected(exit: impl Fn(u32) -> Exit) -> Registers {
    let image = load_elf(MB2_FIXED, 0, true);
    let built = built(exit(image.entry as u32));
    let information = mbi(&[]);
    let mut segments: Vec<_> = image
        .parts
        .iter()
        .map(|part| (part.address, part.memsz, &part.bytes[..]))
        .collect();
    segments.push((MBI.into(), 0x1000, &information));
    segments.push((BASE, built.memsz, &built.bytes));
    let run = run(&launch::pack(&segments, built.entry), None);
    assert_eq!(run.status.code(), Some(EXIT_STATUS), "{}", run.serial);
    PayloadReport::parse(&run.serial).unwrap().registers
}

/// Checks the state common to all exits to protected mode, except EAX and CR4.
fn check_protected(r: &Registers, eax: u32, cr4: u64) {
    let area = BASE + u64::from(blob::header().area);
    let end = BASE + blob::memsz();
    assert_eq!((r.eax, r.ebx), (eax.into(), MBI.into()));
    assert_eq!([r.ecx, r.edx, r.esi, r.edi, r.ebp], [0; 5], "{r:x?}");
    assert!(
        (area..end).contains(&r.esp) && r.esp.is_multiple_of(4),
        "{r:x?}"
    );
    // the payload cannot save the arithmetic flags
    assert_eq!(r.eflags & !0x8d5, 2, "{r:x?}");
    assert_eq!(
        [r.cs, r.ds, r.es, r.fs, r.gs, r.ss],
        [8, 0x18, 0x18, 0x18, 0x18, 0x18]
    );
    assert_eq!((r.cr0, r.cr3, r.cr4, r.efer), (0x11, 0, cr4, 0), "{r:x?}");
    assert_eq!((r.ldt, r.tr, r.dr7), (0, 0x20, 0x400), "{r:x?}");
    assert!(
        (area..end).contains(&r.gdt_base) && r.gdt_limit >= 0x1f,
        "{r:x?}"
    );
    assert!(
        (area..end).contains(&r.idt_base) && r.idt_limit == 0x7ff,
        "{r:x?}"
    );
}

#[test]
fn multiboot2() {
    let found = protected(|entry| Exit::Multiboot2 { entry, mbi: MBI });
    check_protected(&found, MULTIBOOT2_MAGIC, 0x40);
}

#[test]
fn multiboot1() {
    let found = protected(|entry| Exit::Multiboot1 { entry, info: MBI });
    check_protected(&found, MULTIBOOT1_MAGIC, 0x40);
}

#[test]
fn pvh() {
    let exit = |entry| Exit::Pvh {
        entry,
        start_info: MBI,
    };
    check_protected(&protected(exit), 0, 0);
    // not readable by instructions: from QEMU's record of the target's first
    // exception
    let built = built(exit(TARGET as u32));
    let segments = [
        (TARGET, 0x1000, &[0x0f, 0x0b][..]), // UD2
        (BASE, built.memsz, &built.bytes[..]),
    ];
    let run = run(
        &launch::pack(&segments, built.entry),
        Some(handoff::dump::END),
    );
    let jump = format!("jump to {TARGET:#010x} (pvh, 32-bit), start_info {MBI:#010x}");
    assert!(run.serial.contains(&jump), "{}", run.serial);
    let eip = format!("EIP={TARGET:08x}");
    let mut records = run.exceptions.split("check_exception");
    let record = records.find(|record| record.contains(&eip));
    let record = record.unwrap_or_else(|| panic!("{}", run.exceptions));
    // base, limit, and a type with the bits for present, code or data, 32-bit
    for text in [
        "CS =0008 00000000 ffffffff 00cf9b00",
        "DS =0018 00000000 ffffffff 00cf9300",
        "ES =0018 00000000 ffffffff 00cf9300",
        "FS =0018 00000000 ffffffff 00cf9300",
        "GS =0018 00000000 ffffffff 00cf9300",
        "SS =0018 00000000 ffffffff 00cf9300",
        "TR =0020 00000000 00000067 00008", // busy, but QEMU shows what was before
        "EFL=00000002",
        "EAX=00000000 EBX=02000000 ECX=00000000 EDX=00000000",
        "ESI=00000000 EDI=00000000 EBP=00000000",
        "CR0=00000011 CR2=00000000 CR3=00000000 CR4=00000000",
        "EFER=0000000000000000",
    ] {
        assert!(record.contains(text), "{text}: {record}");
    }
    assert!(
        run.serial.contains("EXCEPTION vector 6"),
        "still dumped: {}",
        run.serial
    );
}

/// Returns the lines of the handoff about its entry.
fn entry_lines(serial: &str) -> Vec<&str> {
    let lines = serial.lines().map(str::trim_end);
    lines
        .filter(|line| line.starts_with("[handoff] entry "))
        .collect()
}

#[test]
fn the_entry_is_reported_register_by_register() {
    let entry = TARGET as u32;
    let (_, serial) = long(Exit::Linux64 {
        entry: entry.into(),
        boot_params: 0,
    });
    let lines = entry_lines(&serial);
    let [control, tables] = lines[..] else {
        panic!("{serial}")
    };
    let (cr, rest) = control.split_once(" rflags ").unwrap();
    assert!(
        cr.starts_with("[handoff] entry cr0 0x80000033 cr3 0x"),
        "{control}"
    );
    assert!(cr.ends_with(" cr4 0x20 efer 0xd01"), "{control}");
    assert!(rest.starts_with("0x46 rsp 0x"), "{control}");
    let selectors = "ff8 cs 0x10 ds 0x18 es 0x18 fs 0x18 gs 0x18 ss 0x18 tr 0x40 ldt 0x0";
    assert!(rest.ends_with(selectors), "{control}");
    // no general registers follow: all are zero
    assert_eq!(
        tables,
        "[handoff] entry gdt 0x0 limit 0x0 idt 0x0 limit 0x0"
    );
}

#[test]
fn global_pages_are_disabled_before_the_handoffs_page_tables_are_used() {
    // TCG drops global translations with every CR3, so that a stale one is not
    // observable; the test checks that PGE was set at entry and is clear
    let entry = TARGET as u32;
    let built = built(Exit::Return { entry });
    let segments = [
        (TARGET, 0x1000, STATE64),
        (BASE, built.memsz, &built.bytes[..]),
    ];
    let run = run(
        &launch::pack_call(&segments, built.entry, 1, plan::STATE_RICH),
        None,
    );
    let lines = entry_lines(&run.serial);
    assert!(
        lines[0].contains(" cr0 0x80050033 ") && lines[0].contains(" cr4 0x6a8 "),
        "{lines:?}"
    );
    let cr4 = NAMES.split('|').position(|name| name == "cr4").unwrap();
    let mut words = run
        .serial
        .lines()
        .filter(|line| line.starts_with("STATE64 "));
    assert_eq!(
        words.nth(cr4).unwrap().trim_end(),
        "STATE64 0000000000000060"
    );
}

#[test]
fn overlapping_moves_are_as_if_simultaneous() {
    // three blocks are rotated, and another one moves up by a page; the
    // target's code is in the last block
    let (a, b, c) = (0x80_0000, 0x80_1800, 0x80_3000);
    let moves = [
        (b, a, 0x1800),
        (c, b, 0x1800),
        (a, c, 0x1000),
        (0x90_1000, 0x90_0000, 0x5_0000),
    ];
    let moves = moves.map(|(to, from, len)| Extent { to, from, len });
    let extents = extents::order(&moves, blob::bounce(BASE), abi::MAX_EXTENTS).unwrap();
    assert!(
        extents
            .iter()
            .any(|extent| extent.to == blob::bounce(BASE).start),
        "{extents:x?}"
    );
    let mut spec = spec(Exit::Linux64 {
        entry: a,
        boot_params: 0,
    });
    spec.relocate.extents = extents;
    let built = blob::build(&spec).unwrap();
    let segments = [
        (a, 0x3000, &[0xf4; 0x3000][..]), // HLT
        (c, 0x1000, STATE64),
        (BASE, built.memsz, &built.bytes[..]),
    ];
    let run = run(&launch::pack(&segments, built.entry), None);
    assert_eq!(run.status.code(), Some(EXIT_STATUS), "{}", run.serial);
    assert!(run.serial.contains("relocate: copy "), "{}", run.serial);
}

#[test]
fn linux_is_entered_above_4_gib() {
    // like an initrd or a kernel that fits only there; boot_params is in another GiB
    let (entry, boot_params) = (FOUR_GIB + 0x20_0000, FOUR_GIB + (1 << 30) + 0x1000);
    let mut spec = spec(Exit::Linux64 { entry, boot_params });
    spec.relocate.extents = [(entry, TARGET), (boot_params, TARGET)]
        .map(|(to, from)| Extent {
            to,
            from,
            len: 0x1000,
        })
        .to_vec();
    let built = blob::build(&spec).unwrap();
    let segments = [
        (TARGET, 0x1000, STATE64),
        (BASE, built.memsz, &built.bytes[..]),
    ];
    let run = run_with(&["-m", "6144"], &launch::pack(&segments, built.entry), None);
    assert_eq!(run.status.code(), Some(EXIT_STATUS), "{}", run.serial);
    let jump = format!("jump to {entry:#x} (linux, 64-bit), boot_params {boot_params:#x}");
    assert!(run.serial.contains(&jump), "{}", run.serial);
    let rsi = NAMES.split('|').position(|name| name == "rsi").unwrap();
    let mut words = run
        .serial
        .lines()
        .filter(|line| line.starts_with("STATE64 "));
    let found = words.nth(rsi).unwrap().trim_end();
    assert_eq!(found, format!("STATE64 {boot_params:016x}"));
}
