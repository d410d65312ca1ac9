//! Bits of system registers (Arm Architecture Reference Manual for A-profile, D24.2), and the
//! values that the handoff loads.

use crate::names::nth;

/// `SCTLR_ELx`: address translation on.
pub const SCTLR_M: u64 = 1 << 0;
/// `SCTLR_ELx`: data accesses may be cached.
pub const SCTLR_C: u64 = 1 << 2;
/// `SCTLR_ELx`: instruction fetches may be cached.
pub const SCTLR_I: u64 = 1 << 12;
/// `SCTLR_ELx` with PAN: an exception leaves `PSTATE.PAN` as it is. Set where it is reserved, too.
const SCTLR_SPAN: u64 = 1 << 23;
/// `SCTLR_EL1`, and `SCTLR_EL2` with E2H: bits that are 1 where a feature is absent.
const SCTLR_EL1_RES1: u64 = 0x3050_0800;
/// `SCTLR_EL2` without E2H: the same.
const SCTLR_EL2_RES1: u64 = 0x30c5_0830;
/// `SCTLR_EL1` of the handoff, translation and caches on.
pub const SCTLR_EL1_ON: u64 = SCTLR_EL1_RES1 | SCTLR_SPAN | SCTLR_I | SCTLR_C | SCTLR_M;
/// `SCTLR_EL2` of the handoff without E2H.
pub const SCTLR_EL2_ON: u64 = SCTLR_EL2_RES1 | SCTLR_I | SCTLR_C | SCTLR_M;

/// `HCR_EL2`: trap general exceptions from EL0 to EL2.
pub const HCR_TGE: u64 = 1 << 27;
/// `HCR_EL2`: EL1 is AArch64.
pub const HCR_RW: u64 = 1 << 31;
/// `HCR_EL2`: EL2 has the registers of a host (VHE).
pub const HCR_E2H: u64 = 1 << 34;

/// `CPACR_EL1`, and `CPTR_EL2` with E2H: no trap of floating point registers.
pub const CPACR_FPEN: u64 = 3 << 20;
/// `CPACR_EL1`, and `CPTR_EL2` with E2H: no trap of SME.
pub const CPACR_SMEN: u64 = 3 << 24;
/// `CPTR_EL2` without E2H: trap of SME.
pub const CPTR_TSM: u64 = 1 << 12;
/// `CPTR_EL2` without E2H: no trap of floating point registers; reserved bits are 1, SVE is trapped.
pub const CPTR_NO_FP_TRAP: u64 = 0x33ff;

/// `CurrentEL` at EL2.
pub const CURRENT_EL2: u64 = 2 << 2;

/// `SPSR_ELx`: SError, IRQ and FIQ masked (bits A, I, F), and debug exceptions (D).
pub const SPSR_DAIF: u64 = 0xf << 6;

/// Registers that control an exception level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regime {
    /// EL1.
    El1,
    /// EL2.
    El2,
    /// EL2 with `HCR_EL2.E2H`: its registers have the layout of EL1's.
    El2Host,
}

impl Regime {
    /// Returns the regime of a value of `CurrentEL` and of `HCR_EL2`.
    #[must_use]
    pub const fn of(current_el: u64, hcr: u64) -> Self {
        if current_el != CURRENT_EL2 {
            Self::El1
        } else if hcr & HCR_E2H != 0 {
            Self::El2Host
        } else {
            Self::El2
        }
    }

    /// `SCTLR` with translation and caches on.
    #[must_use]
    pub const fn sctlr(self) -> u64 {
        match self {
            Self::El1 | Self::El2Host => SCTLR_EL1_ON,
            Self::El2 => SCTLR_EL2_ON,
        }
    }

    /// Name, as in dumps.
    #[must_use]
    pub fn name(self) -> &'static [u8] {
        nth(REGIMES, self as u32).unwrap_or(b"?")
    }
}

/// Names of [`Regime`], in its order.
pub const REGIMES: &str = "el1|el2|el2-e2h";
