//! Logs that are no dumps, or almost.

use super::xen::{XEN, xen};
use super::*;
use proptest::prelude::*;

/// Lines that the readers know, for logs that are almost right.
const PIECES: &str = "(\\(XEN\\) |\\[    1\\.000000\\] |> )?(----\\[ Xen-4|Panic on CPU 0:|\\*{40}|RIP: |RIP: 0010:|rax: |RAX: |RAX=|\
    EIP=|CS =|IDT=|Code: 00 <|Code=|Xen code around <|Xen call trace|Call Trace:|Xen stack trace from|\\[<ffff82d040216247>\\] R a|\
    Oops: 0002 \\[#1\\]|BUG: unable to handle|PANIC: early exception |Kernel panic - not syncing: |Kernel Offset: |\
    !!!! X64 Exception Type - |!!!! IA32 Exception Type - 0D|RAX  - |Find image based on IP\\(0x1\\)|1: v=0e e=0000 i=0 |Triple fault|\
    CPU#0|CPU Reset \\(CPU 0\\)|KVM internal error\\. Suberror: |build-id: |BUILD-ID=|Linux version |Xen version |\\[handoff\\] jump to |\
    epc : f\\+0x1/0x2|epc : ffffffff0204567e |status: 0000000200000120 |s1 : |Code: 1141 \\(e406|Unable to handle kernel paging|riscv: |\
    Internal error: Oops: 0000000096000046 \\[#1\\]|Mem abort info:|  ESR = 0x|pstate: 60000005 |pc : f\\+0x1/0x2|pc : \\[<ffff000008081016>\\] lr : \\[<|lr : |\
    sp : ffff800080503880|x29: 000000000000001d x28: |x0 : |Code: aa1303e0 \\(|SError Interrupt on CPU1, code 0x|Booting Linux on physical CPU 0x0 \\[0x|\
    ----\\[ Xen-4.20  arm64  |CPU1: Unexpected Trap: |PC:     00000a0000251340 f\\+0x1/0x2|CPSR:   0000000000000249 MODE:|SP_EL0: |     X0: 0000000000000000  X1: |\
   ESR_EL2: | SCTLR_EL1: |\
    kvm \\[1\\]: VCPU exit error -95|kvm \\[1\\]: SEPC=0x1 |kvm \\[1\\]: SCAUSE=0x14 STVAL=0x|\
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
        let dump = one(&rest).dump;
        let known = dump.gpr.iter().flatten().count();
        prop_assert!(known >= 13, "{}", known);
        prop_assert_eq!(dump.integrity == Integrity::Whole, known == 16);
    }
}

/// Memory does not grow with a dump of arm64 that never ends.
#[test]
fn an_endless_dump_of_arm64_ends() {
    let head = [
        "----[ Xen-4.20.0  arm64  debug=y  Not tainted ]----",
        "X0: 0000000000000001",
    ];
    for line in [
        "   0000000000000001 0000000000000002",
        "FOO_EL2: 0000000000000001",
        "[<0000000000000001>] f+0x1/0x2",
    ] {
        let mut scanner = Scanner::default();
        let lines = head
            .into_iter()
            .chain(["Xen stack trace from sp=0:"])
            .chain(std::iter::repeat(line));
        for (number, line) in lines.take(20_000).enumerate() {
            scanner.line(number + 1, line);
        }
        for found in scanner.finish() {
            let CpuDump::Arm64(dump) = found.dump else {
                panic!("{:?}", found.dump)
            };
            assert!(dump.stack.is_none_or(|stack| stack.len() <= MAX_STACK));
            assert!(dump.more.len() <= MAX_QUOTE && found.details.calls.len() <= MAX_CALLS);
        }
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
        .map(|found| x86(found.clone()).dump.stack.map_or(0, |stack| stack.len()))
        .sum();
    assert!(count + found.len() <= 1 && stack <= MAX_STACK);
}
