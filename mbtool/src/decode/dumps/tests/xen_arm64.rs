//! Xen on arm64.

use super::*;
use handoff::arch::arm64::dump::read::Arm64Dump;
use handoff::arch::arm64::registers::Regime;

const STARS: &str = "****************************************";

/// Registers as Xen prints them: x0 is 0, x1 is 1 and so on.
const STATE: &str = "\
----[ Xen-4.20.0  arm64  debug=y  Not tainted ]----
CPU:    1
PC:     00000a0000251340 list_add+0x168/0x330
LR:     000000000000001e
SP:     000080007ffe7d80
CPSR:   0000000000000249 MODE:64-bit EL2h (Hypervisor, handler)
     X0: 0000000000000000  X1: 0000000000000001  X2: 0000000000000002
     X3: 0000000000000003  X4: 0000000000000004  X5: 0000000000000005
     X6: 0000000000000006  X7: 0000000000000007  X8: 0000000000000008
     X9: 0000000000000009 X10: 000000000000000a X11: 000000000000000b
    X12: 000000000000000c X13: 000000000000000d X14: 000000000000000e
    X15: 000000000000000f X16: 0000000000000010 X17: 0000000000000011
    X18: 0000000000000012 X19: 0000000000000013 X20: 0000000000000014
    X21: 0000000000000015 X22: 0000000000000016 X23: 0000000000000017
    X24: 0000000000000018 X25: 0000000000000019 X26: 000000000000001a
    X27: 000000000000001b X28: 000000000000001c  FP: 000000000000001d

  VTCR_EL2: 0000000080043594
 VTTBR_EL2: 00000000bffdb000

 SCTLR_EL2: 0000000030cd183d
   HCR_EL2: 00000000807c663f
 TTBR0_EL2: 0000000040318000

   ESR_EL2: 0000000096000045
 HPFAR_EL2: 0000000000080000
   FAR_EL2: 0000000000000068

Xen stack trace from sp=000080007ffe7d80:
   00000a0000260118 00000a0000339238 0000000000000000 00000a0000300168
   0000000000000001
Xen call trace:
   [<00000a0000251340>] list_add+0x168/0x330 (PC)
   [<00000a000021cf98>] scrub_free_pages+0x214/0x47c (LR)

";

/// A panic of Xen with that state.
fn xen() -> String {
    let trap = "CPU1: Unexpected Trap: Data Abort";
    format!(
        "Data Abort Trap. Syndrome=0x45\nWalking Hypervisor VA 0x68 on CPU1 via TTBR 0x0000000040318000\n\
         0TH[0x000] = 0x4030ff7f\n1ST[0x000] = 0x0\n{trap}\n{STATE}\n{STARS}\nPanic on CPU 1:\n{trap}\n{STARS}\n\nReboot in five seconds...\n"
    )
}

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
fn an_unexpected_trap() {
    for label in [
        "",
        "(XEN) ",
        "(XEN) [    1.234567] ",
        "(XEN) [2026-11-30 01:02:03] ",
    ] {
        let (found, dump) = arm64(&labelled(&xen(), label));
        assert_eq!(
            (found.source, found.line, dump.integrity),
            (DumpSource::Xen, 6, Integrity::Whole),
            "{label}"
        );
        assert_eq!(
            (dump.elr, dump.far, dump.esr),
            (Some(0xa00_0025_1340), Some(0x68), Some(0x9600_0045))
        );
        assert_eq!(
            (dump.spsr, dump.sctlr, dump.hcr),
            (Some(0x249), Some(0x30cd_183d), Some(0x807c_663f))
        );
        assert_eq!(dump.regime, Some(Regime::El2 as u32));
        for number in 0..31 {
            assert_eq!(dump.gpr[number], Some(number as u64), "{number}");
        }
        assert_eq!(dump.register("sp"), Some(0x8000_7ffe_7d80));
        assert_eq!(dump.stack.as_ref().map(Vec::len), Some(5));
        let details = &found.details;
        assert_eq!(details.at.as_deref(), Some("list_add+0x168/0x330"));
        assert_eq!(details.calls.len(), 2);
        assert_eq!(
            details.calls[1].name.as_deref(),
            Some("scrub_free_pages+0x214/0x47c")
        );
        assert_eq!(details.message.len(), 3, "{:?}", details.message);
        assert_eq!(details.message[2], "CPU1: Unexpected Trap: Data Abort");
        assert_eq!(details.context[1], "CPU 1");
        assert_eq!(dump.more[0], "VTCR_EL2 0x80043594");
    }
}

#[test]
fn the_state_of_a_guest_is_that_of_its_kernel() {
    let guest = STATE
        .replace("SP:     000080007ffe7d80\n", "SP_EL0: ffff800080503880\nSP_EL1: ffff800081bb3d80\n")
        .replace("0000000000000249 MODE:64-bit EL2h (Hypervisor, handler)", "0000000060000005 MODE:64-bit EL1h (Guest Kernel, handler)")
        .replace("\n  VTCR_EL2", "\n   ELR_EL1: ffff800080012345\n   ESR_EL1: 96000005\n   FAR_EL1: 0000000000000008\n\n SCTLR_EL1: 0000000030d5d91d\n\n  VTCR_EL2");
    let (found, dump) = arm64(&format!(
        "d0v1: vGICD: bad read width\ndomain_crash called from vgic.c:10\n{guest}"
    ));
    assert_eq!(
        (dump.esr, dump.far, dump.sctlr, dump.spsr),
        (
            Some(0x9600_0005),
            Some(8),
            Some(0x30d5_d91d),
            Some(0x6000_0005)
        )
    );
    assert_eq!(dump.regime, Some(Regime::El1 as u32));
    assert_eq!(dump.register("sp"), Some(0xffff_8000_81bb_3d80));
    assert!(found.details.message[0].starts_with("domain_crash called"));
}

#[test]
fn a_state_without_a_fault_is_no_dump() {
    for line in [
        "*** Dumping CPU0 host state: ***",
        "*** Dumping Dom0 vcpu#0 state: ***",
        "Xen WARN at a.c:1",
    ] {
        assert!(scan(&format!("{line}\n{STATE}")).is_empty(), "{line}");
    }
    // of another architecture, with registers that are not read
    let arm = STATE.replace("  arm64  ", "  arm32  ");
    assert!(scan(&arm).is_empty());
}

#[test]
fn a_dump_that_is_cut() {
    let (cut, _) = STATE.split_once("    X18:").unwrap();
    let (_, dump) = arm64(cut);
    assert_eq!(dump.integrity, Integrity::Truncated);
    assert_eq!(
        (dump.register("x17"), dump.register("x18"), dump.esr),
        (Some(17), None, None)
    );
}

#[test]
fn a_dump_of_x86_follows_one_of_arm64() {
    let log = format!("{STATE}{}", super::xen::XEN);
    let found = scan(&log);
    assert_eq!(found.len(), 2);
    assert!(matches!(found[0].dump, CpuDump::Arm64(_)) && matches!(found[1].dump, CpuDump::X86(_)));
}
