//! #BP and NMI are resumed in both modes, without changes.

// UNSAFETY: takes the address of assembled code.
#![expect(unsafe_code)]

mod support;

use handoff::abi::Area;
use handoff::dump::Mode::{Long, Protected};
use handoff::dump::read::Dump;
use handoff::spec::Exit;
use std::mem::offset_of;
use support::trap::{CODE, DATA, Guest, P_DATA, P_NMI_COUNT, PAGES, area, dump, dumps};

/// EFLAGS.RF, which a fault sets in the pushed flags.
const RESUME: u64 = 1 << 16;

/// Checks that two dumps have the same registers except `skip`, flags,
/// selectors and control registers.
fn same_state(before: &Dump, after: &Dump, skip: &[usize]) {
    for n in (0..16).filter(|n| !skip.contains(n)) {
        assert_eq!(before.gpr[n], after.gpr[n], "register {n}");
    }
    let flags = |dump: &Dump| dump.rflags.unwrap() & !RESUME;
    assert_eq!(flags(before), flags(after));
    assert_eq!(
        (before.sel, before.cr, before.efer),
        (after.sel, after.cr, after.efer)
    );
}

/// Returns the dumps of a breakpoint and of the following #UD.
fn breakpoint(serial: &str, rip: u32) -> (Dump, Dump) {
    let dumps = dumps(serial);
    let [first, second] = &dumps[..] else {
        panic!("{serial}");
    };
    assert_eq!((first.vector, second.vector), (Some(3), Some(6)));
    assert_eq!(first.rip, Some(rip.into()));
    (first.clone(), second.clone())
}

#[test]
fn a_breakpoint_in_long_mode_changes_nothing() {
    let code = code!(
        ".code64",
        "mov rax, 0x1122334455667788",
        "mov cr2, rax",
        "movq xmm0, rax",
        "movq xmm15, rax",
        "mov rcx, 0xc1c1c1c1c1c1c1c1",
        "mov rdx, 0xd1d1d1d1d1d1d1d1",
        "mov rbx, 0xb1b1b1b1b1b1b1b1",
        "mov rbp, 0xb2b2b2b2b2b2b2b2",
        "mov rsi, 0x5151515151515151",
        "mov rdi, 0xd2d2d2d2d2d2d2d2",
        "mov r8, 0x0808080808080808",
        "mov r9, 0x0909090909090909",
        "mov r10, 0x1010101010101010",
        "mov r11, 0x1111111111111111",
        "mov r12, 0x1212121212121212",
        "mov r13, 0x1313131313131313",
        "mov r14, 0x1414141414141414",
        "mov r15, 0x1515151515151515",
        "std",
        "stc",
        "int3",
        "902: lea rsp, [rsp - 16]",
        "movq [rsp], xmm0",
        "movq [rsp + 8], xmm15",
        "ud2",
    );
    let serial = Guest::new(Long, code.bytes).run();
    let (first, second) = breakpoint(&serial, CODE + code.at);
    same_state(&first, &second, &[4]);
    let rax = 0x1122_3344_5566_7788;
    assert_eq!((first.gpr[0], first.cr[1]), (Some(rax), Some(rax)));
    assert_eq!(first.gpr[15], Some(0x1515_1515_1515_1515));
    assert_eq!(first.rflags.unwrap() & 0x401, 0x401);
    assert_eq!(second.stack.unwrap()[..2], [rax, rax]);
}

#[test]
fn a_handoff_continues_after_a_breakpoint() {
    let code = code!(".code64", "int3", "902: ret", "ud2",);
    let mut guest = Guest::new(Long, code.bytes);
    guest.exit = Exit::Multiboot2 {
        entry: CODE + code.at + 1,
        mbi: DATA,
    };
    let serial = guest.run();
    let dumps = dumps(&serial);
    let found: Vec<_> = dumps.iter().map(|dump| (dump.vector, dump.mode)).collect();
    assert_eq!(found, [(Some(3), Some(Long)), (Some(6), Some(Protected))]);
    let (jump, bp) = (
        serial.find("jump to").unwrap(),
        serial.find("END OF").unwrap(),
    );
    assert!(bp < jump, "{serial}");
}

