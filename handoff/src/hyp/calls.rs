//! Calls: numbers, registers, preconditions.

use super::era::{HypArch, HypEra};

/// Answer to a call that the occupant does not have or refuses, since 4.12 (`HVC_STUB_ERR`).
pub const STUB_ERROR: u64 = 0x0bad_ca11;
/// SMCCC's answer to an unknown function, in all bits of the register (DEN 0028, 5.2).
pub const NOT_SUPPORTED: i64 = -1;
/// Answers of arm64's stub of 4.7 to 4.11 to an unknown number (`ARM_EXCEPTION_HYP_GONE`: 2, from 4.9
/// on 3).
pub const OLD_STUB_ERRORS: [u64; 2] = [2, 3];
/// A number that no version has, and every stub since 4.12 answers with [`STUB_ERROR`].
pub const UNKNOWN_SMALL: u64 = 7;
/// Another one, odd and large: nothing that is shifted or masked makes a known number of it.
pub const UNKNOWN_LARGE: u64 = 0x7fff;

/// A call of the ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HypCall {
    /// Reads the vector base; before 4.12 only.
    GetVectors,
    /// Sets the vector base.
    SetVectors,
    /// Enters an address in hypervisor mode, with translation off.
    SoftRestart,
    /// Removes a hypervisor: translation off, the stub's vectors back.
    ResetVectors,
    /// Makes the kernel run in hypervisor mode, if the CPU has VHE (`HVC_VHE_RESTART` before 6.0).
    FinaliseEl2,
    /// Reads `ICH_VTR_EL2`.
    GetIchVtr,
    /// A number beyond those of all versions.
    Unknown,
}

/// The value of the first register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HypNumber {
    /// This number.
    Number(u64),
    /// The argument itself: every value is a vector base.
    Argument,
}

/// What a register of a call holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HypValue {
    /// A vector table: physical address.
    Vectors,
    /// Where to go: physical address.
    Target,
    /// Register 0 of the target.
    Register0,
    /// Register 1 of the target.
    Register1,
    /// Register 2 of the target.
    Register2,
    /// 0, or an error.
    Status,
    /// `ICH_VTR_EL2`.
    IchVtr,
}

/// What must hold before a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HypPrecondition {
    /// The caller runs below hypervisor mode: in hypervisor mode, `hvc` is an exception to itself.
    BelowHyp,
    /// Exceptions are masked, and the CPU does not migrate: calls act on one CPU.
    Masked,
    /// Addresses are physical, and aligned for what they name.
    Physical,
    /// Code and data of the target are cleaned to the point of coherency: it runs without caches.
    Cleaned,
    /// Translation is off in hypervisor mode, and the kernel's is one to one at the instruction after
    /// the call.
    HypTranslationOff,
    /// The interrupt controller is a GICv3 with its system registers on.
    Gicv3,
}

impl HypCall {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::GetVectors,
        Self::SetVectors,
        Self::SoftRestart,
        Self::ResetVectors,
        Self::FinaliseEl2,
        Self::GetIchVtr,
        Self::Unknown,
    ];

    /// Returns the value of the first register; `None` if the version has no such call.
    #[must_use]
    pub fn number(self, arch: HypArch, era: HypEra) -> Option<HypNumber> {
        use HypNumber::{Argument, Number};
        let number = match (self, era) {
            (Self::Unknown, HypEra::First) => return None,
            (Self::Unknown, _) => UNKNOWN_SMALL,
            (Self::GetVectors, HypEra::First) => match arch {
                HypArch::Arm32 => u32::MAX.into(),
                HypArch::Arm64 => 0,
            },
            (Self::SetVectors, HypEra::First) => return Some(Argument),
            (_, HypEra::First) => return None,
            (Self::GetVectors, HypEra::V4_7) => 0,
            (Self::SetVectors, HypEra::V4_7) => 1,
            // from 4.8 on
            (Self::SoftRestart, HypEra::V4_7) => 2,
            (_, HypEra::V4_7) | (Self::GetVectors, _) => return None,
            (Self::SetVectors, _) => 0,
            (Self::SoftRestart, _) => 1,
            (Self::ResetVectors, HypEra::V5_7) => return None,
            (Self::ResetVectors, _) => 2,
            (Self::FinaliseEl2, _) if arch == HypArch::Arm64 && era >= HypEra::V5_12 => 3,
            (Self::GetIchVtr, _) if arch == HypArch::Arm64 && era >= HypEra::V6_19 => 4,
            (Self::FinaliseEl2 | Self::GetIchVtr, _) => return None,
        };
        Some(Number(number))
    }

    /// Returns the registers after the first that are read, by number.
    #[must_use]
    pub fn inputs(self, arch: HypArch, era: HypEra) -> &'static [(u8, HypValue)] {
        use HypValue::{Register0, Register1, Register2, Target, Vectors};
        match (self, arch, era) {
            (Self::SetVectors, _, HypEra::First) => &[(0, Vectors)],
            (Self::SetVectors, ..) => &[(1, Vectors)],
            (Self::SoftRestart, HypArch::Arm32, _) => &[(1, Target)],
            (Self::SoftRestart, HypArch::Arm64, _) => {
                &[(1, Target), (2, Register0), (3, Register1), (4, Register2)]
            }
            _ => &[],
        }
    }

    /// Returns the registers that hold a result, by number.
    #[must_use]
    pub fn outputs(self, era: HypEra) -> &'static [(u8, HypValue)] {
        use HypValue::{IchVtr, Status, Vectors};
        match (self, era) {
            (Self::GetVectors, _) => &[(0, Vectors)],
            // the first register is left as it was
            (Self::SetVectors, HypEra::First | HypEra::V4_7) | (Self::SoftRestart, _) => &[],
            (Self::GetIchVtr, _) => &[(0, Status), (1, IchVtr)],
            _ => &[(0, Status)],
        }
    }

    /// Returns what must hold before it.
    #[must_use]
    pub const fn preconditions(self) -> &'static [HypPrecondition] {
        use HypPrecondition::{BelowHyp, Cleaned, Gicv3, HypTranslationOff, Masked, Physical};
        match self {
            Self::GetVectors | Self::ResetVectors | Self::Unknown => &[BelowHyp, Masked],
            Self::SetVectors | Self::SoftRestart => &[BelowHyp, Masked, Physical, Cleaned],
            Self::FinaliseEl2 => &[BelowHyp, Masked, HypTranslationOff],
            Self::GetIchVtr => &[BelowHyp, Masked, Gicv3],
        }
    }
}

/// Returns the general registers that a caller must not expect to survive, as a mask: those of the
/// procedure call standard, and where a version's own code changes more, that too.
#[must_use]
pub const fn clobbered(arch: HypArch, era: HypEra) -> u32 {
    const X0_TO_X18: u32 = (1 << 19) - 1;
    const LR: u32 = 1 << 30;
    match (arch, era) {
        // r0 to r3, ip
        (HypArch::Arm32, _) => 0x100f,
        // the stub reads the syndrome into x30
        (HypArch::Arm64, HypEra::V4_7) => X0_TO_X18 | LR,
        (HypArch::Arm64, _) => X0_TO_X18,
    }
}
