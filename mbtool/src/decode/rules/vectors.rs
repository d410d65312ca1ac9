//! Rules of each vector.

use super::exceptions;
use super::{Answer, Rule, RuleInput, guard};
use handoff::dump::vector_name;
use x86_64::registers::debug::Dr6Flags;

/// Returns the name of a vector.
#[must_use]
pub fn name(vector: u8) -> &'static str {
    str::from_utf8(vector_name(vector)).unwrap_or("?")
}

/// Returns the rules of a vector, specific ones first.
pub(crate) fn rules(vector: Option<u8>) -> &'static [Rule] {
    match vector {
        Some(0) => &[("divide", divide)],
        Some(1) => &[("debug", debug)],
        Some(2) => &[("nmi", nmi)],
        Some(3) => &[("breakpoint", breakpoint)],
        Some(6) => &[
            ("ud2", exceptions::ud2),
            ("sse-off", exceptions::sse_off),
            ("undefined-opcode", exceptions::undefined),
        ],
        Some(7) => &[("no-unit", exceptions::no_unit)],
        Some(8) => &[("double-fault", double_fault)],
        Some(10..=12) => &[("selector", exceptions::gp_selector), ("segment", segment)],
        Some(13) => &[
            ("selector", exceptions::gp_selector),
            ("non-canonical", exceptions::gp_canonical),
            ("msr", exceptions::gp_msr),
            ("general-protection", exceptions::gp),
        ],
        Some(14) => &[("page-fault", exceptions::page_fault)],
        Some(17) => &[("alignment", alignment)],
        Some(18) => &[("machine-check", machine_check)],
        Some(21) => &[("control-protection", control)],
        Some(32..) => &[("interrupt", interrupt)],
        _ => &[],
    }
}

fn answer(meaning: &str, advice: &str) -> Answer {
    Some((meaning.to_owned(), advice.to_owned()))
}

fn divide(_: &RuleInput<'_>) -> Answer {
    answer(
        "a division by zero, or a quotient that does not fit",
        "see the divisor at rip",
    )
}

fn debug(input: &RuleInput<'_>) -> Answer {
    if guard(input).is_some() {
        return None;
    }
    match Dr6Flags::from_bits_retain(input.dump().dr6?) {
        dr6 if dr6.intersects(Dr6Flags::TRAP) => answer(
            "a watchpoint or breakpoint of the debug registers",
            "rip is behind the instruction that hit a data watchpoint",
        ),
        dr6 if dr6.contains(Dr6Flags::STEP) => answer(
            "single step: the trap flag was set",
            "code loaded flags with the trap flag set",
        ),
        _ => answer(
            "int1, or a debug exception without a reason in DR6",
            "the program runs through data, or a debugger was there",
        ),
    }
}

fn nmi(_: &RuleInput<'_>) -> Answer {
    answer(
        "a non-maskable interrupt, not a fault of the program: a watchdog, a button, a memory error",
        "see the machine's event log (BMC), and whether a watchdog of the old kernel still runs",
    )
}

fn breakpoint(_: &RuleInput<'_>) -> Answer {
    answer(
        "a breakpoint (int3), which is dumped and resumed",
        "nothing is wrong if you set it; 0xcc also fills the space between functions",
    )
}

fn double_fault(_: &RuleInput<'_>) -> Answer {
    answer(
        "a second exception while the first was delivered: mostly a stack that is not mapped, or a damaged IDT, GDT \
         or TSS",
        "see whether rsp is in memory that is mapped and belongs to this program",
    )
}

fn segment(_: &RuleInput<'_>) -> Answer {
    answer(
        "a stack access outside its segment, or a task switch that failed",
        "see rsp and ss",
    )
}

fn alignment(_: &RuleInput<'_>) -> Answer {
    answer(
        "a misaligned access with alignment checks on (CR0.AM, RFLAGS.AC)",
        "the flags were loaded from memory with other contents",
    )
}

fn machine_check(input: &RuleInput<'_>) -> Answer {
    let banks = crate::decode::mca::describe(&input.dump().more).join("; ");
    let banks = if banks.is_empty() {
        "no bank of this CPU holds an error: a broadcast from another CPU, or one that was injected"
            .to_owned()
    } else {
        banks
    };
    answer(
        &format!("the hardware reported an error, the program is not at fault: {banks}"),
        "see the machine's event log (BMC) for the part to replace",
    )
}

fn control(_: &RuleInput<'_>) -> Answer {
    answer(
        "control-flow enforcement is on (CR4.CET) and a return or an indirect jump broke its rules",
        "switch CET off before code that was not built for it runs",
    )
}

fn interrupt(_: &RuleInput<'_>) -> Answer {
    answer(
        "an unexpected interrupt: the interrupt flag was set before the interrupt controllers were set up",
        "interrupts must stay off until the new kernel has its own IDT; a device of the old kernel may still be active",
    )
}
