//! One decoded dump: the document of `decode --json` (docs/decode-json.md).

mod arm64;
mod riscv64;

pub use arm64::DecodedArm64;

use super::address_map::{AddressMap, MappedPlace};
use super::bits;
use super::disasm::{self, InstructionText, REACH};
use super::explain::{self, Explanation};
use super::found::{CallText, ChainLink, CpuDump, DumpDetails, DumpSource, FoundDump};
use super::riscv64::{DecodedCause, DecodedEntry, DecodedSatp};
use super::rules::RuleInput;
use super::rules::vectors;
use super::stack::{self, StackSlot};
use super::symbolizer::Symbolizer;
use super::symbols::Symbol;
use super::uncertain::{missing, registers, uncertain, without_lost};
use handoff::abi::{PHASES, has_error_code};
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

impl NamedAddress {
    /// Looks up the value of a register, if the dump has it.
    fn of(
        register: &'static str,
        value: Option<u64>,
        map: &AddressMap,
        symbols: &Symbolizer,
    ) -> Option<Self> {
        let value = value?;
        Some(Self {
            register,
            value: format!("{value:#x}"),
            place: map.at(value),
            symbol: symbols.lookup(value),
        })
    }
}

/// A call of the dump's trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecodedCall {
    /// Return address; that of a symbol file if the dump has none.
    pub address: Option<String>,
    /// Function and offset as printed.
    pub name: Option<String>,
    /// Found on the stack, but perhaps of an earlier call.
    pub uncertain: bool,
    /// The function by a symbol file.
    pub symbol: Option<Symbol>,
}

/// An exception of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChainedException {
    /// The vector.
    pub vector: Vector,
    /// The error code, if the vector has one.
    pub error: Option<ErrorCode>,
}

/// One decoded dump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecodedDump {
    /// Program that printed it.
    pub source: DumpSource,
    /// "riscv64" or "arm64"; absent for x86.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<&'static str>,
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
    /// Cause of a trap (riscv64).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<DecodedCause>,
    /// "long" or "protected"; "bare", "sv39", "sv48" or "sv57".
    pub mode: Option<&'static str>,
    /// Number of the hart (riscv64).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hart: Option<u64>,
    /// Address translation (riscv64).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub satp: Option<DecodedSatp>,
    /// State at the handoff's entry, as the log has it (riscv64).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<DecodedEntry>,
    /// What only arm64 has, as fields of the dump.
    #[serde(flatten)]
    pub arm64: Option<DecodedArm64>,
    /// Phase of the handoff.
    pub phase: Option<String>,
    /// rip and cr2 with locations; sepc, ra and stval; elr, x30 and far.
    pub addresses: Vec<NamedAddress>,
    /// All registers.
    pub registers: BTreeMap<&'static str, String>,
    /// Names of set bits.
    pub bits: BTreeMap<&'static str, Vec<&'static str>>,
    /// Instructions around the program counter.
    pub code: Vec<InstructionText>,
    /// Memory accesses of the instruction at rip (x86).
    pub accesses: Vec<String>,
    /// The stack.
    pub stack: Vec<StackSlot>,
    /// Other lines of the dump.
    pub more: Vec<String>,
    /// Explanations.
    pub explanations: Vec<Explanation>,
    /// Reasons to doubt the above.
    pub notes: Vec<String>,
    /// The program's last words.
    pub message: Vec<String>,
    /// CPU, process or guest whose state it is.
    pub context: Vec<String>,
    /// Location of the program counter as printed.
    pub at: Option<String>,
    /// Calls as printed, the innermost first.
    pub calls: Vec<DecodedCall>,
    /// Exceptions up to a triple fault, the first one is the dump's.
    pub chain: Vec<ChainedException>,
}

