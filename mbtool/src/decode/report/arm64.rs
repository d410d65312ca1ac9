//! A dump of arm64.

use super::{DecodedDump, FileCode, NamedAddress, calls, differing_code, file_code, integrity};
use super::{locate, phase_text};
use crate::arch::Architecture;
use crate::decode::address_map::AddressMap;
use crate::decode::arm64::disasm::{self, Arm64Instruction};
use crate::decode::arm64::entry::regime_name;
use crate::decode::arm64::explain::{Arm64RuleInput, explain};
use crate::decode::arm64::registers::{missing, named_bits, registers};
use crate::decode::arm64::{DecodedArm64Entry, DecodedException, DecodedSyndrome};
use crate::decode::found::FoundDump;
use crate::decode::stack;
use crate::decode::symbolizer::Symbolizer;
use handoff::arch::arm64::dump::read::Arm64Dump;
use handoff::arch::arm64::registers::SCTLR_M;
use serde::Serialize;

/// Bytes of a word of the stack.
const WORD: u64 = 8;

/// What only a dump of arm64 has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecodedArm64 {
    /// Class and rest of `ESR`; null for an interrupt, which has none.
    pub syndrome: Option<DecodedSyndrome>,
    /// The vector that was taken; null if it is not printed.
    pub exception: Option<DecodedException>,
    /// "el1", "el2" or "el2-e2h".
    pub level: Option<&'static str>,
    /// Address translation is on (`SCTLR.M`).
    pub translation: Option<bool>,
    /// `MPIDR_EL1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// State at the handoff's entry, as the log has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<DecodedArm64Entry>,
}

/// Decodes one dump; `notes` are reasons to doubt it so far.
pub(super) fn decoded(
    found: &FoundDump,
    dump: &Arm64Dump,
    map: &AddressMap,
    symbols: &mut Symbolizer,
    mut notes: Vec<String>,
) -> DecodedDump {
    let mut dump = dump.clone();
    locate(found, &mut dump.elr, symbols);
    let symbols = &*symbols;
    let (dump, details) = (&dump, &found.details);

    let bytes = dump.code.as_deref().unwrap_or_default();
    let file = dump.elr.map(|elr| file_code(elr, bytes, symbols));
    let FileCode {
        before,
        shown,
        differs,
    } = file.unwrap_or(FileCode {
        before: &[],
        shown: bytes,
        differs: false,
    });
    if differs {
        notes.push(differing_code("elr", found.source));
    }
    let before = match before {
        _ if differs || before.is_empty() => &details.before,
        before => before,
    };
    let code = disasm::around(dump.elr, before, shown);
    let instruction = Arm64Instruction::first(dump.elr, shown);
    let input = Arm64RuleInput {
        found,
        dump,
        map,
        place: dump.elr.and_then(|elr| map.at(elr)),
        instruction,
        in_code: dump.elr.is_some_and(|elr| symbols.is_code(elr)),
    };
    let explanations = explain(&input);
    let addresses = [
        ("elr", dump.elr),
        ("x30", dump.register("x30")),
        ("far", input.address()),
    ];
    let entry = found.log.arm64();
    if entry.is_some_and(|entry| entry.no_tables) {
        notes.push(
            "the handoff ran without page tables of its own: the CPU has no granule of 4 KiB"
                .to_owned(),
        );
    }
    let syndrome = dump
        .esr
        .and_then(|esr| DecodedSyndrome::new(esr, dump.vector));
    DecodedDump {
        source: found.source,
        architecture: Some(Architecture::Arm64.name()),
        line: found.line,
        integrity: integrity(dump.integrity),
        missing: missing(found.source, dump),
        vector: None,
        error: None,
        cause: None,
        mode: None,
        hart: None,
        satp: None,
        entry: None,
        arm64: Some(DecodedArm64 {
            syndrome,
            exception: dump.vector.map(DecodedException::new),
            level: dump.regime.and_then(regime_name),
            translation: dump.sctlr.map(|sctlr| sctlr & SCTLR_M != 0),
            cpu: dump.mpidr.map(|mpidr| format!("{mpidr:#x}")),
            entry: entry.map(|text| DecodedArm64Entry::new(text, map, symbols)),
        }),
        phase: dump.phase.map(phase_text),
        addresses: addresses
            .into_iter()
            .filter_map(|(name, value)| NamedAddress::of(name, value, map, symbols))
            .collect(),
        registers: registers(dump)
            .iter()
            .map(|(name, value)| (*name, format!("{value:#x}")))
            .collect(),
        bits: named_bits(dump),
        code,
        accesses: Vec::new(),
        stack: stack::walk(
            dump.stack.as_deref().unwrap_or_default(),
            (dump.register("sp"), WORD),
            disasm::ends_in_call,
            map,
            symbols,
        ),
        more: dump.more.clone(),
        explanations,
        notes,
        message: details.message.clone(),
        context: details.context.clone(),
        at: details.at.clone(),
        calls: calls(found, symbols),
        chain: Vec::new(),
    }
}
