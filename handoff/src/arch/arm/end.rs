//! The end of a failed handoff.

use super::abi::Arm32Scratch;
use super::registers::{CPSR_MODE, MODE_HYP};
use super::{cpu, psci};
use crate::abi::{DtParams, ON_FAULT_RESET};
use crate::devices::console;
use crate::print::Print;

/// Ends a fault or a failed verification.
pub fn end(params: &DtParams, scratch: &mut Arm32Scratch) -> ! {
    let hyp = scratch.entry.cpsr & CPSR_MODE == MODE_HYP;
    let mut out = console(params, &mut scratch.console_dead);
    if params.on_fault == ON_FAULT_RESET {
        out.str("[handoff] resetting the machine (--on-fault reset)\n");
        out.drain();
        psci::reset(params.psci, hyp);
        out.str("[handoff] the firmware does not reset it\n");
    }
    out.str("[handoff] halted (--on-fault halt)\n");
    out.drain();
    cpu::halt()
}
