//! What a dump means, in sentences: a table of rules, the special ones first.

use super::bits::CR0_PG;
use super::disasm::Access;
use super::places::{Place, Places};
use super::scan::{Found, Source};
use super::symbols::Symbol;
use handoff::abi::{PHASE_ENTRY, PHASE_TARGET};
use handoff::dump::Mode;
use handoff::dump::read::Dump;
use iced_x86::{Instruction, Mnemonic};
use serde::Serialize;

/// A conclusion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Name of the rule.
    pub rule: &'static str,
    /// What happened.
    pub meaning: String,
    /// What to do.
    pub advice: String,
}

/// What the rules look at.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The dump.
    pub found: &'a Found,
    /// What is where.
    pub places: &'a Places,
    /// Where rip is.
    pub place: Option<Place>,
    /// What rip is.
    pub symbol: Option<Symbol>,
    /// The instruction at rip.
    pub instruction: Option<Instruction>,
    /// The memory that it uses.
    pub accesses: Vec<Access>,
    /// True if rip is in code of a symbol file.
    pub in_code: bool,
}

impl Facts<'_> {
    pub(super) const fn dump(&self) -> &Dump {
        &self.found.dump
    }

    fn in_segment(&self, name: &str) -> bool {
        self.place
            .as_ref()
            .is_some_and(|place| place.segment && place.name.starts_with(name))
    }

    fn in_target(&self) -> bool {
        self.dump().phase.is_some_and(|phase| phase >= PHASE_TARGET) && !self.in_segment("handoff")
    }

    /// Where `addr` is, for a sentence.
    pub(super) fn name(&self, addr: u64) -> String {
        match self.places.at(addr) {
            Some(place) => format!("{addr:#x} ({})", place.name),
            None if self.places.is_known() => format!("{addr:#x} (nothing that was loaded)"),
            None => format!("{addr:#x}"),
        }
    }

    /// True at `ud2` and its like.
    pub(super) fn stops_itself(&self) -> bool {
        self.instruction
            .is_some_and(|i| matches!(i.mnemonic(), Mnemonic::Ud0 | Mnemonic::Ud1 | Mnemonic::Ud2))
    }
}

/// Meaning and advice, of a rule that fits.
pub(super) type Answer = Option<(String, String)>;
/// A rule and its name.
pub(super) type Rule = (&'static str, fn(&Facts<'_>) -> Answer);

