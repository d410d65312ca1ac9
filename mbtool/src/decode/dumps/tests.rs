//! Dumps of all programs and eras. The texts have the format of the programs' output, with values
//! made for the tests; recorded logs are in tests/data/decode.

use super::*;
use crate::decode::found::FoundDump;
use crate::decode::lines::Lines;
use crate::decode::scan::Scanner;
use handoff::dump::Mode;
use proptest::prelude::*;

fn scan(log: &str) -> Vec<FoundDump> {
    let (mut lines, mut scanner, mut found) = (Lines::default(), Scanner::default(), Vec::new());
    lines.push(log.as_bytes(), |number, line| {
        found.extend(scanner.line(number, line))
    });
    lines.finish(|number, line| found.extend(scanner.line(number, line)));
    found.extend(scanner.finish());
    found
}

fn one(log: &str) -> FoundDump {
    let mut found = scan(log);
    assert_eq!(found.len(), 1, "{log}\n{found:#?}");
    found.remove(0)
}

/// Registers as Xen prints them: rax is 1, rcx 2 and so on.
const XEN: &str = "\
----[ Xen-4.17.3  x86_64  debug=y  Not tainted ]----
CPU:    2
RIP:    e008:[<ffff82d040237cfd>] credit.c#csched_free+0x12/0x14
RFLAGS: 0000000000010202   CONTEXT: hypervisor (d0v2)
rax: 0000000000000001   rbx: 0000000000000004   rcx: 0000000000000002
rdx: 0000000000000003   rsi: 0000000000000007   rdi: 0000000000000008
rbp: 0000000000000006   rsp: ffff831087d7fc90   r8:  0000000000000009
r9:  000000000000000a   r10: 000000000000000b   r11: 000000000000000c
r12: 000000000000000d   r13: 000000000000000e   r14: 000000000000000f
r15: 0000000000000010   cr0: 0000000080050033   cr4: 0000000000b526e0
cr3: 00000009284d8000   cr2: 00007fb535181240
fsb: 00007fb534c5f380   gsb: ffff8881b9d00000   gss: 0000000000000000
ds: 0000   es: 0000   fs: 0000   gs: 0000   ss: e010   cs: e008
Xen code around <ffff82d040237cfd> (credit.c#csched_free+0x12/0x14):
 75 06 e8 19 74 ff ff c3 <0f> 0b f3 0f 1e fa
Xen stack trace from rsp=ffff831087d7fc90:
   ffff82d040247503 0000001300002030 ffff830ad80e8bf0 ffff82d0405a9288
Xen call trace:
   [<ffff82d040237cfd>] R credit.c#csched_free+0x12/0x14
   [<ffff82d040247503>] S sched_move+0x35/0x200
";

fn xen(before: &str, panic: &str) -> String {
    let stars = "****************************************";
    format!(
        "{before}{XEN}\n{stars}\nPanic on CPU 2:\n{panic}\n{stars}\n\nReboot in five seconds...\n"
    )
}

fn labelled(log: &str, label: &str) -> String {
    log.lines()
        .map(|line| format!("{label}{line}\r\n"))
        .collect()
}

#[track_caller]
fn check_xen(found: &FoundDump) {
    let (dump, details) = (&found.dump, &found.details);
    assert_eq!(
        (found.source, dump.integrity),
        (DumpSource::Xen, Integrity::Whole)
    );
    assert_eq!(dump.rip, Some(0xffff_82d0_4023_7cfd));
    assert_eq!(dump.gpr[4], Some(0xffff_8310_87d7_fc90));
    for number in (0..16).filter(|number| *number != 4) {
        let want = [1, 2, 3, 4, 0, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16][number];
        assert_eq!(dump.gpr[number], Some(want), "{number}");
    }
    assert_eq!((dump.sel[0], dump.sel[5]), (Some(0xe008), Some(0xe010)));
    assert_eq!(dump.cr[3], Some(0xb5_26e0));
    assert_eq!(
        dump.code.as_deref(),
        Some(&[0x0f, 0x0b, 0xf3, 0x0f, 0x1e, 0xfa][..])
    );
    assert_eq!(
        details.before,
        [0x75, 0x06, 0xe8, 0x19, 0x74, 0xff, 0xff, 0xc3]
    );
    assert_eq!(dump.stack.as_ref().map(Vec::len), Some(4));
    assert_eq!(
        details.at.as_deref(),
        Some("credit.c#csched_free+0x12/0x14")
    );
    assert_eq!(details.calls.len(), 2);
    assert_eq!(details.calls[1].address, Some(0xffff_82d0_4024_7503));
    assert!(
        details
            .context
            .iter()
            .any(|context| context.contains("hypervisor (d0v2)"))
    );
}

#[test]
fn xen_in_all_kinds_of_noise() {
    let log = xen("", "FATAL TRAP: vec 2, NMI[0000]");
    for label in [
        "(XEN) ",
        "",
        "(XEN) [2026-11-30 01:02:03.456] ",
        "> > (XEN) ",
        "[   12.345678] (XEN)\t",
    ] {
        check_xen(&one(&labelled(&log, label)));
    }
    // with lines of others in between, and tabs
    let noisy: String = log
        .lines()
        .map(|line| {
            format!(
                "(XEN) {}\n[    1.000000] usb 1-1: new device\n",
                line.replace("   ", "\t")
            )
        })
        .collect();
    check_xen(&one(&noisy));
    // pasted from a terminal of 60 columns
    let narrow: String = labelled(&format!("a\nb\nc\n{}\n{log}", "d".repeat(130)), "(XEN) ")
        .lines()
        .flat_map(|line| {
            let chars: Vec<char> = line.chars().collect();
            chars
                .chunks(60)
                .map(|part| part.iter().collect::<String>() + "\n")
                .collect::<Vec<_>>()
        })
        .collect();
    check_xen(&one(&narrow));
}

#[test]
fn xen_tells_vector_error_and_address_in_many_ways() {
    let read = |before: &str, panic: &str| {
        let found = one(&xen(before, panic));
        (found.dump.vector, found.dump.error, found.dump.cr[1])
    };
    let cr2 = Some(0x7fb5_3518_1240);
    for (before, panic, want) in [
        (
            "",
            "FATAL TRAP: vec 2, NMI[0000]",
            (Some(2), Some(None), cr2),
        ),
        (
            "",
            "FATAL TRAP: vec 13, #GP[0208]",
            (Some(13), Some(Some(0x208)), cr2),
        ),
        (
            "",
            "FATAL TRAP: vector = 6 (invalid opcode)",
            (Some(6), Some(None), cr2),
        ),
        (
            "",
            "FATAL PAGE FAULT\n[error_code=0002]\nFaulting linear address: 0000000000000048",
            (Some(14), Some(Some(2)), Some(0x48)),
        ),
        (
            "",
            "GENERAL PROTECTION FAULT\n[error_code=0000]",
            (Some(13), Some(Some(0)), cr2),
        ),
        ("", "DOUBLE FAULT -- system shutdown", (Some(8), None, cr2)),
        (
            "Xen BUG at common/sched/credit.c:1051\n",
            "Xen BUG at common/sched/credit.c:1051",
            (Some(6), Some(None), cr2),
        ),
        (
            "Assertion 'x' failed at a.c:1\n",
            "Assertion 'x' failed at a.c:1",
            (Some(6), Some(None), cr2),
        ),
    ] {
        assert_eq!(read(before, panic), want, "{panic}");
    }
    // registers overwrite the address of an early fault, with the same value in reality
    let early = "Early fatal page fault at e008:ffff82d0403b38e0 (cr2=00007fb535181240, ec=0009)\n";
    let found = one(&format!("{early}{XEN}"));
    assert_eq!(
        (found.dump.vector, found.dump.error),
        (Some(14), Some(Some(9)))
    );
    assert_eq!(found.details.message, [early.trim()]);
    // a guest, as Xen before and after 4.10 tells it
    for text in [
        "d0v0 Unhandled: vec 14, #PF[0003]\n",
        "d0v0 Unhandled page fault fault/trap [#14, ec=0003]\n",
    ] {
        let found = one(&format!(
            "{text}domain_crash called from entry.S: fault\nDomain 0 (vcpu#0) crashed on cpu#0:\n{XEN}"
        ));
        assert_eq!(
            (found.dump.vector, found.dump.error),
            (Some(14), Some(Some(3))),
            "{text}"
        );
        assert_eq!(found.details.message.len(), 3);
    }
}

#[test]
fn warnings_and_debug_keys_of_xen_are_no_dumps() {
    assert!(scan(&format!("Xen WARN at a.c:1\n{XEN}")).is_empty());
    assert!(scan(&format!("*** Dumping CPU0 host state: ***\n{XEN}")).is_empty());
    let two = format!("{XEN}{}", xen("", "FATAL TRAP: vec 2, NMI[0000]"));
    assert_eq!(scan(&two).len(), 2);
    let cut = &XEN[..XEN.find("r9:").unwrap()];
    assert_eq!(one(cut).dump.integrity, Integrity::Truncated);
}

const LINUX: &str = "\
BUG: kernel NULL pointer dereference, address: 0000000000000010
#PF: supervisor write access in kernel mode
#PF: error_code(0x0002) - not-present page
PGD 0 P4D 0
Oops: 0002 [#1] PREEMPT SMP NOPTI
CPU: 1 PID: 97 Comm: sh Not tainted 6.1.0-57-amd64 #1
Hardware name: QEMU Standard PC
RIP: 0010:do_thing+0x16/0x20
Code: 90 90 c3 <c7> 00 01 00 00 00
RSP: 0018:ffffa00000123e40 EFLAGS: 00010246
RAX: 0000000000000001 RBX: 0000000000000004 RCX: 0000000000000002
RDX: 0000000000000003 RSI: 0000000000000007 RDI: 0000000000000008
RBP: 0000000000000006 R08: 0000000000000009 R09: 000000000000000a
R10: 000000000000000b R11: 000000000000000c R12: 000000000000000d
R13: 000000000000000e R14: 000000000000000f R15: 0000000000000010
FS:  00007f0000000000(0000) GS:ffff888000000000(0000) knlGS:0000000000000000
CS:  0010 DS: 0000 ES: 0000 CR0: 0000000080050033
CR2: 0000000000000010 CR3: 0000000001234000 CR4: 00000000000006e0
Call Trace:
 <TASK>
 ? __die_body.cold+0x1a/0x1f
 vfs_thing+0xc7/0x3f0
 entry_SYSCALL_64_after_hwframe+0x6e/0xd8
RIP: 0033:0x47b7a0
RSP: 002b:00007ffcfd6ce368 EFLAGS: 00000202 ORIG_RAX: 0000000000000001
RAX: ffffffffffffffda RBX: 0000000000000001 RCX: 000000000047b7a0
 </TASK>
Modules linked in: a b c
CR2: 0000000000000010
---[ end trace 0000000000000000 ]---
RIP: 0010:do_thing+0x16/0x20
RAX: 000000000000dead RBX: 0000000000000004 RCX: 0000000000000002
Kernel panic - not syncing: Fatal exception
Kernel Offset: 0x22800000 from 0xffffffff81000000 (relocation range: 0xffffffff80000000-0xffffffffbfffffff)
";

#[test]
fn an_oops_of_today() {
    for label in [
        "",
        "[    6.408034] ",
        "[    6.408034][   T97] ",
        "Nov 30 01:02:03 box kernel: [    6.408034] ",
        "> ",
    ] {
        let found = one(&labelled(LINUX, label));
        let (dump, details) = (&found.dump, &found.details);
        assert_eq!(
            (found.source, dump.integrity, found.line),
            (DumpSource::LinuxOops, Integrity::Whole, 1),
            "{label}"
        );
        assert_eq!(
            (dump.vector, dump.error, dump.cr[1]),
            (Some(14), Some(Some(2)), Some(0x10))
        );
        assert_eq!(
            (dump.rip, details.at.as_deref()),
            (None, Some("do_thing+0x16/0x20"))
        );
        assert_eq!(
            (dump.gpr[0], dump.gpr[15]),
            (Some(1), Some(16)),
            "registers of the first RIP"
        );
        assert_eq!(
            (dump.gpr[4], dump.sel[5]),
            (Some(0xffff_a000_0012_3e40), Some(0x18))
        );
        assert_eq!((dump.sel[0], dump.cr[0]), (Some(0x10), Some(0x8005_0033)));
        assert_eq!(
            (details.before.as_slice(), dump.code.as_ref().map(Vec::len)),
            (&[0x90, 0x90, 0xc3][..], Some(6))
        );
        let calls: Vec<_> = details
            .calls
            .iter()
            .map(|call| (call.name.as_deref().unwrap(), call.uncertain))
            .collect();
        assert_eq!(
            calls,
            [
                ("__die_body.cold+0x1a/0x1f", true),
                ("vfs_thing+0xc7/0x3f0", false),
                ("entry_SYSCALL_64_after_hwframe+0x6e/0xd8", false),
            ]
        );
        assert_eq!(details.slide, Some(0x2280_0000));
        assert_eq!(
            details.message.last().unwrap(),
            "Kernel panic - not syncing: Fatal exception"
        );
        assert!(details.context[0].contains("PID: 97"));
    }
}

#[test]
fn traps_of_linux_by_their_first_lines() {
    let rest = &LINUX[LINUX.find("CPU: 1").unwrap()..];
    for (head, vector, error) in [
        (
            "general protection fault, probably for non-canonical address 0xdead000000000000: 0000 [#1] SMP",
            13,
            Some(0),
        ),
        ("general protection fault: 0208 [#1] SMP", 13, Some(0x208)),
        (
            "Oops: general protection fault, probably for non-canonical address 0x1: 0000 [#1] SMP",
            13,
            Some(0),
        ),
        ("invalid opcode: 0000 [#1] SMP NOPTI", 6, None),
        ("Oops: invalid opcode: 0000 [#1] SMP", 6, None),
        ("Oops: Oops: 0010 [#1] SMP", 14, Some(0x10)),
        (
            "kernel BUG at mm/slub.c:4023!\ninvalid opcode: 0000 [#1] SMP",
            6,
            None,
        ),
        ("divide error: 0000 [#1] SMP", 0, None),
        ("double fault: 0000 [#1] SMP", 8, Some(0)),
        ("stack segment: 0000 [#2] SMP", 12, Some(0)),
        ("int3: 0000 [#1] SMP", 3, None),
        (
            "BUG: unable to handle page fault for address: ffffffffdeadbeef\n#PF: error_code(0x0000) - not-present page",
            14,
            Some(0),
        ),
        (
            "BUG: unable to handle kernel NULL pointer dereference at 0000000000000008\nIP: [<ffffffff81000000>] f+0x1/0x2\nOops: 0000 [#1] SMP",
            14,
            Some(0),
        ),
    ] {
        let found = one(&format!("{head}\n{rest}"));
        assert_eq!(
            (found.dump.vector, found.dump.error),
            (Some(vector), Some(error)),
            "{head}"
        );
        assert_eq!(found.dump.gpr[0], Some(1), "{head}");
    }
}

#[test]
fn early_exceptions_of_all_eras() {
    for (text, vector, rip, cr2) in [
        (
            "PANIC: early exception 0x0e IP 10:ffffffff814e72a1 error 2 cr2 0xffff888000000000",
            Some(14),
            0xffff_ffff_814e_72a1,
            0xffff_8880_0000_0000,
        ),
        (
            "PANIC: early exception 0d rip 10:ffffffff80ba7531 error 2 cr2 f06f53",
            Some(13),
            0xffff_ffff_80ba_7531,
            0xf0_6f53,
        ),
        (
            "PANIC: early exception rip ffffffff8023429f error 2 cr2 0",
            None,
            0xffff_ffff_8023_429f,
            0,
        ),
    ] {
        let found = one(&format!("[    0.000000] {text}\n"));
        assert_eq!(
            (found.dump.vector, found.dump.rip, found.dump.cr[1]),
            (vector, Some(rip), Some(cr2)),
            "{text}"
        );
        assert_eq!(found.dump.error, vector.map(|_| Some(2)));
    }
}

#[test]
fn oopses_of_old_kernels() {
    let found = one("\
Unable to handle kernel NULL pointer dereference at 0000000000000020 RIP:
Oops: 0000 [1] SMP
Pid: 1, comm: swapper Not tainted 2.6.26 #1
RIP: 0010:[<ffffffff8023429f>]  [<ffffffff8023429f>] find_bit+0x1f/0x40
RSP: 0018:ffff81003f8cfe50  EFLAGS: 00010246
RAX: 0000000000000001 RBX: 0000000000000002 RCX: 0000000000000003
Call Trace:
 [<ffffffff80b9c196>] early_idt_handler+0x56/0x6a
Code: 0f <0b> c3
");
    assert_eq!(
        (found.dump.rip, found.dump.sel[0]),
        (Some(0xffff_ffff_8023_429f), Some(0x10))
    );
    assert_eq!(found.details.at.as_deref(), Some("find_bit+0x1f/0x40"));
    assert_eq!(found.details.calls[0].address, Some(0xffff_ffff_80b9_c196));
    assert_eq!(
        (found.dump.integrity, found.dump.gpr[0]),
        (Integrity::Truncated, Some(1))
    );
    let found = one("\
BUG: unable to handle kernel paging request at c0000000
EIP: 0060:[<c1234567>] EFLAGS: 00010246 CPU: 0
EIP is at do_it+0x1/0x2
EAX: 00000001 EBX: 00000004 ECX: 00000002 EDX: 00000003
ESI: 00000007 EDI: 00000008 EBP: 00000006 ESP: c1000000
 DS: 007b ES: 007b FS: 00d8 GS: 0033 SS: 0068
");
    assert_eq!(
        (found.dump.rip, found.dump.rflags),
        (Some(0xc123_4567), Some(0x1_0246))
    );
    assert_eq!(
        (found.dump.mode, found.dump.integrity),
        (Some(Mode::Protected), Integrity::Whole)
    );
    assert_eq!(
        (found.dump.gpr[4], found.dump.sel[5]),
        (Some(0xc100_0000), Some(0x68))
    );
}

#[test]
fn a_panic_without_registers_has_its_calls() {
    let found = one("\
Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)
CPU: 0 PID: 1 Comm: swapper/0 Not tainted 6.1.0 #1
Call Trace:
 <TASK>
 dump_stack_lvl+0x44/0x5c
 panic+0x118/0x2f4
---[ end Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0) ]---
");
    assert_eq!(
        (found.dump.vector, found.dump.rip, found.dump.gpr[0]),
        (None, None, None)
    );
    assert_eq!(found.details.calls.len(), 2);
    assert_eq!(found.details.message.len(), 1);
}

#[test]
fn what_is_no_oops() {
    let rest = &LINUX[LINUX.find("CPU: 1").unwrap()..LINUX.find("Kernel panic").unwrap()];
    for log in [
        format!(
            "------------[ cut here ]------------\nWARNING: CPU: 0 PID: 1 at mm/a.c:1 f+0x1/0x2\n{rest}"
        ),
        "BUG: sleeping function called from invalid context at a.c:1\n".to_owned(),
        "MBTOOL-CRASH panic=Kernel panic - not syncing: sysrq triggered crash\n".to_owned(),
        "Kernel panic - not syncing: x\n".to_owned(),
        "R10: 0000000000000001 R11: 0000000000000001\n".to_owned(),
    ] {
        assert_eq!(scan(&log).len(), 0, "{log}");
    }
    // the next kernel's first line ends a dump
    let cut = &LINUX[..LINUX.find("Call Trace").unwrap()];
    let found = one(&format!(
        "{cut}[    0.000000] Linux version 6.1.0\nRIP: 0010:other+0x1/0x2\n"
    ));
    assert_eq!(found.details.at.as_deref(), Some("do_thing+0x16/0x20"));
}

const EDK2: &str = "\
!!!! X64 Exception Type - 0E(#PF - Page-Fault)  CPU Apic ID - 00000000 !!!!
ExceptionData - 0000000000000002  I:0 R:0 U:0 W:1 P:0 PK:0 SS:0 SGX:0
RIP  - 000000007E5F9A5D, CS  - 0000000000000038, RFLAGS - 0000000000010206
RAX  - 0000000000000001, RCX - 0000000000000002, RDX - 0000000000000003
RBX  - 0000000000000004, RSP - 000000007F7F1E10, RBP - 0000000000000006
RSI  - 0000000000000007, RDI - 0000000000000008
R8   - 0000000000000009, R9  - 000000000000000A, R10 - 000000000000000B
R11  - 000000000000000C, R12 - 000000000000000D, R13 - 000000000000000E
R14  - 000000000000000F, R15 - 0000000000000010
DS   - 0000000000000030, ES  - 0000000000000030, FS  - 0000000000000030
GS   - 0000000000000030, SS  - 0000000000000030
CR0  - 0000000080010033, CR2 - 0000000000000010, CR3 - 000000007F801000
CR4  - 0000000000000668, CR8 - 0000000000000000
DR6  - 00000000FFFF0FF0, DR7 - 0000000000000400
GDTR - 000000007F5EEA98 0000000000000047, LDTR - 0000000000000000
FXSAVE_STATE - 000000007F7F1A70
!!!! Find image based on IP(0x7E5F9A5D) /build/DEBUG/CpuDxe.dll (ImageBase=000000007E5F8000, EntryPoint=000000007E5F9000) !!!!
";

#[test]
fn the_firmware_of_edk2() {
    for log in [
        EDK2.to_owned(),
        format!("Test message: {}", EDK2.replace('\n', "\r\n")),
    ] {
        let found = one(&log);
        let dump = &found.dump;
        assert_eq!(
            (found.source, dump.integrity),
            (DumpSource::Edk2, Integrity::Whole)
        );
        assert_eq!(
            (dump.vector, dump.error, dump.rip),
            (Some(14), Some(Some(2)), Some(0x7e5f_9a5d))
        );
        assert_eq!(
            (dump.gpr[0], dump.gpr[15], dump.cr[1]),
            (Some(1), Some(16), Some(0x10))
        );
        assert_eq!((dump.sel[0], dump.sel[5]), (Some(0x38), Some(0x30)));
        assert_eq!(found.details.at.as_deref(), Some("CpuDxe.dll+0x1a5d"));
    }
    let lost = one(&EDK2[..EDK2.find("R14").unwrap()]);
    assert_eq!(lost.dump.integrity, Integrity::Truncated);
    let unknown = EDK2.replace(
        "!!!! Find image",
        "!!!!  Can't find image information. !!!!\nx",
    );
    assert_eq!(one(&unknown).details.at, None);
}

/// The state of a CPU as QEMU prints it.
fn qemu_state(rip: &str, hlt: u8) -> String {
    format!(
        "\
RAX=0000000000000001 RBX=0000000000000004 RCX=0000000000000002 RDX=0000000000000003
RSI=0000000000000007 RDI=0000000000000008 RBP=0000000000000006 RSP=0000000000200000
R8 =0000000000000009 R9 =000000000000000a R10=000000000000000b R11=000000000000000c
R12=000000000000000d R13=000000000000000e R14=000000000000000f R15=0000000000000010
RIP={rip} RFL=00000046 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT={hlt}
ES =0018 0000000000000000 ffffffff 00cf9300 DPL=0 DS   [-WA]
CS =0010 0000000000000000 ffffffff 00af9b00 DPL=0 CS64 [-RA]
SS =0018 0000000000000000 ffffffff 00cf9300 DPL=0 DS   [-WA]
GDT=     0000000000001000 0000007f
IDT=     0000000000002000 00000fff
CR0=80010033 CR2=0000000000000010 CR3=0000000000003000 CR4=00000020
DR6=00000000ffff0ff0 DR7=0000000000000400
EFER=0000000000000d01
"
    )
}

#[test]
fn a_triple_fault_in_qemus_log() {
    let state = qemu_state("0000000000101017", 0);
    let entry = |number: u32, vector: &str, error: &str| {
        format!(
            "check_exception old: 0xffffffff new 0x6\n  {number}: v={vector} e={error} i=0 cpl=0 IP=0010:0000000000101017 pc=0 SP=0018:0 env->regs[R_EAX]=0\n{state}"
        )
    };
    let reset = format!("CPU Reset (CPU 0)\n{}", qemu_state("0000000000101017", 0));
    let power_on = format!(
        "CPU Reset (CPU 0)\n{}",
        qemu_state("000000000000fff0", 0).replace("00200000", "00000000")
    );
    let log = format!(
        "{power_on}{}{}{}{}Triple fault\n{reset}",
        // a page fault that the kernel handled
        entry(7, "0e", "0002").replace("101017", "101000"),
        entry(8, "0e", "0002"),
        entry(9, "0d", "0072"),
        entry(10, "08", "0000"),
    );
    let found = one(&log);
    let links: Vec<_> = found
        .details
        .chain
        .iter()
        .map(|link| (link.vector, link.error))
        .collect();
    assert_eq!(links, [(14, 2), (13, 0x72), (8, 0)]);
    assert_eq!(
        (found.dump.rip, found.dump.cr[1]),
        (Some(0x10_1017), Some(0x10))
    );
    assert_eq!(
        (found.dump.mode, found.dump.integrity),
        (Some(Mode::Long), Integrity::Whole)
    );
    assert_eq!(found.details.idt, Some((0x2000, 0xfff)));
    // without a triple fault: the last exception
    let found = one(&format!(
        "{power_on}{}{}",
        entry(7, "0e", "0002"),
        entry(8, "20", "0000")
    ));
    assert_eq!(
        (found.dump.vector, found.details.chain.len()),
        (Some(14), 0)
    );
    // a reset by the program
    let found = one(&format!("{power_on}{reset}"));
    assert_eq!(
        (found.dump.vector, found.details.message[0].as_str()),
        (None, "CPU Reset (CPU 0)")
    );
}

#[test]
fn registers_in_qemus_monitor() {
    let log = format!(
        "(qemu) info registers\n\nCPU#0\n{}FCW=037f FSW=0000\n",
        qemu_state("0000000000101017", 1)
    );
    let found = one(&log);
    assert_eq!((found.source, found.dump.vector), (DumpSource::Qemu, None));
    assert!(found.details.halted);
    let two = format!("CPU#0\n{0}CPU#1\n{0}", qemu_state("0000000000101017", 0));
    let found = scan(&two);
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].details.context, ["CPU 1"]);
    // QEMU before 2.12 prints no CPU number
    assert_eq!(one(&qemu_state("0000000000101017", 0)).dump.gpr[0], Some(1));
    let short = "\
EAX=00000001 EBX=00000004 ECX=00000002 EDX=00000003
ESI=00000007 EDI=00000008 EBP=00000006 ESP=00200000
EIP=00007c00 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0
CS =0000 00000000 0000ffff 00009b00 DPL=0 CS16 [-RA]
";
    let found = one(short);
    assert_eq!(
        (found.dump.mode, found.details.real_mode),
        (Some(Mode::Protected), true)
    );
    assert_eq!(found.dump.integrity, Integrity::Whole);
}

#[test]
fn kvm_gives_up() {
    let log = format!(
        "KVM internal error. Suberror: 1\nextra data[0]: 0x0000000000000002\nextra data[1]: 0x0000000000000400\n\
         emulation failure\n{}Code=00 00 <ff> ff 00\n",
        qemu_state("0000000000101017", 0)
    );
    let found = one(&log);
    assert_eq!(
        (found.source, found.dump.integrity),
        (DumpSource::Kvm, Integrity::Whole)
    );
    assert_eq!(found.dump.code.as_deref(), Some(&[0xff, 0xff, 0][..]));
    assert_eq!(found.details.before, [0, 0]);
    let log = format!(
        "KVM: entry failed, hardware error 0x80000021\n\n{}",
        qemu_state("0000000000101017", 0)
    );
    assert_eq!(one(&log).source, DumpSource::Kvm);
    assert!(scan("KVM internal error. Suberror: 1\n").is_empty());
}

/// Lines that the readers know, for logs that are almost right.
const PIECES: &str = "(\\(XEN\\) |\\[    1\\.000000\\] |> )?(----\\[ Xen-4|Panic on CPU 0:|\\*{40}|RIP: |RIP: 0010:|rax: |RAX: |RAX=|\
    EIP=|CS =|IDT=|Code: 00 <|Code=|Xen code around <|Xen call trace|Call Trace:|Xen stack trace from|\\[<ffff82d040216247>\\] R a|\
    Oops: 0002 \\[#1\\]|BUG: unable to handle|PANIC: early exception |Kernel panic - not syncing: |Kernel Offset: |\
    !!!! X64 Exception Type - |!!!! IA32 Exception Type - 0D|RAX  - |Find image based on IP\\(0x1\\)|1: v=0e e=0000 i=0 |Triple fault|\
    CPU#0|CPU Reset \\(CPU 0\\)|KVM internal error\\. Suberror: |build-id: |BUILD-ID=|Linux version |Xen version |\\[handoff\\] jump to |\
    0000000000000001 |WARNING: CPU: 0 at |Brought up 2 CPUs|Run /init as init process)?[ -~\u{80}-\u{fff}]{0,60}";

proptest! {
    #[test]
    fn arbitrary_bytes_are_read(log in prop::collection::vec(any::<u8>(), 0..3000)) {
        let log = String::from_utf8_lossy(&log);
        for found in scan(&log) {
            prop_assert!(found.line > 0);
        }
    }

    #[test]
    fn almost_dumps_are_read(lines in prop::collection::vec(PIECES, 0..80)) {
        for found in scan(&lines.join("\n")) {
            prop_assert!(found.line > 0 && found.line <= lines.len().max(1) * 2);
            prop_assert!(found.details.message.len() <= MAX_QUOTE);
            prop_assert!(found.details.calls.len() <= MAX_CALLS);
        }
    }

    /// Whatever line of a dump is lost, the rest is found.
    #[test]
    fn a_lost_line_costs_its_fields_only(lost in 1..30usize) {
        let log = xen("", "FATAL TRAP: vec 2, NMI[0000]");
        let rest: String = log.lines().enumerate().filter(|(n, _)| *n != lost).map(|(_, l)| format!("(XEN) {l}\n")).collect();
        let found = scan(&rest);
        prop_assert_eq!(found.len(), 1);
        let known = found[0].dump.gpr.iter().flatten().count();
        prop_assert!(known >= 13, "{}", known);
        prop_assert_eq!(found[0].dump.integrity == Integrity::Whole, known == 16);
    }
}

/// Memory does not grow with a log that never ends a dump.
#[test]
fn an_endless_dump_ends() {
    let mut scanner = Scanner::default();
    let mut count = 0;
    for (number, line) in XEN
        .lines()
        .chain(std::iter::repeat("   ffff82d040247503 0000001300002030"))
        .take(20_000)
        .enumerate()
    {
        count += scanner.line(number + 1, line).len();
    }
    let found = scanner.finish();
    let stack: usize = found
        .iter()
        .map(|found| found.dump.stack.as_ref().map_or(0, Vec::len))
        .sum();
    assert!(count + found.len() <= 1 && stack <= MAX_STACK);
}
