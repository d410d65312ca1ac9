//! One decoded dump: the document of `decode --json` (docs/decode-json.md).

use super::address_map::{AddressMap, MappedPlace};
use super::bits;
use super::disasm::{self, InstructionText, REACH};
use super::explain::{self, Explanation};
use super::rules::RuleInput;
use super::rules::vectors;
use super::scan::{DumpSource, FoundDump};
use super::stack::{self, StackSlot};
use super::symbolizer::Symbolizer;
use super::symbols::Symbol;
use super::uncertain::{missing, registers, uncertain, without_lost};
use handoff::abi::PHASES;
use handoff::dump::Mode;
use handoff::dump::read::{Dump, Integrity};
use handoff::names::nth;
use serde::Serialize;
use std::collections::BTreeMap;

/// Incremented with every incompatible change of the document.
pub const FORMAT: u32 = 1;

/// The vector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Vector {
    /// Number.
    pub number: u8,
    /// Short name.
    pub name: &'static str,
}

/// The error code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorCode {
    /// Value as pushed by the CPU.
    pub value: String,
    /// Decoded bits.
    pub parts: Vec<String>,
}

/// An address with its location.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamedAddress {
    /// Register with the address.
    pub register: &'static str,
    /// The value.
    pub value: String,
    /// The segment, or the part of the machine.
    pub place: Option<MappedPlace>,
    /// The function.
    pub symbol: Option<Symbol>,
}

/// One decoded dump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecodedDump {
    /// Program that printed it.
    pub source: DumpSource,
    /// Line number in the log, from 1.
    pub line: usize,
    /// "whole", "damaged" or "truncated".
    pub integrity: &'static str,
    /// Fields that are lost.
    pub missing: Vec<&'static str>,
    /// The vector.
    pub vector: Option<Vector>,
    /// The error code, if the vector has one.
    pub error: Option<ErrorCode>,
    /// "long" or "protected".
    pub mode: Option<&'static str>,
    /// Phase of the handoff.
    pub phase: Option<String>,
    /// rip and cr2 with locations.
    pub addresses: Vec<NamedAddress>,
    /// All registers.
    pub registers: BTreeMap<&'static str, String>,
    /// Names of set bits.
    pub bits: BTreeMap<&'static str, Vec<&'static str>>,
    /// Instructions around rip.
    pub code: Vec<InstructionText>,
    /// Memory accesses of the instruction at rip.
    pub accesses: Vec<String>,
    /// The stack.
    pub stack: Vec<StackSlot>,
    /// Other lines of the dump.
    pub more: Vec<String>,
    /// Explanations.
    pub explanations: Vec<Explanation>,
    /// Reasons to doubt the above.
    pub notes: Vec<String>,
}

impl DecodedDump {
    /// Decodes one dump.
    #[must_use]
    pub fn new(found: &FoundDump, plan: Option<&AddressMap>, symbols: &mut Symbolizer) -> Self {
        let (map, mismatch) = AddressMap::choose(plan, &found.log);
        symbols.place(&map);
        let found = &without_lost(found);
        let dump = &found.dump;
        let mode = dump.mode.unwrap_or(Mode::Long);
        let mut notes: Vec<String> = mismatch.iter().map(ToString::to_string).collect();
        notes.extend(uncertain(found));

        let bytes = dump.code.as_deref().unwrap_or_default();
        let (code, differs) = code(dump, mode, bytes, symbols);
        if differs {
            notes.push(
                "the code at rip is not what the symbol file has there: wrong file or address, or the code was \
                 overwritten"
                    .to_owned(),
            );
        }
        // Linux's dump has no code bytes: those of the file are used
        let instruction = dump.rip.and_then(|rip| {
            let from_file = symbols.code(rip, 0).map(|(_, after)| after);
            let code = if bytes.is_empty() { from_file? } else { bytes };
            disasm::first(mode, rip, &code[..code.len().min(16)])
        });
        let used = instruction.map(|instruction| disasm::accesses(&instruction, &dump.gpr));
        let accesses = used.unwrap_or_default();
        let input = RuleInput {
            found,
            map: &map,
            place: dump.rip.and_then(|rip| map.at(rip)),
            symbol: dump.rip.and_then(|rip| symbols.lookup(rip)),
            instruction,
            accesses,
            in_code: dump.rip.is_some_and(|rip| symbols.is_code(rip)),
        };
        let explanations = explain::explain(&input);
        let named = |register, value: Option<u64>| {
            let value = value?;
            Some(NamedAddress {
                register,
                value: format!("{value:#x}"),
                place: map.at(value),
                symbol: symbols.lookup(value),
            })
        };
        // cr2 is only valid in a page fault
        let cr2 = dump.cr[1].filter(|_| dump.vector == Some(14));
        let words = dump.stack.as_deref().unwrap_or_default();
        Self {
            source: found.source,
            line: found.line,
            integrity: match dump.integrity {
                Integrity::Whole => "whole",
                Integrity::Damaged => "damaged",
                Integrity::Truncated => "truncated",
            },
            missing: missing(found),
            vector: dump.vector.map(|number| Vector {
                number,
                name: vectors::name(number),
            }),
            error: dump.error.flatten().map(|code| ErrorCode {
                value: format!("{code:#x}"),
                parts: dump
                    .vector
                    .map(|v| bits::error_code(v, code))
                    .unwrap_or_default(),
            }),
            mode: dump.mode.map(|mode| match mode {
                Mode::Long => "long",
                Mode::Protected => "protected",
            }),
            phase: dump.phase.map(|phase| {
                String::from_utf8_lossy(nth(PHASES, phase).unwrap_or(b"?")).into_owned()
            }),
            addresses: named("rip", dump.rip)
                .into_iter()
                .chain(named("cr2", cr2))
                .collect(),
            registers: registers(dump)
                .map(|(name, value)| (name, format!("{value:#x}")))
                .collect(),
            bits: registers(dump)
                .filter_map(|(name, value)| Some((name, bits::of(name, value)?)))
                .collect(),
            code,
            accesses: input
                .accesses
                .iter()
                .map(|access| {
                    let verb = if access.write { "writes" } else { "reads" };
                    let place = map
                        .at(access.addr)
                        .map_or_else(String::new, |p| format!(" ({})", p.name));
                    format!("{verb} {:#x}{place}", access.addr)
                })
                .collect(),
            stack: stack::walk(words, dump.gpr[4], mode, &map, symbols),
            more: dump.more.clone(),
            explanations,
            notes,
        }
    }
}

/// Returns the instructions around rip; true if the file's bytes differ from the
/// dump's.
fn code(
    dump: &Dump,
    mode: Mode,
    bytes: &[u8],
    symbols: &Symbolizer,
) -> (Vec<InstructionText>, bool) {
    let Some(rip) = dump.rip else {
        return (Vec::new(), false);
    };
    let offset = symbols.lookup(rip).map_or(0, |symbol| symbol.offset);
    // decoding from an address other than a function's start may begin inside
    // an instruction
    let reach = usize::try_from(offset)
        .ok()
        .filter(|offset| *offset <= REACH)
        .unwrap_or(0);
    let (before, file) = symbols.code(rip, reach).unwrap_or_default();
    let file = &file[..file.len().min(16)];
    let shared = file.len().min(bytes.len());
    let differs = file[..shared] != bytes[..shared];
    let shown = if bytes.is_empty() { file } else { bytes };
    let before = if differs { &[] } else { before };
    (disasm::around(mode, rip, before, shown), differs)
}
