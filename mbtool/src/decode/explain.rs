//! What a dump means, in sentences: a table of rules, the special ones first.

use super::bits::{self, CR0_EM_TS, CR0_PG, CR4_OSFXSR, CR4_OSXSAVE};
use super::disasm::{self, Access};
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
    const fn dump(&self) -> &Dump {
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
    fn name(&self, addr: u64) -> String {
        match self.places.at(addr) {
            Some(place) => format!("{addr:#x} ({})", place.name),
            None if self.places.is_known() => format!("{addr:#x} (nothing that was loaded)"),
            None => format!("{addr:#x}"),
        }
    }

    fn stops_itself(&self) -> bool {
        self.instruction
            .is_some_and(|i| matches!(i.mnemonic(), Mnemonic::Ud0 | Mnemonic::Ud1 | Mnemonic::Ud2))
    }
}

type Answer = Option<(String, String)>;
/// A rule.
type Rule = (&'static str, fn(&Facts<'_>) -> Answer);

/// Rules about the situation; every one that fits is told.
const SITUATIONS: &[Rule] = &[
    ("drill", drill),
    ("guard", guard),
    ("xen-trampoline", xen_trampoline),
    ("handoff-bug", handoff_bug),
    ("linux-gate", linux_gate),
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

fn answer(meaning: impl Into<String>, advice: impl Into<String>) -> Answer {
    Some((meaning.into(), advice.into()))
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

fn guard(facts: &Facts<'_>) -> Answer {
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

/// Rules of one vector; the first that fits is told.
pub(super) mod by_vector {
    use super::*;

    /// A watchpoint of the handoff's own.
    pub(in super::super) fn guarded(facts: &Facts<'_>) -> bool {
        guard(facts).is_some()
    }

    pub(in super::super) fn ud2(facts: &Facts<'_>) -> Answer {
        if !facts.stops_itself() {
            return None;
        }
        answer(
            "the program stopped itself (ud2): an assertion, BUG() or a path that must not be reached",
            "look at the condition before this place in its source",
        )
    }

    pub(in super::super) fn sse_off(facts: &Facts<'_>) -> Answer {
        let instruction = facts.instruction?;
        let dump = facts.dump();
        if !disasm::needs_sse(&instruction) {
            return None;
        }
        let (cr0, cr4) = (dump.cr[0]?, dump.cr[3]?);
        let avx = format!("{:?}", instruction.cpuid_features()).contains("AVX");
        let off = match () {
            () if cr0 & 4 != 0 => "CR0.EM is set",
            () if cr4 & CR4_OSFXSR == 0 => "CR4.OSFXSR is 0",
            () if avx && cr4 & CR4_OSXSAVE == 0 => "CR4.OSXSAVE is 0",
            () => return None,
        };
        answer(
            format!(
                "an SSE or AVX instruction while {off}: these units are switched off at this point"
            ),
            "build early code without them (-mno-sse -mno-avx), or switch them on first",
        )
    }

    pub(in super::super) fn undefined(facts: &Facts<'_>) -> Answer {
        let bytes = match &facts.instruction {
            Some(_) => "the bytes at rip are an instruction that this CPU or mode does not have",
            None => "the bytes at rip are no instruction: the program runs through data",
        };
        answer(
            bytes,
            "compare them with the file; if they differ, something overwrote the code, else look how it got here",
        )
    }

    pub(in super::super) fn gp_selector(facts: &Facts<'_>) -> Answer {
        let code = facts.dump().error?? & 0xffff_ffff;
        if code == 0 {
            return None;
        }
        let parts = bits::error_code(13, code).join(", ");
        answer(
            format!("a segment or gate that cannot be used: {parts}"),
            "the GDT or IDT in use is not the one that the code expects: was it overwritten, or not loaded yet?",
        )
    }

    pub(in super::super) fn gp_canonical(facts: &Facts<'_>) -> Answer {
        let bad = |addr: u64| {
            facts.dump().mode == Some(Mode::Long) && !(-1..=0).contains(&(addr as i64 >> 47))
        };
        let access = facts.accesses.iter().find(|access| bad(access.addr))?;
        answer(
            format!(
                "{:#x} is no address: bits 48 to 63 differ from bit 47",
                access.addr
            ),
            "a pointer that was overwritten or never set; see which register it came from",
        )
    }

    pub(in super::super) fn gp_msr(facts: &Facts<'_>) -> Answer {
        let instruction = facts.instruction?;
        if !matches!(instruction.mnemonic(), Mnemonic::Rdmsr | Mnemonic::Wrmsr) {
            return None;
        }
        let msr = facts.dump().gpr[1]? & 0xffff_ffff;
        answer(
            format!(
                "model specific register {msr:#x} does not exist on this CPU, or does not take that value"
            ),
            "a hypervisor or another CPU model: check CPUID before the access",
        )
    }

    pub(in super::super) fn gp(_: &Facts<'_>) -> Answer {
        answer(
            "a privileged or forbidden operation: a bad value for a control register, a misaligned SSE operand, a \
             port or instruction that is not allowed",
            "look at the instruction at rip and at its operands",
        )
    }

    pub(in super::super) fn page_fault(facts: &Facts<'_>) -> Answer {
        let dump = facts.dump();
        let code = dump.error??;
        let cr2 = dump.cr[1]?;
        let at = facts.name(cr2);
        if code & bits::PF_RESERVED != 0 {
            return answer(
                format!(
                    "a page table entry on the way to {at} has a reserved bit set: damaged page tables"
                ),
                "something overwrote the tables at cr3, or NX is used without EFER.NXE",
            );
        }
        if code & bits::PF_FETCH != 0 {
            let what = if code & bits::PF_PRESENT == 0 {
                "not mapped"
            } else {
                "not executable (NX)"
            };
            return answer(
                format!("the program jumped to {at}, which is {what}"),
                "a wild jump, or code where only data was expected; the stack may hold the caller",
            );
        }
        let verb = if code & bits::PF_WRITE != 0 {
            "write to"
        } else {
            "read of"
        };
        if code & bits::PF_PRESENT != 0 {
            return answer(
                format!(
                    "a {verb} {at} that its page does not allow: read-only, or user and supervisor mixed"
                ),
                "a write into code or constants, or a missing permission in the page tables",
            );
        }
        if cr2 < 0x1000 {
            return answer(
                format!("a {verb} {cr2:#x}: a null pointer, with the offset of a field"),
                "see which register is zero at rip",
            );
        }
        answer(
            format!("a {verb} {at}, which is not mapped"),
            "a wild pointer, or memory that these page tables leave out (devices, memory above 4 GiB)",
        )
    }

    pub(in super::super) fn no_unit(facts: &Facts<'_>) -> Answer {
        let cr0 = facts.dump().cr[0]?;
        answer(
            format!(
                "floating point or SSE while CR0 has {}",
                bits::of("cr0", cr0 & CR0_EM_TS)?.join(" and ")
            ),
            "build early code without floating point, or clear EM and TS first",
        )
    }
}
