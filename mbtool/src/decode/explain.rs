//! Explains a dump: a table of rules, specific ones first.

use super::found::DumpSource;
use super::rules::{Answer, Rule, RuleInput, answer, guard, states, vectors};
use handoff::abi::{PHASE_ENTRY, PHASE_TARGET};
use handoff::dump::Mode;
use serde::Serialize;
use x86_64::registers::control::Cr0Flags;

/// A conclusion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Name of the rule.
    pub rule: &'static str,
    /// Cause.
    pub meaning: String,
    /// Advice.
    pub advice: String,
}

/// Rules about the situation; all that apply are reported.
const SITUATIONS: &[Rule] = &[
    ("triple-fault", states::triple_fault),
    ("kvm", states::kvm),
    ("halted", states::halted),
    ("frame-lost", frame_lost),
    ("drill", drill),
    ("guard", guard),
    ("xen-trampoline", xen_trampoline),
    ("handoff-bug", handoff_bug),
    ("linux-gate", linux_gate),
    ("linux-kexec", linux_kexec),
    ("jump-to-null", jump_to_null),
    ("jump-to-nowhere", jump_to_nowhere),
    ("before-own-idt", before_own_idt),
];

/// Explains a dump: the situation, then the vector.
#[must_use]
pub fn explain(input: &RuleInput<'_>) -> Vec<Explanation> {
    let ask = |(rule, ask): &Rule| {
        let (meaning, advice) = ask(input)?;
        Some(Explanation {
            rule,
            meaning,
            advice,
        })
    };
    let vector = vectors::rules(input.dump().vector);
    SITUATIONS
        .iter()
        .filter_map(ask)
        .chain(vector.iter().filter_map(ask).take(1))
        .collect()
}

/// In 32-bit mode the CPU pushes its frame to the interrupted stack.
fn frame_lost(input: &RuleInput<'_>) -> Answer {
    if !input.dump().frame_lost {
        return None;
    }
    let esp = input.dump().gpr[4]?;
    answer(
        format!(
            "the stack is not in memory: esp is {}; so where it happened is not known",
            input.name(esp)
        ),
        "the other registers are good; find the code that set esp, or that unmapped its memory",
    )
}

fn drill(input: &RuleInput<'_>) -> Answer {
    if !input.found.log.drill || !input.in_segment("handoff") || !input.stops_itself() {
        return None;
    }
    answer(
        "this failure was asked for with --drill: the handoff's dump reaches this console",
        "load again without --drill",
    )
}

/// Xen's 32-bit boot code reads the address of its trampoline from the BIOS
/// data area; zeros there result in 0xffff0000.
fn xen_trampoline(input: &RuleInput<'_>) -> Answer {
    let dump = input.dump();
    let xen = input.in_segment("xen")
        || input
            .symbol
            .as_ref()
            .is_some_and(|symbol| symbol.file.contains("xen"));
    if !xen || dump.mode != Some(Mode::Protected) {
        return None;
    }
    let high = |value: &u64| (0xffff_0000..0xffff_ffc0).contains(value);
    let registers = dump.gpr[..8].iter().flatten();
    let used = input.accesses.iter().map(|access| access.addr).find(high);
    let value = used.or_else(|| registers.copied().find(high))?;
    answer(
        format!(
            "Xen's boot code works with {value:#x}: it put its trampoline at 0xffff0000, which is what zeroes in the \
             BIOS data area (words at 0x40e and 0x413) make of it, and reads back firmware instead of what it wrote"
        ),
        "a UEFI machine has no BIOS data area: let mbtool make one (it does so by default; `mbtool plan` shows \
         `xen_low_memory` and `fixups`), and do not pass --drill no-low-memory-fix",
    )
}

fn handoff_bug(input: &RuleInput<'_>) -> Answer {
    let dump = input.dump();
    if input.found.source != DumpSource::Handoff || drill(input).is_some() {
        return None;
    }
    if dump.phase? < PHASE_TARGET || input.in_segment("handoff") {
        let extra = if dump.phase == Some(PHASE_ENTRY) {
            "; it was still on the old kernel's page tables"
        } else {
            ""
        };
        return answer(
            format!(
                "the fault is in the handoff's own time, before the image ran: a bug in mbtool{extra}"
            ),
            "report it with this output, the whole log and `mbtool plan --json`",
        );
    }
    None
}

/// Linux's IDT has 16 gates: a vector without one becomes #GP.
fn linux_gate(input: &RuleInput<'_>) -> Answer {
    let code = input.dump().error??;
    if input.found.source != DumpSource::Linux || input.dump().vector != Some(13) || code & 2 == 0 {
        return None;
    }
    let vector = (code >> 3 & 0xff) as u8;
    answer(
        format!(
            "this is really vector {vector} ({}): Linux's table ends at 15, so the CPU reports #GP for that gate",
            vectors::name(vector)
        ),
        "read it as that exception; its own error code is lost",
    )
}

/// Linux's IDT stays active after its jump.
fn linux_kexec(input: &RuleInput<'_>) -> Answer {
    if input.found.source != DumpSource::Linux {
        return None;
    }
    answer(
        "Linux's own code between the kernels caught it: either it failed while it put the segments in place, or what \
         it started failed before it had an IDT of its own",
        "compare rip with the entry point and the segments of the load (--plan); with mbtool, the handoff's banner \
         tells whether it was reached",
    )
}

fn jump_to_null(input: &RuleInput<'_>) -> Answer {
    if input.dump().rip? >= 0x1000 {
        return None;
    }
    answer(
        "the program jumped to address 0 or close to it: a call through a null pointer, or a return on an empty stack",
        "the stack may still hold the caller's return address",
    )
}

fn jump_to_nowhere(input: &RuleInput<'_>) -> Answer {
    let rip = input.dump().rip?;
    let lost = match &input.place {
        Some(place) => !place.segment,
        None => input.map.is_known() && input.dump().mode == Some(Mode::Protected),
    };
    if rip < 0x1000 || !lost || input.in_code {
        return None;
    }
    answer(
        format!("rip is {}: not code that was loaded", input.name(rip)),
        "a wild jump or an overwritten return address: look at the stack, and at code that could have overwritten it; if \
         the program moved itself, give its address with --symbols FILE@ADDR",
    )
}

fn before_own_idt(input: &RuleInput<'_>) -> Answer {
    let dump = input.dump();
    if input.found.source != DumpSource::Handoff
        || !input.in_target()
        || dump.dr6.is_some_and(|dr6| dr6 & 3 != 0)
    {
        return None;
    }
    let paging = dump.cr[0].is_some_and(|cr0| cr0 & Cr0Flags::PAGING.bits() != 0);
    let how = match (dump.mode, paging) {
        (Some(Mode::Protected), false) => ", in 32-bit mode with paging off",
        (Some(Mode::Protected), true) => ", in 32-bit mode with its own page tables",
        _ => "",
    };
    answer(
        format!("the image itself failed, before it loaded an IDT of its own{how}"),
        "the handoff does not run any more at this point: give the image's symbols to find the location",
    )
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
