//! Bits of system registers (Arm Architecture Reference Manual ARMv7-A, B4.1), and the values that the handoff
//! loads.

use crate::names::nth;

/// CPSR: the mode.
pub const CPSR_MODE: u32 = 0x1f;
/// Supervisor mode.
pub const MODE_SVC: u32 = 0x13;
/// Hyp mode.
pub const MODE_HYP: u32 = 0x1a;

/// SCTLR, HSCTLR: address translation on.
pub const SCTLR_M: u32 = 1 << 0;
/// SCTLR, HSCTLR: data accesses may be cached.
pub const SCTLR_C: u32 = 1 << 2;
/// SCTLR, HSCTLR: instruction fetches may be cached.
const SCTLR_I: u32 = 1 << 12;
/// SCTLR: branch prediction; 1 in ARMv8.
const SCTLR_Z: u32 = 1 << 11;
/// SCTLR of the handoff, translation and caches on: reserved bits are 1, exceptions in ARM state at VBAR.
pub const SCTLR_ON: u32 = 0x00c5_0078 | SCTLR_Z | SCTLR_I | SCTLR_C | SCTLR_M;
/// HSCTLR of the handoff.
pub const HSCTLR_ON: u32 = 0x30c5_0830 | SCTLR_I | SCTLR_C | SCTLR_M;

/// TTBCR with long descriptors (EAE, EPD1), and HTCR (its reserved bits): region of 32 bits, tables in write-back memory, inner
/// shareable.
pub const TTBCR: u32 = 1 << 31 | 1 << 23 | 3 << 12 | 1 << 10 | 1 << 8;

/// Returns true for an ID_MMFR0 whose CPU has long descriptors.
#[must_use]
pub const fn has_long_descriptors(mmfr0: u32) -> bool {
    mmfr0 & 15 >= 5
}

/// Names of modes that the handoff runs in.
pub const MODES: &str = "svc|hyp|other";

/// Returns the name of the mode in a CPSR.
#[must_use]
pub fn mode_name(cpsr: u32) -> &'static [u8] {
    let index = match cpsr & CPSR_MODE {
        MODE_SVC => 0,
        MODE_HYP => 1,
        _ => 2,
    };
    nth(MODES, index).unwrap_or(b"?")
}

/// Data abort vector.
pub const VECTOR_DATA_ABORT: u32 = 4;
/// Prefetch abort vector: `bkpt` has it, too.
pub const VECTOR_PREFETCH_ABORT: u32 = 3;

const VECTORS: &str = "reset|undefined instruction|supervisor call|prefetch abort|data abort|\
                       hyp trap|IRQ|FIQ";

/// Returns the name of a vector (0 to 7), "?" for another number.
#[must_use]
pub fn vector_name(vector: u32) -> &'static [u8] {
    nth(VECTORS, vector).unwrap_or(b"?")
}

/// Returns true for the syndrome of a `bkpt`, taken by [`VECTOR_PREFETCH_ABORT`]: IFSR in either format, or HSR.
#[must_use]
pub const fn is_breakpoint(mode_is_hyp: bool, syndrome: u32) -> bool {
    if mode_is_hyp {
        // prefetch abort from Hyp mode, debug event
        return syndrome >> 26 == 0x21 && syndrome & 0x3f == 0x22;
    }
    if syndrome & 1 << 9 != 0 {
        syndrome & 0x3f == 0x22
    } else {
        syndrome & 0x40f == 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_those_of_the_manual() {
        assert_eq!(TTBCR, 0x8080_3500);
        assert_eq!((SCTLR_ON, HSCTLR_ON), (0x00c5_187d, 0x30c5_1835));
        assert_eq!(mode_name(0x2000_01da), b"hyp");
        assert_eq!(
            (mode_name(0x1d3), mode_name(0x1d7)),
            (&b"svc"[..], &b"other"[..])
        );
        assert_eq!(
            (vector_name(4), vector_name(5)),
            (&b"data abort"[..], &b"hyp trap"[..])
        );
        assert_eq!(vector_name(8), b"?");
        // Cortex-A15 and Cortex-A9
        assert!(has_long_descriptors(0x1020_1105) && !has_long_descriptors(0x0010_0103));
    }

    #[test]
    fn a_breakpoint_has_a_syndrome_of_each_format() {
        assert!(is_breakpoint(false, 0x2) && !is_breakpoint(false, 0x5));
        assert!(is_breakpoint(false, 0x222) && !is_breakpoint(false, 0x206));
        assert!(is_breakpoint(true, 0x8600_0022) && !is_breakpoint(true, 0x8600_0006));
        assert!(!is_breakpoint(true, 0x9600_0022));
    }
}