/// Rules about the situation; every one that fits is told.
const SITUATIONS: &[Rule] = &[
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
pub fn explain(facts: &Facts<'_>) -> Vec<Explanation> {
    let ask = |(rule, ask): &Rule| {
        let (meaning, advice) = ask(facts)?;
        Some(Explanation {
            rule,
            meaning,
            advice,
        })
    };
    let vector = super::vectors::rules(facts.dump().vector);
    SITUATIONS
        .iter()
        .filter_map(ask)
        .chain(vector.iter().filter_map(ask).take(1))
        .collect()
}

/// A rule fits.
pub(super) fn answer(meaning: impl Into<String>, advice: impl Into<String>) -> Answer {
    Some((meaning.into(), advice.into()))
}

/// In 32-bit mode the CPU pushes its frame on the interrupted stack.
fn frame_lost(facts: &Facts<'_>) -> Answer {
    if !is_frame_lost(facts.dump()) {
        return None;
    }
    let esp = facts.dump().gpr[4]?;
    answer(
        format!(
            "the stack is not in memory: esp is {}; so where it happened is not known",
            facts.name(esp)
        ),
        "the other registers are good; find out who set esp, or what turned its memory off",
    )
}

/// True if the dump says that rip, flags, cs and error code are not known.
#[must_use]
pub fn is_frame_lost(dump: &Dump) -> bool {
    dump.more.iter().any(|line| line.starts_with("frame lost"))
}

fn drill(facts: &Facts<'_>) -> Answer {
    if !facts.found.log.drill || !facts.in_segment("handoff") || !facts.stops_itself() {
        return None;
    }
    answer(
        "this failure was asked for with --drill: the handoff's dump reaches this console",
        "load again without --drill",
    )
}

/// A watchpoint of the handoff's own.
pub(super) fn guard(facts: &Facts<'_>) -> Answer {
    let dump = facts.dump();
    let hit = dump.dr6? & 3;
    if dump.vector != Some(1) || hit == 0 || dump.phase != Some(PHASE_TARGET) {
        return None;
    }
    let which = usize::from(hit & 1 == 0);
    let addr = facts.found.log.guard.map_or_else(
        || ["the handoff's first word", "the handoff's last word"][which].to_owned(),
        |watched| {
            format!(
                "{:#x}, the handoff's {} word",
                watched[which],
                ["first", "last"][which]
            )
        },
    );
    answer(
        format!(
            "a watchpoint of --guard: the image wrote to {addr}; the instruction before rip did it, far outside \
             what it owns"
        ),
        "look at the loop or copy around rip: where did its address and its length come from?",
    )
}

/// Xen's 32-bit boot code takes the place of its trampoline from the BIOS data
/// area; zeroes there give 0xffff0000.
fn xen_trampoline(facts: &Facts<'_>) -> Answer {
    let dump = facts.dump();
    let xen = facts.in_segment("xen")
        || facts
            .symbol
            .as_ref()
            .is_some_and(|symbol| symbol.file.contains("xen"));
    if !xen || dump.mode != Some(Mode::Protected) {
        return None;
    }
    let high = |value: &u64| (0xffff_0000..0xffff_ffc0).contains(value);
    let registers = dump.gpr[..8].iter().flatten();
    let used = facts.accesses.iter().map(|access| access.addr).find(high);
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

fn handoff_bug(facts: &Facts<'_>) -> Answer {
    let dump = facts.dump();
    if facts.found.source != Source::Handoff || drill(facts).is_some() {
        return None;
    }
    if dump.phase? < PHASE_TARGET || facts.in_segment("handoff") {
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
fn linux_gate(facts: &Facts<'_>) -> Answer {
    let code = facts.dump().error??;
    if facts.found.source != Source::Linux || facts.dump().vector != Some(13) || code & 2 == 0 {
        return None;
    }
    let vector = (code >> 3 & 0xff) as u8;
    answer(
        format!(
            "this is really vector {vector} ({}): Linux's table ends at 15, so the CPU reports #GP for that gate",
            super::vectors::name(vector)
        ),
        "read it as that exception; its own error code is lost",
    )
}

/// Linux leaves its table behind when it jumps.
fn linux_kexec(facts: &Facts<'_>) -> Answer {
    if facts.found.source != Source::Linux {
        return None;
    }
    answer(
        "Linux's own code between the kernels caught it: either it failed while it put the segments in place, or what \
         it started failed before it had an IDT of its own",
        "compare rip with the entry point and the segments of the load (--plan); with mbtool, the handoff's banner \
         tells whether it was reached",
    )
}

fn jump_to_null(facts: &Facts<'_>) -> Answer {
    if facts.dump().rip? >= 0x1000 {
        return None;
    }
    answer(
        "the program jumped to address 0 or close to it: a call through a null pointer, or a return on an empty stack",
        "the stack may still hold the caller's return address",
    )
}

fn jump_to_nowhere(facts: &Facts<'_>) -> Answer {
    let rip = facts.dump().rip?;
    let lost = match &facts.place {
        Some(place) => !place.segment,
        None => facts.places.is_known() && facts.dump().mode == Some(Mode::Protected),
    };
    if rip < 0x1000 || !lost || facts.in_code {
        return None;
    }
    answer(
        format!("rip is {}: not code that was loaded", facts.name(rip)),
        "a wild jump or an overwritten return address: look at the stack, and at who could have overwritten it; if \
         the program moved itself, give its address with --symbols FILE@ADDR",
    )
}

fn before_own_idt(facts: &Facts<'_>) -> Answer {
    let dump = facts.dump();
    if facts.found.source != Source::Handoff
        || !facts.in_target()
        || dump.dr6.is_some_and(|dr6| dr6 & 3 != 0)
    {
        return None;
    }
    let paging = dump.cr[0].is_some_and(|cr0| cr0 & CR0_PG != 0);
    let how = match (dump.mode, paging) {
        (Some(Mode::Protected), false) => ", in 32-bit mode with paging off",
        (Some(Mode::Protected), true) => ", in 32-bit mode with its own page tables",
        _ => "",
    };
    answer(
        format!("the image itself failed, before it loaded an IDT of its own{how}"),
        "nothing of the handoff runs any more at this point: give the image's symbols to see where it is",
    )
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
