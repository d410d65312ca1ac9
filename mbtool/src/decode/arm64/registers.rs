//! Registers of a dump by name, and missing ones.

use super::super::found::{DumpSource, absent};
use super::bits;
use handoff::arch::arm64::dump::read::Arm64Dump;
use std::collections::BTreeMap;

/// Returns all intact registers.
pub fn registers(dump: &Arm64Dump) -> Vec<(&'static str, u64)> {
    let special = [
        ("elr", dump.elr),
        ("esr", dump.esr),
        ("far", dump.far),
        ("spsr", dump.spsr),
        ("sctlr", dump.sctlr),
        ("hcr", dump.hcr),
        ("mpidr", dump.mpidr),
    ];
    let general = Arm64Dump::names().zip(dump.gpr);
    general
        .chain(special)
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

/// Returns the names of what is set in the registers that have names of bits.
pub fn named_bits(dump: &Arm64Dump) -> BTreeMap<&'static str, Vec<&'static str>> {
    [
        ("spsr", dump.spsr.map(bits::spsr)),
        (
            "sctlr",
            dump.sctlr.map(|value| bits::sctlr(value, dump.regime)),
        ),
        ("hcr", dump.hcr.map(bits::hcr)),
    ]
    .into_iter()
    .filter_map(|(name, bits)| Some((name, bits?)))
    .collect()
}

/// Returns the fields that the handoff prints, and that this dump lacks. The others print what they have.
pub fn missing(source: DumpSource, dump: &Arm64Dump) -> Vec<&'static str> {
    if source != DumpSource::Handoff {
        return Vec::new();
    }
    let fields = [
        ("esr", dump.esr.is_some()),
        ("far", dump.far.is_some()),
        ("vector", dump.vector.is_some()),
        ("level", dump.regime.is_some()),
        ("phase", dump.phase.is_some()),
        ("elr", dump.elr.is_some()),
        ("spsr", dump.spsr.is_some()),
        ("sctlr", dump.sctlr.is_some()),
        ("hcr", dump.hcr.is_some()),
        ("mpidr", dump.mpidr.is_some()),
    ];
    let general = Arm64Dump::names().zip(dump.gpr.map(|value| value.is_some()));
    let memory = [
        ("code", dump.code.is_some()),
        ("stack", dump.stack.is_some()),
    ];
    absent(fields.into_iter().chain(general).chain(memory))
}
