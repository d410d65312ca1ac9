//! Guarantees of the trap handlers beyond a dump of each vector (vectors.rs):
//! invalid stacks, nested faults, machine checks, and the first and last
//! instruction of the handoff.

// UNSAFETY: takes the address of assembled code.
#![expect(unsafe_code)]

mod support;

use elf::ElfBytes;
use elf::endian::LittleEndian;
use handoff::abi;
use handoff::blob;
use handoff::dump::Mode::{Long, Protected};
use handoff::spec::{Console, Exit};
use images::launch;
use support::trap::{
    BASE, CODE, COM1, DATA, Guest, HOLE, P_DATA, P_IDT32, P_IDTR_BOTH, dump, dumps, pde,
};

/// The IDT during a mode switch, used in both modes: NMI is resumed; #MC, and
/// vectors that are faults in protected mode, are dumped.
#[test]
fn between_the_modes_nmi_and_machine_check_have_gates() {
    let long = code!(
        ".code64",
        "mov eax, [{idtr}]",
        "lidt [rax]",
        "int 2",
        "int 2",
        "int 18",
        "902: nop",; idtr = DATA + P_IDTR_BOTH
    );
    let protected = code!(
        ".code32",
        "mov eax, [{idtr}]",
        "lidt [eax]",
        "int 2",
        "int 2",
        "int 18",
        "902: nop",; idtr = DATA + P_IDTR_BOTH
    );
    for (mode, code) in [(Long, long), (Protected, protected)] {
        let dump = dump(&Guest::new(mode, code.bytes).run());
        assert_eq!((dump.vector, dump.mode), (Some(18), Some(mode)));
        assert_eq!(dump.rip, Some((CODE + code.at).into()));
        assert_eq!(dump.more[0], "nmi 2 resumed");
    }
}

#[test]
fn a_machine_check_is_dumped_with_its_banks() {
    let long = code!(
        ".code64",
        "mov dx, 0x3f8",
        "mov al, '!'",
        "out dx, al",
        "902: jmp 902b",
    );
    let protected = code!(
        ".code32",
        "mov dx, 0x3f8",
        "mov al, '!'",
        "out dx, al",
        "902: jmp 902b",
    );
    for (mode, code) in [(Long, long), (Protected, protected)] {
        let mut guest = Guest::new(mode, code.bytes);
        guest.monitor = &["mce 0 4 0xbe00000000000135 0x7 0xdeadbeef000 0x8c\n"];
        let serial = guest.run();
        let dump = dump(&serial);
        assert_eq!((dump.vector, dump.mode), (Some(18), Some(mode)), "{serial}");
        assert_eq!(dump.rip, Some((CODE + code.at).into()));
        let bank =
            "mc bank 4 status 0xbe00000000000135 addr 0x00000deadbeef000 misc 0x000000000000008c";
        assert_eq!(dump.more, ["mcg status 0x0000000000000007 banks 10", bank]);
    }
}

/// Long mode uses interrupt stacks, so rsp does not matter.
#[test]
fn a_bad_stack_in_long_mode_does_not_matter() {
    let code = code!(".code64", "mov rsp, 0x8000000000000001", "902: ud2",);
    let dump = dump(&Guest::new(Long, code.bytes).run());
    assert_eq!(
        (dump.vector, dump.rip),
        (Some(6), Some((CODE + code.at).into()))
    );
    assert_eq!(dump.gpr[4], Some(0x8000_0000_0000_0001));
    assert_eq!(dump.stack, Some(vec![]), "not readable");
}

/// The CPU's frame is lost without indication: everything except its contents
/// is known.
#[test]
fn a_target_without_a_stack_is_dumped_but_for_rip() {
    let ud2 = code!(".code32", "mov esp, [{esp}]", "mov eax, 0xa1a1a1a1", "902: ud2",; esp = DATA + P_DATA);
    let gp = code!(".code32", "mov esp, [{esp}]", "mov eax, 0xa1a1a1a1", "902: mov ds, eax",; esp = DATA + P_DATA);
    // no memory; firmware; the end of firmware
    for esp in [HOLE + 0x100, 0xffff_f000, 0] {
        for (vector, code) in [(6, ud2), (13, gp)] {
            let mut guest = Guest::new(Protected, code.bytes);
            guest.data = support::words(&[esp]);
            let serial = guest.run();
            let dump = dump(&serial);
            assert_eq!((dump.vector, dump.rip), (Some(vector), Some(0)), "{serial}");
            assert!(dump.frame_lost, "{serial}");
            assert_eq!(dump.gpr[0], Some(0xa1a1_a1a1));
            assert_eq!(dump.gpr[4], Some(esp.into()));
            assert_eq!(dump.code, Some(vec![]));
        }
    }
}

/// A breakpoint that cannot be resumed ends, too.
#[test]
fn a_breakpoint_without_a_stack_ends() {
    let code = code!(".code32", "mov esp, {esp}", "902: int3", "ud2",; esp = HOLE + 0x100);
    let dump = dump(&Guest::new(Protected, code.bytes).run());
    assert_eq!(dump.vector, Some(3));
}

