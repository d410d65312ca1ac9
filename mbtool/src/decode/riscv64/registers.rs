//! Registers of a dump by name, and missing ones.

use super::super::found::{DumpSource, FoundDump, absent};
use handoff::arch::riscv64::dump::read::RiscvDump;

/// Returns all intact registers.
pub fn registers(found: &FoundDump, dump: &RiscvDump) -> Vec<(&'static str, u64)> {
    let special = [
        ("sepc", dump.sepc),
        ("scause", dump.scause),
        ("stval", dump.stval),
        ("sstatus", dump.sstatus),
        ("satp", dump.satp),
    ];
    let hypervisor = found.details.hypervisor.into_iter().flat_map(|state| {
        [
            ("hstatus", Some(state.hstatus)),
            ("htval", Some(state.htval)),
            ("htinst", Some(state.htinst)),
        ]
    });
    let general = RiscvDump::names().zip(dump.gpr);
    general
        .chain(special)
        .chain(hypervisor)
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

/// Returns the fields that the handoff prints, and that this dump lacks. The others print what they have.
pub fn missing(source: DumpSource, dump: &RiscvDump) -> Vec<&'static str> {
    if source != DumpSource::Handoff {
        return Vec::new();
    }
    let fields = [
        ("scause", dump.scause.is_some()),
        ("stval", dump.stval.is_some()),
        ("mode", dump.mode.is_some()),
        ("phase", dump.phase.is_some()),
        ("sepc", dump.sepc.is_some()),
        ("sstatus", dump.sstatus.is_some()),
        ("satp", dump.satp.is_some()),
        ("hart", dump.hart.is_some()),
    ];
    let general = RiscvDump::names().zip(dump.gpr.map(|value| value.is_some()));
    let memory = [
        ("code", dump.code.is_some()),
        ("stack", dump.stack.is_some()),
    ];
    absent(fields.into_iter().chain(general).chain(memory))
}
