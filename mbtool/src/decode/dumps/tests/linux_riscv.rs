//! Linux on riscv64.

use super::*;
use handoff::arch::riscv64::dump::read::RiscvDump;

const OOPS: &str = "\
Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010
Current swapper/0 pgtable: 4K pagesize, 48-bit VAs, pgdp=0x0000000081c09000
Oops [#1]
Modules linked in: a b c
CPU: 1 UID: 0 PID: 97 Comm: sh Not tainted 6.12.117+deb13-riscv64 #1 Debian 6.12.117-1
Hardware name: riscv-virtio,qemu (DT)
epc : do_thing+0x16/0x20 [a]
 ra : vfs_thing+0xc6/0x3f0
epc : ffffffff0204567e ra : ffffffff8000566a sp : ff20000000013e30
 gp : ffffffff81a04000 tp : ff6000000100b600 t0 : 0000000000000005
 t1 : 0000000000000006 t2 : 0000000000000007 s0 : ff20000000013e40
 s1 : 0000000000000009 a0 : 000000000000000a a1 : 000000000000000b
 a2 : 000000000000000c a3 : 000000000000000d a4 : 000000000000000e
 a5 : 000000000000000f a6 : 0000000000000010 a7 : 0000000000000011
 s2 : 0000000000000012 s3 : 0000000000000013 s4 : 0000000000000014
 s5 : 0000000000000015 s6 : 0000000000000016 s7 : 0000000000000017
 s8 : 0000000000000018 s9 : 0000000000000019 s10: 000000000000001a
 s11: 000000000000001b t3 : 000000000000001c t4 : 000000000000001d
 t5 : 000000000000001e t6 : 000000000000001f
status: 0000000200000120 badaddr: 0000000000000010 cause: 000000000000000f
[<ffffffff0204567e>] do_thing+0x16/0x20 [a]
[<ffffffff8000566a>] vfs_thing+0xc6/0x3f0
Code: 1141 e406 4505 (e90c) 8082
---[ end trace 0000000000000000 ]---
Kernel panic - not syncing: Fatal exception
SMP: stopping secondary CPUs
---[ end Kernel panic - not syncing: Fatal exception ]---
";

fn riscv(log: &str) -> (FoundDump, RiscvDump) {
    let mut found = scan(log);
    assert_eq!(found.len(), 1, "{log}\n{found:#?}");
    let found = found.remove(0);
    let CpuDump::Riscv(dump) = found.dump.clone() else {
        panic!("{found:#?}")
    };
    (found, dump)
}

#[test]
fn an_oops() {
    for label in [
        "",
        "[    6.408034] ",
        "[    6.408034][   T97] ",
        "<1>[    6.408034] ",
    ] {
        let (found, dump) = riscv(&labelled(OOPS, label));
        assert_eq!(
            (found.source, found.line, dump.integrity),
            (DumpSource::LinuxOops, 1, Integrity::Whole),
            "{label}"
        );
        assert_eq!(
            (dump.sepc, dump.stval, dump.scause, dump.sstatus),
            (
                Some(0xffff_ffff_0204_567e),
                Some(0x10),
                Some(15),
                Some(0x2_0000_0120)
            )
        );
        assert_eq!(dump.register("ra"), Some(0xffff_ffff_8000_566a));
        assert_eq!(dump.register("sp"), Some(0xff20_0000_0001_3e30));
        assert_eq!(
            (
                dump.register("s10"),
                dump.register("s11"),
                dump.register("t6")
            ),
            (Some(0x1a), Some(0x1b), Some(0x1f))
        );
        let details = &found.details;
        assert_eq!(details.at.as_deref(), Some("do_thing+0x16/0x20"));
        assert_eq!(details.before, [0x41, 0x11, 0x06, 0xe4, 0x05, 0x45]);
        assert_eq!(dump.code, Some(vec![0x0c, 0xe9, 0x82, 0x80]));
        assert_eq!(details.calls.len(), 2);
        assert_eq!(details.calls[1].address, Some(0xffff_ffff_8000_566a));
        assert!(details.context[0].contains("Comm: sh"));
        assert!(details.message[0].starts_with("Unable to handle kernel NULL"));
        assert_eq!(
            details.message.last().map(String::as_str),
            Some("Kernel panic - not syncing: Fatal exception")
        );
    }
}

#[test]
fn the_same_of_older_kernels() {
    // 5.10: no names, `epc:` without a blank
    let named = ["epc : do_thing", " ra : vfs_thing"];
    let old: String = OOPS
        .lines()
        .filter(|line| !named.iter().any(|name| line.starts_with(name)))
        .map(|line| format!("{}\n", line.replace("epc : ff", "epc: ff")))
        .collect();
    let (found, dump) = riscv(&old);
    assert_eq!(dump.sepc, Some(0xffff_ffff_0204_567e));
    assert_eq!((found.details.at, found.details.calls.len()), (None, 2));
}

#[test]
fn registers_after_the_first_state_are_not_mixed_in() {
    let second = OOPS
        .replace("ffffffff0204567e", "0000003f95a2b0c8")
        .replace("0000000000000010", "0000000000000999");
    let (_, again) = second.split_once("epc : ").unwrap();
    let (first, _) = OOPS.split_once("---[ end trace").unwrap();
    let (_, dump) = riscv(&format!("{first}---[ end trace 0 ]---\nepc : {again}"));
    assert_eq!(
        (dump.sepc, dump.stval),
        (Some(0xffff_ffff_0204_567e), Some(0x10))
    );
}

#[test]
fn an_oops_that_is_cut() {
    let (cut, _) = OOPS.split_once(" s2 :").unwrap();
    let (_, dump) = riscv(cut);
    assert_eq!(dump.integrity, Integrity::Truncated);
    assert_eq!(
        (dump.register("a7"), dump.register("s2")),
        (Some(0x11), None)
    );
    // the address of the first line
    assert_eq!((dump.stval, dump.scause), (Some(0x10), None));
}

#[test]
fn a_panic_without_registers_is_not_one_of_x86() {
    let panic = "Kernel panic - not syncing: sysrq triggered crash\n\
        CPU: 1 UID: 0 PID: 1 Comm: init Not tainted 6.12.117+deb13-riscv64 #1\n\
        Call Trace:\n\
        [<ffffffff80005c2c>] dump_backtrace+0x28/0x30\n\
        [<ffffffff80a0b2aa>] panic+0x118/0x2f4\n";
    for boot in [
        "Linux version 6.12.117+deb13-riscv64 (gcc 14) #1 SMP\n",
        "riscv: base ISA extensions acdfim\n",
        "SBI specification v2.0 detected\n",
    ] {
        let (found, dump) = riscv(&labelled(&format!("{boot}{panic}"), "[    1.000000] "));
        assert_eq!((found.details.calls.len(), dump.sepc), (2, None), "{boot}");
    }
    let found = one(&format!(
        "Linux version 6.12.0-amd64 (gcc 14) #1 SMP\n{panic}"
    ));
    assert_eq!(found.dump.mode, Some(Mode::Long));
}
