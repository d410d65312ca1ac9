//! The end of a failed handoff.

use super::abi::Arm64Scratch;
use super::registers::CURRENT_EL2;
use super::{cpu, psci};
use crate::abi::{DtParams, ON_FAULT_RESET};
use crate::devices::console;
use crate::print::Print;

/// Ends a fault or a failed verification.
pub fn end(params: &DtParams, scratch: &mut Arm64Scratch) -> ! {
    let at_el2 = scratch.entry.current_el == CURRENT_EL2;
    let mut out = console(params, &mut scratch.console_dead);
    if params.on_fault == ON_FAULT_RESET {
        out.str("[handoff] resetting the machine (--on-fault reset)\n");
        out.drain();
        psci::reset(params.psci, at_el2);
        out.str("[handoff] the firmware does not reset it\n");
    }
    out.str("[handoff] halted (--on-fault halt)\n");
    out.drain();
    cpu::halt()
}