impl DecodedDump {
    /// Decodes one dump.
    #[must_use]
    pub fn new(found: &FoundDump, plan: Option<&AddressMap>, symbols: &mut Symbolizer) -> Self {
        let (mut map, mismatch) = AddressMap::choose(plan, &found.log);
        map.architecture = found.dump.architecture();
        symbols.place(&map);
        let mut notes: Vec<String> = mismatch.iter().map(ToString::to_string).collect();
        notes.extend(uncertain(found));
        match &found.dump {
            CpuDump::X86(dump) => Self::x86(found, dump, &map, symbols, notes),
            CpuDump::Riscv(dump) => riscv64::decoded(found, dump, &map, symbols, notes),
            CpuDump::Arm64(dump) => arm64::decoded(found, dump, &map, symbols, notes),
        }
    }

    fn x86(
        found: &FoundDump,
        dump: &Dump,
        map: &AddressMap,
        symbols: &mut Symbolizer,
        mut notes: Vec<String>,
    ) -> Self {
        let mut dump = without_lost(dump);
        locate(found, &mut dump.rip, symbols);
        let dump = &dump;
        let mode = dump.mode.unwrap_or(Mode::Long);

        let bytes = dump.code.as_deref().unwrap_or_default();
        let rip = dump.rip.filter(|_| !found.details.real_mode);
        let (code, differs) = code(&found.details, rip, mode, bytes, symbols);
        if differs {
            notes.push(differing_code("rip", found.source));
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
            dump,
            map,
            place: dump.rip.and_then(|rip| map.at(rip)),
            symbol: dump.rip.and_then(|rip| symbols.lookup(rip)),
            instruction,
            accesses,
            in_code: dump.rip.is_some_and(|rip| symbols.is_code(rip)),
        };
        let explanations = explain::explain(&input);
        let named = |register, value| NamedAddress::of(register, value, map, &*symbols);
        // cr2 is only valid in a page fault
        let cr2 = dump.cr[1].filter(|_| dump.vector == Some(14));
        let words = dump.stack.as_deref().unwrap_or_default();
        Self {
            source: found.source,
            architecture: None,
            line: found.line,
            integrity: integrity(dump.integrity),
            missing: missing(found.source, dump),
            vector: dump.vector.map(|number| Vector {
                number,
                name: vectors::name(number),
            }),
            error: dump
                .error
                .flatten()
                .map(|code| error_code(dump.vector, code)),
            cause: None,
            hart: None,
            satp: None,
            entry: None,
            arm64: None,
            mode: dump.mode.map(|mode| match mode {
                Mode::Long => "long",
                Mode::Protected => "protected",
            }),
            phase: dump.phase.map(phase_text),
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
            stack: stack::walk(
                words,
                (dump.gpr[4], u64::from(mode.digits()) / 2),
                |before| disasm::ends_in_call(mode, before),
                map,
                symbols,
            ),
            more: dump.more.clone(),
            explanations,
            notes,
            message: found.details.message.clone(),
            context: found.details.context.clone(),
            at: found.details.at.clone(),
            calls: calls(found, symbols),
            chain: chain(found),
        }
    }
}

const fn integrity(integrity: Integrity) -> &'static str {
    match integrity {
        Integrity::Whole => "whole",
        Integrity::Damaged => "damaged",
        Integrity::Truncated => "truncated",
    }
}

fn phase_text(phase: u32) -> String {
    String::from_utf8_lossy(nth(PHASES, phase).unwrap_or(b"?")).into_owned()
}

/// Note about code that is not what a symbol file has at the program counter.
fn differing_code(register: &str, source: DumpSource) -> String {
    let reason = if source.patches_itself() {
        "another build, or the kernel has patched it (alternatives, tracing)"
    } else {
        "wrong file or address, or the code was overwritten"
    };
    format!("the code at {register} is not what the symbol file has there: {reason}")
}

fn error_code(vector: Option<u8>, code: u64) -> ErrorCode {
    ErrorCode {
        value: format!("{code:#x}"),
        parts: vector
            .map(|vector| bits::error_code(vector, code))
            .unwrap_or_default(),
    }
}