/// The stack that the dump would contain is not mapped.
#[test]
fn a_fault_within_a_dump_is_one_line() {
    let long = code!(".code64", "mov esp, {esp}", "902: ud2",; esp = HOLE + 0x100);
    let protected = code!(".code32", "mov esp, {esp}", "902: ud2",; esp = HOLE + 0x100);
    for (mode, code) in [(Long, long), (Protected, protected)] {
        let mut guest = Guest::new(mode, code.bytes);
        let hide = |bytes: &mut [u8]| {
            let at = pde(bytes, HOLE);
            bytes[at] &= !1;
        };
        guest.patch = &hide;
        let serial = guest.run();
        assert_eq!(
            serial.matches("nested exception, vector 14, rip").count(),
            1,
            "{serial}"
        );
        assert!(!serial.contains(handoff::dump::BEGIN), "{serial}");
        assert!(serial.contains("resetting the machine"), "{serial}");
    }
}

/// A console that faults: the line about it goes to the other one; without
/// another one the machine resets silently, but it resets.
#[test]
fn a_console_that_faults_does_not_go_round_for_ever() {
    let mmio = Console::Mmio {
        addr: HOLE.into(),
        stride: 1,
        width: 8,
        divisor: None,
    };
    let code = code!(".code64", "902: ud2",);
    for (consoles, said) in [(vec![mmio, COM1], true), (vec![mmio], false)] {
        let mut guest = Guest::new(Long, code.bytes);
        guest.consoles = consoles;
        let hide = |bytes: &mut [u8]| {
            let at = pde(bytes, HOLE);
            bytes[at] &= !1;
        };
        guest.patch = &hide;
        let serial = guest.run();
        assert_eq!(
            serial.contains("nested exception, vector 14"),
            said,
            "{serial}"
        );
    }
}

/// Address of a symbol of the blob, relative to its start.
fn symbol(name: &str) -> u32 {
    let file = ElfBytes::<LittleEndian>::minimal_parse(blob::ELF).unwrap();
    let (symbols, names) = file.symbol_table().unwrap().unwrap();
    let found = symbols.iter().find(|symbol| {
        names
            .get(symbol.st_name as usize)
            .is_ok_and(|found| found == name)
    });
    found.unwrap().st_value as u32
}

/// From the instruction after `lidt` to the `ret` into the target.
#[test]
fn the_first_and_the_last_instruction_are_covered() {
    for (name, mode, phase) in [
        ("handoff_first", Long, abi::PHASE_ENTRY),
        ("handoff_last", Protected, abi::PHASE_TARGET),
    ] {
        let at = symbol(name);
        let plant = |bytes: &mut [u8]| bytes[at as usize..][..2].copy_from_slice(&[0x0f, 0x0b]);
        let code = code!(".code32", "902: hlt", "jmp 902b",);
        let mut guest = Guest::new(Protected, code.bytes);
        guest.patch = &plant;
        let dump = dump(&guest.run());
        assert_eq!(
            (dump.vector, dump.mode, dump.phase),
            (Some(6), Some(mode), Some(phase))
        );
        assert_eq!(dump.rip, Some((BASE + at).into()), "{name}");
        assert_eq!(dump.code.unwrap()[..2], [0x0f, 0x0b]);
    }
}

/// The state segment of a PVH target has base 0: that is where #DF leaves the
/// registers, and where the dump takes them from.
#[test]
fn a_double_fault_of_a_pvh_target() {
    // gates of #UD and #NP not present
    let code = code!(
        ".code32", "mov eax, ds:[{idt}]", "mov byte ptr [eax + 53], 0x0e",
        "mov byte ptr [eax + 93], 0x0e", "mov ecx, 0x1234567", "902: ud2",; idt = DATA + P_IDT32
    );
    let mut guest = Guest::new(Protected, code.bytes);
    guest.exit = Exit::Pvh {
        entry: CODE,
        start_info: DATA,
    };
    let dump = dump(&guest.run());
    assert_eq!((dump.vector, dump.error), (Some(8), Some(Some(0))));
    assert_eq!(dump.rip, Some((CODE + code.at).into()));
    assert_eq!(
        (dump.gpr[1], dump.gpr[3]),
        (Some(0x123_4567), Some(DATA.into()))
    );
    assert_eq!(dump.cr[3], Some(0));
}

/// Five levels of paging at entry, every feature that QEMU knows, and dumps of
/// both modes.
#[test]
fn five_levels_of_paging() {
    let code = code!(".code64", "int3", "902: ret", "ud2",);
    let mut guest = Guest::new(Long, code.bytes);
    guest.exit = Exit::Multiboot2 {
        entry: CODE + code.at + 1,
        mbi: DATA,
    };
    guest.args = &["-cpu", "max"];
    guest.pack = launch::pack_la57;
    let serial = guest.run();
    assert!(serial.contains("cr4 0x1020 efer 0xd01"), "{serial}");
    let dumps = dumps(&serial);
    let found: Vec<_> = dumps.iter().map(|dump| (dump.vector, dump.mode)).collect();
    assert_eq!(found, [(Some(3), Some(Long)), (Some(6), Some(Protected))]);
    assert_eq!((dumps[0].cr[3], dumps[1].cr[3]), (Some(0x1660), Some(0x40)));
}
