//! Rules about exceptions, by vector.
//!
//! - [`vectors`]: the rules of each vector;
//! - `exceptions`: rules that depend on the instruction, the error code and the
//!   registers;
//! - `states`: rules about what an emulator or a hypervisor shows of a CPU.
//!
//! A rule is a function of [`RuleInput`]. `super::explain` applies them.

mod exceptions;
pub(super) mod states;
pub mod vectors;

use super::address_map::{AddressMap, MappedPlace};
use super::disasm::Access;
use super::found::FoundDump;
use super::symbols::Symbol;
use handoff::abi::PHASE_TARGET;
use handoff::dump::read::Dump;
use iced_x86::{Instruction, Mnemonic};

/// Input of the rules.
#[derive(Debug)]
pub struct RuleInput<'a> {
    /// The dump and what was found with it.
    pub found: &'a FoundDump,
    /// The CPU's state.
    pub dump: &'a Dump,
    /// Locations of segments.
    pub map: &'a AddressMap,
    /// Location of rip.
    pub place: Option<MappedPlace>,
    /// Symbol of rip.
    pub symbol: Option<Symbol>,
    /// Instruction at rip.
    pub instruction: Option<Instruction>,
    /// Its memory accesses.
    pub accesses: Vec<Access>,
    /// True if rip is in code of a symbol file.
    pub in_code: bool,
}

impl RuleInput<'_> {
    pub(super) const fn dump(&self) -> &Dump {
        self.dump
    }

    pub(super) fn in_segment(&self, name: &str) -> bool {
        self.place
            .as_ref()
            .is_some_and(|place| place.segment && place.name.starts_with(name))
    }

    pub(super) fn in_target(&self) -> bool {
        self.dump().phase.is_some_and(|phase| phase >= PHASE_TARGET) && !self.in_segment("handoff")
    }

    /// Formats `addr` with its location, for a sentence.
    pub(super) fn name(&self, addr: u64) -> String {
        match self.map.at(addr) {
            Some(place) => format!("{addr:#x} ({})", place.name),
            None if self.map.is_known() => format!("{addr:#x} (nothing that was loaded)"),
            None => format!("{addr:#x}"),
        }
    }

    /// True at `ud2` and similar instructions.
    pub(super) fn stops_itself(&self) -> bool {
        self.instruction
            .is_some_and(|i| matches!(i.mnemonic(), Mnemonic::Ud0 | Mnemonic::Ud1 | Mnemonic::Ud2))
    }
}

/// Meaning and advice of a rule that applies.
pub(crate) type Answer = Option<(String, String)>;
/// A rule and its name.
pub(super) type Rule = (&'static str, fn(&RuleInput<'_>) -> Answer);

/// Watchpoint of `--guard`.
pub(super) fn guard(input: &RuleInput<'_>) -> Answer {
    let dump = input.dump();
    let hit = dump.dr6? & 3;
    if dump.vector != Some(1) || hit == 0 || dump.phase != Some(PHASE_TARGET) {
        return None;
    }
    let which = usize::from(hit & 1 == 0);
    let addr = input.found.log.guard.map_or_else(
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

/// Makes an answer.
pub(crate) fn answer(meaning: impl Into<String>, advice: impl Into<String>) -> Answer {
    Some((meaning.into(), advice.into()))
}
