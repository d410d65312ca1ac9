//! Values of `scause`, and the rules of each.

use super::exceptions;
use super::explain::{RiscvRule, RiscvRuleInput};
use crate::decode::rules::{Answer, answer};
use handoff::arch::riscv64::causes::cause_name;
use handoff::arch::riscv64::registers::SCAUSE_INTERRUPT;
use serde::Serialize;

/// The cause of a trap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecodedCause {
    /// `scause`.
    pub value: String,
    /// Its number, without the bit of interrupts.
    pub code: u64,
    /// True for an interrupt.
    pub interrupt: bool,
    /// Name by the specification.
    pub name: &'static str,
}

impl DecodedCause {
    /// Decodes `scause`.
    #[must_use]
    pub fn new(scause: u64) -> Self {
        Self {
            value: format!("{scause:#x}"),
            code: scause & !SCAUSE_INTERRUPT,
            interrupt: scause & SCAUSE_INTERRUPT != 0,
            name: str::from_utf8(cause_name(scause)).unwrap_or("?"),
        }
    }
}

/// Access that faulted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RiscvAccess {
    Fetch,
    Load,
    Store,
}

/// The access of a cause that has an address in `stval`.
pub(super) const fn access(scause: u64) -> Option<RiscvAccess> {
    match scause {
        0 | 1 | 12 | 20 => Some(RiscvAccess::Fetch),
        4 | 5 | 13 | 21 => Some(RiscvAccess::Load),
        6 | 7 | 15 | 23 => Some(RiscvAccess::Store),
        _ => None,
    }
}

/// True if `stval` is an address.
pub const fn has_address(scause: u64) -> bool {
    access(scause).is_some()
}

/// Returns the rules of a cause, specific ones first.
pub(super) fn rules(scause: u64) -> &'static [RiscvRule] {
    match scause {
        0 => &[("misaligned-fetch", exceptions::misaligned_fetch)],
        1 | 5 | 7 => &[
            ("virtual-address", exceptions::virtual_address),
            ("access-fault", exceptions::access_fault),
        ],
        2 => &[
            ("unimp", exceptions::unimp),
            ("unit-off", exceptions::unit_off),
            ("csr", exceptions::csr),
            ("privileged", exceptions::privileged),
            ("illegal-instruction", exceptions::illegal),
        ],
        3 => &[("breakpoint", breakpoint)],
        4 | 6 => &[("misaligned", exceptions::misaligned)],
        8..=11 => &[("environment-call", environment_call)],
        12 | 13 | 15 => &[
            ("null-pointer", exceptions::null_pointer),
            ("page-fault", exceptions::page_fault),
        ],
        16 => &[("double-trap", double_trap)],
        18 => &[("software-check", software_check)],
        19 => &[("hardware-error", hardware_error)],
        20 | 21 | 23 => &[("guest-page-fault", exceptions::guest_page_fault)],
        22 => &[("virtual-instruction", virtual_instruction)],
        SCAUSE_INTERRUPT.. => &[("interrupt", interrupt)],
        _ => &[("reserved-cause", reserved)],
    }
}

fn breakpoint(_: &RiscvRuleInput<'_>) -> Answer {
    answer(
        "a breakpoint (ebreak), which the handoff dumps and resumes; a kernel uses it for BUG() and WARN()",
        "nothing is wrong if you set it; else look at the condition before this place in its source",
    )
}

fn environment_call(input: &RiscvRuleInput<'_>) -> Answer {
    let from = match input.dump.scause? {
        8 => "a program in user mode",
        9 => "the kernel itself",
        10 => "a guest's kernel",
        _ => "machine mode",
    };
    answer(
        format!("an ecall of {from} that arrived here, not at the next level above it"),
        "ecall in supervisor mode belongs to the firmware: see whether it delegates this cause (medeleg), and whether an \
         SBI is there at all",
    )
}

fn double_trap(_: &RiscvRuleInput<'_>) -> Answer {
    answer(
        "a trap while a trap was delivered (Smdbltrp, Ssdbltrp): sstatus.SDT was still set",
        "the first trap is the cause: see sepc, which the second one may have overwritten, and the stack of the handler",
    )
}

fn software_check(_: &RiscvRuleInput<'_>) -> Answer {
    answer(
        "control-flow integrity is on (Zicfilp: landing pad missing; Zicfiss: shadow stack differs) and an indirect jump \
         or a return broke its rules",
        "switch it off before code that was not built for it runs",
    )
}

fn hardware_error(_: &RiscvRuleInput<'_>) -> Answer {
    answer(
        "the hardware reported an error (memory, bus or cache), the program is not at fault",
        "see the firmware's and the board's own log for the part to replace",
    )
}

fn virtual_instruction(_: &RiscvRuleInput<'_>) -> Answer {
    answer(
        "an instruction that a virtual machine must not execute itself (virtual instruction): its hypervisor is meant to \
         emulate it",
        "see the instruction at sepc: a CSR or fence of the hypervisor, or one that hstatus traps",
    )
}

fn interrupt(input: &RiscvRuleInput<'_>) -> Answer {
    let cause = DecodedCause::new(input.dump.scause?);
    let who = match cause.code {
        1..=3 => "another hart sent it (IPI)",
        5..=7 => "the timer of the old kernel expired",
        9..=12 => "a device of the old kernel is still active",
        13 => "a performance counter of the old kernel overflowed",
        _ => "nothing in the specification has this number",
    };
    answer(
        format!(
            "an unexpected interrupt ({}): {who}, and sstatus.SIE and sie let it through",
            cause.name
        ),
        "the handoff clears both; interrupts must stay off until the new kernel has set stvec",
    )
}

fn reserved(input: &RiscvRuleInput<'_>) -> Answer {
    let code = input.dump.scause?;
    let custom = matches!(code, 24..=31 | 48..=63);
    let (what, advice) = if custom {
        ("the CPU's designer defines", "see the CPU's manual")
    } else {
        (
            "the specification reserves",
            "a newer extension than this mbtool knows, or a damaged dump",
        )
    };
    answer(format!("cause {code}, which {what}"), advice)
}