/// The target has its own GDT, TSS and page tables, a null ES, and an FS whose
/// descriptor no longer exists.
#[test]
fn a_breakpoint_of_the_target_changes_nothing() {
    const GDTR: u32 = DATA + P_DATA;
    const GDT: u32 = DATA + 0x100;
    const TSS: u32 = DATA + 0x200;
    const GDT_LIMIT: u32 = 0x27;
    let code = code!(
        ".code32",
        "lgdt [{gdtr}]",
        "mov eax, 0x10",
        "mov ds, eax",
        "mov ss, eax",
        "mov gs, eax",
        "xor eax, eax",
        "mov es, eax",
        "mov eax, 0x18",
        "mov fs, eax",
        "mov dword ptr [{gdt} + 0x1c], 0", // no descriptor for FS any more
        "mov eax, 0x20",
        "ltr ax",
        "mov eax, {pages}",
        "mov cr3, eax",
        "mov eax, 0x250", // PSE, MCE, OSFXSR
        "mov cr4, eax",
        "mov eax, 0x80010033",
        "mov cr0, eax",
        "mov eax, 0x12345678",
        "mov cr2, eax",
        "movd xmm7, eax",
        "mov ecx, 0xc1c1c1c1",
        "mov edx, 0xd1d1d1d1",
        "mov ebx, 0xb1b1b1b1",
        "mov ebp, 0xb2b2b2b2",
        "mov esi, 0x51515151",
        "mov edi, 0xd2d2d2d2",
        "std",
        "stc",
        "int3",
        "902: lea esp, [esp - 24]",
        "sgdt [esp]",
        "sidt [esp + 8]",
        "movd [esp + 16], xmm7",
        "mov dword ptr [esp + 20], 0",
        "str word ptr [esp + 20]",
        "push dword ptr [{gdt} + 0x24]", // type of the TSS
        "push dword ptr fs:[{gdt} + 8]",
        "ud2",; gdtr = GDTR, gdt = GDT, pages = PAGES
    );
    let mut guest = Guest::new(Protected, code.bytes);
    let mut data = vec![0; (TSS - GDTR) as usize + 104];
    data[..2].copy_from_slice(&(GDT_LIMIT as u16).to_le_bytes());
    data[2..6].copy_from_slice(&GDT.to_le_bytes());
    let tss = 0x0000_8900_0000_0067 | u64::from(TSS & 0xff_ffff) << 16 | u64::from(TSS >> 24) << 56;
    let flat = [
        0x00cf_9a00_0000_ffff,
        0x00cf_9200_0000_ffff,
        0x00cf_9200_0000_ffff,
        tss,
    ];
    for (n, descriptor) in flat.into_iter().enumerate() {
        let at = (GDT - GDTR) as usize + 8 * (n + 1);
        data[at..at + 8].copy_from_slice(&u64::to_le_bytes(descriptor));
    }
    guest.data = data;
    let serial = guest.run();
    let (first, second) = breakpoint(&serial, CODE + code.at);
    same_state(&first, &second, &[4]);
    assert_eq!(
        first.sel.map(Option::unwrap),
        [8, 0x10, 0, 0x18, 0x10, 0x10]
    );
    let cr = [0x8001_0033, 0x1234_5678, PAGES.into(), 0x250];
    assert_eq!(first.cr.map(Option::unwrap), cr);
    let idt = u64::from(area(offset_of!(Area, tables.idt32)));
    let words = second.stack.unwrap();
    let halves = |at: usize| {
        (
            words[at] & 0xffff,
            words[at] >> 16 | (words[at + 1] & 0xffff) << 16,
        )
    };
    assert_eq!(words[0], 0xffff, "what FS still reaches");
    assert_eq!(words[1] >> 8 & 0xff, 0x8b, "a busy TSS");
    assert_eq!(halves(2), (GDT_LIMIT.into(), GDT.into()));
    assert_eq!(halves(4), (0x7ff, idt));
    assert_eq!(words[6..8], [0x1234_5678, 0x20], "XMM7 and TR");
}

#[test]
fn an_nmi_is_counted_and_resumed() {
    let long = code!(
        ".code64",
        "mov dx, 0x3f8",
        "mov al, '!'",
        "out dx, al",
        "mov ebx, [{count}]",
        "mov rsi, 0x5151515151515151",
        "mov r12, 0x1212121212121212",
        "904: cmp dword ptr [rbx], 2",
        "jb 904b",
        "902: ud2",; count = DATA + P_NMI_COUNT
    );
    let protected = code!(
        ".code32",
        "mov dx, 0x3f8",
        "mov al, '!'",
        "out dx, al",
        "mov ebx, [{count}]",
        "mov esi, 0x51515151",
        "mov edi, 0x12121212",
        "904: cmp dword ptr [ebx], 2",
        "jb 904b",
        "902: ud2",; count = DATA + P_NMI_COUNT
    );
    for (mode, code, registers) in [
        (
            Long,
            long,
            [(6, 0x5151_5151_5151_5151), (12, 0x1212_1212_1212_1212)],
        ),
        (Protected, protected, [(6, 0x5151_5151), (7, 0x1212_1212)]),
    ] {
        let mut guest = Guest::new(mode, code.bytes);
        guest.monitor = &["nmi\n"; 1000];
        let serial = guest.run();
        let dump = dump(&serial);
        assert_eq!(
            (dump.vector, dump.rip),
            (Some(6), Some((CODE + code.at).into()))
        );
        for (n, value) in registers {
            assert_eq!(dump.gpr[n], Some(value), "register {n}");
        }
        let count = dump.more.iter().find_map(|line| {
            let count = line.strip_prefix("nmi ")?.strip_suffix(" resumed")?;
            count.parse::<u32>().ok()
        });
        assert!(count >= Some(2), "{serial}");
    }
}
