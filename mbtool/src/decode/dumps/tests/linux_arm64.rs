//! Linux on arm64.

use super::*;
use handoff::arch::arm64::dump::read::Arm64Dump;
use handoff::arch::arm64::registers::Regime;

const OOPS: &str = "\
Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010
Mem abort info:
  ESR = 0x0000000096000046
  EC = 0x25: DABT (current EL), IL = 32 bits
  SET = 0, FnV = 0
  EA = 0, S1PTW = 0
  FSC = 0x06: level 2 translation fault
Data abort info:
  ISV = 0, ISS = 0x00000046, ISS2 = 0x00000000
  CM = 0, WnR = 1, TnD = 0, TagAccess = 0
user pgtable: 4k pages, 48-bit VAs, pgdp=0000000042a5b000
[0000000000000010] pgd=0000000000000000, p4d=0000000000000000
Internal error: Oops: 0000000096000046 [#1] PREEMPT SMP
Modules linked in: a b
CPU: 1 UID: 0 PID: 97 Comm: sh Not tainted 6.12.117+deb13-arm64 #1 Debian 6.12.117-1
Hardware name: linux,dummy-virt (DT)
pstate: 60400005 (nZCv daif +PAN -UAO -TCO -DIT -SSBS BTYPE=--)
pc : do_thing+0x16/0x20 [a]
lr : vfs_thing+0xc6/0x3f0
sp : ffff800080503880
pmr: 000000e0
x29: 000000000000001d x28: 000000000000001c x27: 000000000000001b
x26: 000000000000001a x25: 0000000000000019 x24: 0000000000000018
x23: 0000000000000017 x22: 0000000000000016 x21: 0000000000000015
x20: 0000000000000014 x19: 0000000000000013 x18: 0000000000000012
x17: 0000000000000011 x16: 0000000000000010 x15: 000000000000000f
x14: 000000000000000e x13: 000000000000000d x12: 000000000000000c
x11: 000000000000000b x10: 000000000000000a x9 : 0000000000000009
x8 : 0000000000000008 x7 : 0000000000000007 x6 : 0000000000000006
x5 : 0000000000000005 x4 : 0000000000000004 x3 : 0000000000000003
x2 : 0000000000000002 x1 : 0000000000000001 x0 : 0000000000000000
Call trace:
 do_thing+0x16/0x20 [a] (P)
 vfs_thing+0xc6/0x3f0
Code: 91000000 aa0003e1 ???????? f9400042 (f9000802)
---[ end trace 0000000000000000 ]---
Kernel panic - not syncing: Fatal exception
SMP: stopping secondary CPUs
Kernel Offset: 0x2b0000 from 0xffff800080000000
";

fn arm64(log: &str) -> (FoundDump, Arm64Dump) {
    let mut found = scan(log);
    assert_eq!(found.len(), 1, "{log}\n{found:#?}");
    let found = found.remove(0);
    let CpuDump::Arm64(dump) = found.dump.clone() else {
        panic!("{found:#?}")
    };
    (found, *dump)
}

#[test]
fn an_oops() {
    for label in [
        "",
        "[    6.408034] ",
        "[    6.408034][   T97] ",
        "<1>[    6.408034] ",
    ] {
        let (found, dump) = arm64(&labelled(OOPS, label));
        assert_eq!(
            (found.source, found.line, dump.integrity),
            (DumpSource::LinuxOops, 1, Integrity::Whole),
            "{label}"
        );
        assert_eq!(
            (dump.elr, dump.far, dump.esr, dump.spsr),
            (None, Some(0x10), Some(0x9600_0046), Some(0x6040_0005))
        );
        assert_eq!(dump.regime, Some(Regime::El1 as u32));
        for number in 0..30 {
            assert_eq!(dump.gpr[number], Some(number as u64), "{number}");
        }
        assert_eq!(
            (dump.register("x30"), dump.register("sp")),
            (None, Some(0xffff_8000_8050_3880))
        );
        let details = &found.details;
        assert_eq!(details.at.as_deref(), Some("do_thing+0x16/0x20"));
        // what could not be read ends what is known before pc
        assert_eq!(details.before, 0xf940_0042_u32.to_le_bytes());
        assert_eq!(dump.code, Some(0xf900_0802_u32.to_le_bytes().to_vec()));
        let calls: Vec<_> = details
            .calls
            .iter()
            .map(|call| call.name.as_deref())
            .collect();
        assert_eq!(
            calls,
            [Some("do_thing+0x16/0x20"), Some("vfs_thing+0xc6/0x3f0")]
        );
        assert_eq!(details.slide, Some(0x2b_0000));
        assert!(details.context[0].contains("Comm: sh"));
        assert_eq!(
            dump.more.len(),
            2,
            "the walk of the page tables: {:?}",
            dump.more
        );
        assert_eq!(
            details.message,
            [
                "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010",
                "Internal error: Oops: 0000000096000046 [#1] PREEMPT SMP",
                "Kernel panic - not syncing: Fatal exception"
            ]
        );
    }
}

#[test]
fn the_same_of_older_kernels() {
    // 5.10: a syndrome of 32 bits; 4.14: addresses, and names in lines of their own
    let older = OOPS
        .replace("0x0000000096000046", "0x96000046")
        .replace(": 0000000096000046", ": 96000046");
    assert_eq!(arm64(&older).1.esr, Some(0x9600_0046));
    let lines = [
        (
            "pstate: 60400005 (nZCv daif +PAN -UAO -TCO -DIT -SSBS BTYPE=--)\n",
            "PC is at do_thing+0x16/0x20\n",
        ),
        (
            "pc : do_thing+0x16/0x20 [a]\n",
            "LR is at vfs_thing+0xc6/0x3f0\n",
        ),
        (
            "lr : vfs_thing+0xc6/0x3f0\n",
            "pc : [<ffff000008081016>] lr : [<ffff0000080820c6>] pstate: 60000145\n",
        ),
        (
            " do_thing+0x16/0x20 [a] (P)\n",
            "[<ffff000008081016>] do_thing+0x16/0x20\n",
        ),
    ];
    let oldest = lines
        .iter()
        .fold(older, |log, (new, old)| log.replace(new, old));
    let (found, dump) = arm64(&oldest);
    assert_eq!(
        (dump.elr, dump.register("x30"), dump.spsr),
        (
            Some(0xffff_0000_0808_1016),
            Some(0xffff_0000_0808_20c6),
            Some(0x6000_0145)
        )
    );
    assert_eq!(found.details.at.as_deref(), Some("do_thing+0x16/0x20"));
    assert_eq!(found.details.calls[0].address, Some(0xffff_0000_0808_1016));
}

#[test]
fn every_first_line_has_its_syndrome() {
    let (_, state) = OOPS.split_once("CPU: 1 UID").unwrap();
    for (head, esr) in [
        (
            "Internal error: synchronous external abort: 0000000096000210 [#1] SMP",
            0x9600_0210,
        ),
        (
            "Internal error: Oops - BUG: 00000000f2000800 [#1] SMP",
            0xf200_0800,
        ),
        (
            "Internal error: Oops - Undefined instruction: 0000000002000000 [#1] SMP",
            0x0200_0000,
        ),
        (
            "SError Interrupt on CPU1, code 0x00000000be000011 -- SError",
            0xbe00_0011,
        ),
        (
            "Bad mode in Error handler detected on CPU1, code 0xbf000002 -- SError",
            0xbf00_0002,
        ),
        (
            "Unhandled 64-bit el1h sync exception on CPU1, ESR 0x0000000002000000 -- Unknown/Uncategorized",
            0x0200_0000,
        ),
    ] {
        let (found, dump) = arm64(&format!("{head}\nCPU: 1 UID{state}"));
        assert_eq!(
            (dump.esr, dump.integrity),
            (Some(esr), Integrity::Whole),
            "{head}"
        );
        assert_eq!(found.details.message[0], head);
    }
    let overflow = "Insufficient stack space to handle exception!\n\
        ESR: 0x0000000096000047 -- DABT (current EL)\nFAR: 0xffff80008050bff0\n";
    let (_, dump) = arm64(&format!("{overflow}CPU: 1 UID{state}"));
    assert_eq!(
        (dump.esr, dump.far),
        (Some(0x9600_0047), Some(0xffff_8000_8050_bff0))
    );
}

#[test]
fn a_bug_in_a_second_kernel_of_a_domain_of_xen() {
    let (_, state) = OOPS.split_once("CPU: 1 UID").unwrap();
    let log = format!(
        "kernel BUG at arch/arm/xen/enlighten.c:475!\nInternal error: Oops - BUG: 00000000f2000800 [#1] SMP\nCPU: 1 UID{state}"
    );
    let (found, dump) = arm64(&log);
    assert_eq!((found.line, dump.esr), (1, Some(0xf200_0800)));
    assert!(found.details.message[0].starts_with("kernel BUG at arch/arm/xen/enlighten.c"));
}

#[test]
fn an_oops_that_is_cut() {
    let (cut, _) = OOPS.split_once("x8 :").unwrap();
    let (_, dump) = arm64(cut);
    assert_eq!(dump.integrity, Integrity::Truncated);
    assert_eq!((dump.register("x9"), dump.register("x8")), (Some(9), None));
    assert_eq!((dump.far, dump.esr), (Some(0x10), Some(0x9600_0046)));
}

#[test]
fn a_second_oops_is_another() {
    let second = OOPS.replace("x0 : 0000000000000000", "x0 : 0000000000000999");
    let (first, _) = OOPS.split_once("Kernel panic").unwrap();
    let found = scan(&format!("{first}{second}"));
    let values: Vec<_> = found
        .iter()
        .map(|found| match &found.dump {
            CpuDump::Arm64(dump) => dump.gpr[0],
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(values, [Some(0), Some(0x999)]);
}

#[test]
fn a_panic_without_registers_is_not_one_of_x86() {
    let panic = "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n\
        CPU: 1 UID: 0 PID: 1 Comm: swapper/0 Not tainted 6.12.117+deb13-arm64 #1\n\
        Call trace:\n panic+0x118/0x2f4\n mount_root+0x1/0x2\n";
    for boot in [
        "Linux version 6.12.117+deb13-arm64 (aarch64-linux-gnu-gcc-14) #1 SMP\n",
        "Booting Linux on physical CPU 0x0000000000 [0x411fd070]\n",
    ] {
        let (found, dump) = arm64(&labelled(&format!("{boot}{panic}"), "[    1.000000] "));
        assert_eq!((found.details.calls.len(), dump.elr), (2, None), "{boot}");
    }
}
