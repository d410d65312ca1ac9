//! Linux: oopses, panics, early exceptions.

use super::*;

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
