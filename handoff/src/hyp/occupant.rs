//! Who has installed the vectors of hypervisor mode.

use super::era::{HypArch, HypEra};

/// The owner of the vectors that an `hvc` of the kernel goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HypOccupant {
    /// The kernel's stub.
    Stub,
    /// The stub of arm's zImage decompressor, until the kernel installs its own.
    ZImage,
    /// KVM, where the kernel runs below it: arm (until 5.6), arm64 without VHE ("nVHE", "hVHE").
    Kvm,
    /// The kernel itself, in hypervisor mode (VHE).
    Vhe,
    /// KVM in protected mode (`kvm-arm.mode=protected`), once it is initialized.
    Pkvm,
    /// A hypervisor below a guest, or an emulator, that follows SMCCC: Xen, KVM below a guest, QEMU's
    /// PSCI.
    Conduit,
    /// None: no hypervisor mode, or `HCR_EL2.HCD` is set.
    Absent,
}

impl HypOccupant {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Stub,
        Self::ZImage,
        Self::Kvm,
        Self::Vhe,
        Self::Pkvm,
        Self::Conduit,
        Self::Absent,
    ];

    /// Returns true if kernels of a version can meet it.
    #[must_use]
    pub fn exists(self, arch: HypArch, era: HypEra) -> bool {
        match (self, arch) {
            (Self::Stub | Self::Conduit | Self::Absent, _) => true,
            (Self::ZImage, HypArch::Arm32) => true,
            (Self::Kvm, HypArch::Arm32) => era < HypEra::V5_7,
            (Self::Kvm, HypArch::Arm64) => true,
            // VHE since 4.6; of the versions here, seen from 4.7 on
            (Self::Vhe, HypArch::Arm64) => era >= HypEra::V4_7,
            // the option is of 5.11
            (Self::Pkvm, HypArch::Arm64) => era >= HypEra::V5_12,
            (Self::ZImage, HypArch::Arm64) | (Self::Vhe | Self::Pkvm, HypArch::Arm32) => false,
        }
    }
}
