//! Versions of the ABI.

/// An architecture with a hypervisor mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HypArch {
    /// ARMv7-A with Virtualization Extensions: SVC and HYP.
    Arm32,
    /// ARMv8-A and later in AArch64: EL1 and EL2.
    Arm64,
}

/// Kernel versions with the same behavior, by the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HypEra {
    /// The first stubs (3.6 on arm, 3.7 on arm64): one register, which is the new vector base.
    First,
    /// 4.7, arm64: numbered calls; the restart follows in 4.8.
    V4_7,
    /// 4.12: numbers and the error that are valid since then, also in KVM.
    V4_12,
    /// 5.7, arm: KVM is removed, the kernel's stub keeps the restart only.
    V5_7,
    /// 5.10, arm64: KVM takes function numbers of SMCCC in place of pointers.
    V5_10,
    /// 5.12, arm64: the call 3 starts VHE.
    V5_12,
    /// 5.16, arm64: protected KVM refuses.
    V5_16,
    /// 6.0, arm64: the call 3 is renamed, and finishes more than VHE.
    V6_0,
    /// 6.19, arm64: the call 4 reads a register of the interrupt controller.
    V6_19,
}

impl HypArch {
    /// Returns the versions that differ, in order.
    #[must_use]
    pub const fn eras(self) -> &'static [HypEra] {
        use HypEra::{First, V4_7, V4_12, V5_7, V5_10, V5_12, V5_16, V6_0, V6_19};
        match self {
            Self::Arm32 => &[First, V4_12, V5_7],
            Self::Arm64 => &[First, V4_7, V4_12, V5_10, V5_12, V5_16, V6_0, V6_19],
        }
    }

    /// Returns the version that a kernel's behavior is of. `major` and `minor` as in "6.12".
    #[must_use]
    pub fn era(self, major: u32, minor: u32) -> HypEra {
        let eras = self.eras();
        let fits = |era: &&HypEra| era.since() <= (major, minor);
        *eras.iter().rev().find(fits).unwrap_or(&eras[0])
    }

    /// Alignment of a vector table, in bytes.
    #[must_use]
    pub const fn vector_alignment(self) -> u64 {
        match self {
            Self::Arm32 => 32,
            Self::Arm64 => 2048,
        }
    }
}

impl HypEra {
    /// Returns the first kernel version.
    #[must_use]
    pub const fn since(self) -> (u32, u32) {
        match self {
            Self::First => (0, 0),
            Self::V4_7 => (4, 7),
            Self::V4_12 => (4, 12),
            Self::V5_7 => (5, 7),
            Self::V5_10 => (5, 10),
            Self::V5_12 => (5, 12),
            Self::V5_16 => (5, 16),
            Self::V6_0 => (6, 0),
            Self::V6_19 => (6, 19),
        }
    }
}