/// Function and offset of `FUNCTION+0x16/0x20`.
fn function(text: &str) -> Option<(&str, u64)> {
    let (name, rest) = text.rsplit_once('+')?;
    let offset = rest.split('/').next()?;
    let offset = offset.strip_prefix("0x").unwrap_or(offset);
    Some((name, u64::from_str_radix(offset, 16).ok()?))
}

/// Finds the program counter of a Linux that prints no address, and how far it was moved (KASLR).
fn locate(found: &FoundDump, counter: &mut Option<u64>, symbols: &mut Symbolizer) {
    symbols.slide(0);
    if found.source != DumpSource::LinuxOops {
        return;
    }
    let at = found.details.at.as_deref().and_then(function);
    let linked = at.and_then(|(name, offset)| Some(symbols.named(name)?.wrapping_add(offset)));
    let slide = match (found.details.slide, *counter, linked) {
        (Some(slide), ..) => slide,
        (None, Some(counter), Some(linked)) => counter.wrapping_sub(linked),
        _ => 0,
    };
    symbols.slide(slide);
    if let Some(linked) = linked {
        counter.get_or_insert(linked.wrapping_add(slide));
    }
}

fn calls(found: &FoundDump, symbols: &Symbolizer) -> Vec<DecodedCall> {
    let one = |call: &CallText| {
        let by_name = || {
            let (name, offset) = call.name.as_deref().and_then(function)?;
            Some(symbols.named(name)?.wrapping_add(offset))
        };
        let linux = found.source == DumpSource::LinuxOops;
        let address = call.address.or_else(|| linux.then(by_name)?);
        DecodedCall {
            address: address.map(|address| format!("{address:#x}")),
            name: call.name.clone(),
            uncertain: call.uncertain,
            symbol: address.and_then(|address| symbols.lookup(address)),
        }
    };
    found.details.calls.iter().map(one).collect()
}

fn chain(found: &FoundDump) -> Vec<ChainedException> {
    let one = |link: &ChainLink| ChainedException {
        vector: Vector {
            number: link.vector,
            name: vectors::name(link.vector),
        },
        error: has_error_code(link.vector.into())
            .then(|| error_code(Some(link.vector), link.error)),
    };
    found.details.chain.iter().map(one).collect()
}

/// Returns the instructions around rip; true if the file's bytes differ from the
/// dump's.
fn code(
    details: &DumpDetails,
    rip: Option<u64>,
    mode: Mode,
    bytes: &[u8],
    symbols: &Symbolizer,
) -> (Vec<InstructionText>, bool) {
    let Some(rip) = rip else {
        return (Vec::new(), false);
    };
    let FileCode {
        before,
        shown,
        differs,
    } = file_code(rip, bytes, symbols);
    let before = match before {
        _ if differs || before.is_empty() => disasm::synchronized(mode, &details.before),
        before => before,
    };
    (disasm::around(mode, rip, before, shown), differs)
}

/// Code of a symbol file around an address.
struct FileCode<'a> {
    /// From the function's start on.
    before: &'a [u8],
    /// That of the dump, if it has any, else that of the file.
    shown: &'a [u8],
    /// The file's bytes differ from the dump's.
    differs: bool,
}

fn file_code<'a>(at: u64, bytes: &'a [u8], symbols: &'a Symbolizer) -> FileCode<'a> {
    let offset = symbols.lookup(at).map_or(0, |symbol| symbol.offset);
    // decoding from an address other than a function's start may begin inside
    // an instruction
    let reach = usize::try_from(offset)
        .ok()
        .filter(|offset| *offset <= REACH)
        .unwrap_or(0);
    let (before, file) = symbols.code(at, reach).unwrap_or_default();
    let file = &file[..file.len().min(16)];
    let shared = file.len().min(bytes.len());
    FileCode {
        before,
        shown: if bytes.is_empty() { file } else { bytes },
        differs: file[..shared] != bytes[..shared],
    }
}
