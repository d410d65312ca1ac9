//! Calls of the firmware (PSCI, Arm DEN 0022; calling convention: Arm DEN 0028).

// UNSAFETY: calls the firmware.
#![expect(unsafe_code)]

use crate::abi::{PSCI_HVC, PSCI_SMC};
use core::arch::asm;

/// Resets the machine.
const SYSTEM_RESET: u32 = 0x8400_0009;

/// Resets the machine by `conduit` (`PSCI_*`). Returns if there is no conduit, or the firmware does not.
pub fn reset(conduit: u32, hyp: bool) {
    // SAFETY: ends this system; registers of the convention are clobbered if it returns. An `hvc` in Hyp mode
    // would go to the handoff itself.
    unsafe {
        match conduit {
            PSCI_SMC => asm!(".arch_extension sec", "smc #0", inout("r0") SYSTEM_RESET => _,
                             inout("r1") 0 => _, inout("r2") 0 => _, inout("r3") 0 => _,
                             out("r12") _, options(nostack)),
            PSCI_HVC if !hyp => asm!(".arch_extension virt", "hvc #0",
                             inout("r0") SYSTEM_RESET => _, inout("r1") 0 => _,
                             inout("r2") 0 => _, inout("r3") 0 => _, out("r12") _,
                             options(nostack)),
            _ => {}
        }
    }
}
