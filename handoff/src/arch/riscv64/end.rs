//! The end of a failed handoff.

use super::console::console;
use super::{cpu, sbi};
use crate::abi::{DtParams, ON_FAULT_RESET};
use crate::print::Print;

/// Ends a fault or a failed verification.
pub fn end(params: &DtParams, dead: &mut u32) -> ! {
    let mut out = console(params, dead);
    if params.on_fault == ON_FAULT_RESET {
        out.str("[handoff] resetting the machine (--on-fault reset)\n");
        out.drain();
        sbi::reset();
    }
    out.str("[handoff] halted (--on-fault halt)\n");
    out.drain();
    cpu::halt()
}
