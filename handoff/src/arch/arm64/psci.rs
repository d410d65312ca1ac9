//! Calls of the firmware (PSCI, Arm DEN 0022; calling convention: Arm DEN 0028).

// UNSAFETY: calls the firmware.
#![expect(unsafe_code)]

use crate::abi::{PSCI_HVC, PSCI_SMC};
use core::arch::asm;

/// Resets the machine.
const SYSTEM_RESET: u64 = 0x8400_0009;

/// Resets the machine by `conduit` (`PSCI_*`), from an exception level of `CurrentEL`. Returns if there is
/// no conduit, or the firmware does not.
pub fn reset(conduit: u32, at_el2: bool) {
    // SAFETY: ends this system; registers of the convention are clobbered if it returns. An `hvc` at EL2
    // would go to the handoff itself.
    unsafe {
        match conduit {
            PSCI_SMC => asm!("smc #0", inout("x0") SYSTEM_RESET => _, in("x1") 0, in("x2") 0,
                             in("x3") 0, clobber_abi("C"), options(nostack)),
            PSCI_HVC if !at_el2 => asm!("hvc #0", inout("x0") SYSTEM_RESET => _, in("x1") 0,
                             in("x2") 0, in("x3") 0, clobber_abi("C"), options(nostack)),
            _ => {}
        }
    }
}
