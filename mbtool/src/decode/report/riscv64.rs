//! A dump of riscv64.

use super::{DecodedDump, FileCode, NamedAddress, calls, differing_code, file_code, integrity};
use super::{locate, phase_text};
use crate::arch::Architecture;
use crate::decode::address_map::AddressMap;
use crate::decode::found::FoundDump;
use crate::decode::riscv64::causes::has_address;
use crate::decode::riscv64::explain::{RiscvRuleInput, explain};
use crate::decode::riscv64::registers::{missing, registers};
use crate::decode::riscv64::{DecodedCause, DecodedEntry, DecodedSatp, csr, disasm};
use crate::decode::stack;
use crate::decode::symbolizer::Symbolizer;
use handoff::arch::riscv64::dump::read::RiscvDump;
use std::collections::BTreeMap;

/// Bytes of a word of the stack.
const WORD: u64 = 8;

/// Decodes one dump; `notes` are reasons to doubt it so far.
pub(super) fn decoded(
    found: &FoundDump,
    dump: &RiscvDump,
    map: &AddressMap,
    symbols: &mut Symbolizer,
    mut notes: Vec<String>,
) -> DecodedDump {
    let mut dump = dump.clone();
    locate(found, &mut dump.sepc, symbols);
    let symbols = &*symbols;
    let (dump, details) = (&dump, &found.details);

    let bytes = dump.code.as_deref().unwrap_or_default();
    let (mut code, mut instruction) = (Vec::new(), None);
    if let Some(sepc) = dump.sepc {
        let FileCode {
            before,
            shown,
            differs,
        } = file_code(sepc, bytes, symbols);
        if differs {
            notes.push(differing_code("sepc", found.source));
        }
        let before = match before {
            _ if differs || before.is_empty() => disasm::synchronized(&details.before),
            before => before,
        };
        code = disasm::around(sepc, before, shown);
        instruction = disasm::first(sepc, shown);
    }
    let input = RiscvRuleInput {
        found,
        dump,
        map,
        place: dump.sepc.and_then(|sepc| map.at(sepc)),
        instruction,
        in_code: dump.sepc.is_some_and(|sepc| symbols.is_code(sepc)),
    };
    let explanations = explain(&input);
    let stval = dump.stval.filter(|_| dump.scause.is_none_or(has_address));
    let addresses = [
        ("sepc", dump.sepc),
        ("ra", dump.register("ra")),
        ("stval", stval),
    ];
    let names = registers(found, dump);
    let entry = found.log.riscv();
    if let Some(satp) = entry.and_then(|entry| entry.refused_satp) {
        notes.push(format!(
            "the handoff ran without page tables of its own: the CPU does not take satp {satp:#x}"
        ));
    }
    DecodedDump {
        source: found.source,
        architecture: Some(Architecture::Riscv64.name()),
        line: found.line,
        integrity: integrity(dump.integrity),
        missing: missing(found.source, dump),
        vector: None,
        error: None,
        cause: dump.scause.map(DecodedCause::new),
        mode: dump.mode.and_then(csr::mode_name),
        hart: dump.hart,
        arm64: None,
        satp: dump.satp.map(|satp| DecodedSatp::new(satp, map)),
        entry: entry.map(|text| DecodedEntry::new(text, map, symbols)),
        phase: dump.phase.map(phase_text),
        addresses: addresses
            .into_iter()
            .filter_map(|(name, value)| NamedAddress::of(name, value, map, symbols))
            .collect(),
        registers: names
            .iter()
            .map(|(name, value)| (*name, format!("{value:#x}")))
            .collect(),
        bits: dump
            .sstatus
            .map(|sstatus| BTreeMap::from([("sstatus", csr::sstatus(sstatus))]))
            .unwrap_or_default(),
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
