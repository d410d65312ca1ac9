//! Explains a dump: the situation, then the cause.

use super::abort::Abort;
use super::causes;
use super::disasm::Arm64Instruction;
use super::handoff_rules;
use super::syndrome::{has_address, is_interrupt};
use crate::decode::address_map::{AddressMap, MappedPlace};
use crate::decode::explain::Explanation;
use crate::decode::found::{DumpSource, FoundDump};
use crate::decode::rules::{Answer, answer};
use handoff::abi::{PHASE_RELOCATE, PHASE_TARGET};
use handoff::arch::arm64::dump::read::Arm64Dump;
use handoff::arch::arm64::registers::SCTLR_M;
use handoff::arch::arm64::syndrome::class;

/// Addresses below this one are offsets from a null pointer.
const NULL_PAGE: u64 = 0x1000;
/// Physical addresses have at most this number of bits (LPA2).
const PHYSICAL_BITS: u32 = 52;

/// Input of the rules.
#[derive(Debug)]
pub struct Arm64RuleInput<'a> {
    /// The dump and what was found with it.
    pub found: &'a FoundDump,
    /// The CPU's state.
    pub dump: &'a Arm64Dump,
    /// Locations of segments.
    pub map: &'a AddressMap,
    /// Location of `ELR`.
    pub place: Option<MappedPlace>,
    /// Instruction at `ELR`.
    pub instruction: Option<Arm64Instruction>,
    /// True if `ELR` is in code of a symbol file.
    pub in_code: bool,
}

/// A rule and its name.
pub(super) type Arm64Rule = (&'static str, fn(&Arm64RuleInput<'_>) -> Answer);

/// Rules about the situation; all that apply are reported.
const SITUATIONS: &[Arm64Rule] = &[
    ("drill", handoff_rules::drill),
    ("segment-memory", handoff_rules::segment_memory),
    ("handoff-text", handoff_rules::handoff_text),
    ("handoff-tables", handoff_rules::handoff_tables),
    ("handoff-bug", handoff_rules::handoff_bug),
    ("jump-to-null", jump_to_null),
    ("jump-to-nowhere", jump_to_nowhere),
    ("before-own-vectors", before_own_vectors),
];

/// Explains a dump.
#[must_use]
pub fn explain(input: &Arm64RuleInput<'_>) -> Vec<Explanation> {
    let ask = |(rule, ask): &Arm64Rule| {
        let (meaning, advice) = ask(input)?;
        Some(Explanation {
            rule,
            meaning,
            advice,
        })
    };
    let cause = causes::rules(input.class(), input.dump.vector);
    SITUATIONS
        .iter()
        .filter_map(ask)
        .chain(cause.iter().filter_map(ask).take(1))
        .collect()
}

impl Arm64RuleInput<'_> {
    /// Formats `addr` with its location, for a sentence.
    pub(super) fn name(&self, addr: u64) -> String {
        match self.map.at(addr) {
            Some(place) => format!("{addr:#x} ({})", place.name),
            None if self.knows_segments() => format!("{addr:#x} (nothing that was loaded)"),
            None => format!("{addr:#x}"),
        }
    }

    /// True if more than the handoff is known: without verification and without a plan nothing names the segments.
    fn knows_segments(&self) -> bool {
        let mut segments = self.map.segments.iter();
        segments.any(|(name, _)| name != "handoff")
    }

    /// The exception class; `None` for an interrupt, which has none.
    pub(super) fn class(&self) -> Option<u32> {
        let esr = self.dump.esr?;
        (!is_interrupt(self.dump.vector)).then(|| class(esr))
    }

    /// The fields of an abort.
    pub(super) fn abort(&self) -> Option<Abort> {
        self.class()?;
        Abort::of(self.dump.esr?)
    }

    /// The address of the access, if `FAR` has it.
    #[must_use]
    pub fn address(&self) -> Option<u64> {
        self.class()?;
        self.dump
            .far
            .filter(|_| self.dump.esr.is_some_and(has_address))
    }

    /// True with address translation off, as far as known.
    pub(super) fn is_untranslated(&self) -> bool {
        self.dump.sctlr.is_some_and(|sctlr| sctlr & SCTLR_M == 0)
    }

    pub(super) fn in_handoff(&self) -> bool {
        self.place
            .as_ref()
            .is_some_and(|place| place.segment && place.name == "handoff")
    }

    /// The phase, if it is one before the target, or the code is the handoff's.
    pub(super) fn own_phase(&self) -> Option<u32> {
        let phase = self.dump.phase?;
        // numbers above that of the target that are before it
        let before = phase < PHASE_TARGET || phase == PHASE_RELOCATE;
        (self.found.source == DumpSource::Handoff && (before || self.in_handoff())).then_some(phase)
    }
}

/// True for an offset from a null pointer.
pub(super) const fn is_null(addr: u64) -> bool {
    addr < NULL_PAGE
}

/// True for an address that cannot be a physical one.
pub(super) const fn is_virtual(addr: u64) -> bool {
    addr >> PHYSICAL_BITS != 0
}

fn jump_to_null(input: &Arm64RuleInput<'_>) -> Answer {
    if !is_null(input.dump.elr?) {
        return None;
    }
    answer(
        "the program jumped to address 0 or close to it: a call through a null pointer, or a return with an x30 of zero",
        "see x30; the stack may still hold the caller's return address",
    )
}

fn jump_to_nowhere(input: &Arm64RuleInput<'_>) -> Answer {
    let elr = input.dump.elr?;
    let known = input.found.source == DumpSource::Handoff
        && input.is_untranslated()
        && input.knows_segments();
    let outside = input.place.as_ref().is_none_or(|place| !place.segment);
    if is_null(elr) || !known || !outside || input.in_code || input.own_phase().is_some() {
        return None;
    }
    answer(
        format!("elr is {}: not code that was loaded", input.name(elr)),
        "a wild jump or an overwritten return address: see x30 and the stack; if the program moved itself, give its address \
         with --symbols FILE@ADDR",
    )
}

fn before_own_vectors(input: &Arm64RuleInput<'_>) -> Answer {
    let phase = input.dump.phase?;
    if input.found.source != DumpSource::Handoff || phase != PHASE_TARGET || input.in_handoff() {
        return None;
    }
    let how = match input.dump.sctlr {
        Some(sctlr) if sctlr & SCTLR_M != 0 => ", with its own page tables",
        Some(_) => ", with translation off",
        None => "",
    };
    let advice = "the handoff does not run any more at this point: give the image's symbols to find the location";
    answer(
        format!("the image itself failed, before it set VBAR{how}"),
        match input.address() {
            Some(_) => format!("{advice}, and compare far with the image's segments"),
            None => advice.to_owned(),
        },
    )
}
