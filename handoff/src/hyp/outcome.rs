//! What a call does, by version and occupant.

use super::calls::{HypCall, HypNumber};
use super::era::{HypArch, HypEra};
use super::occupant::HypOccupant;

/// The effect of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HypOutcome {
    /// It is done: register 0 is 0.
    Done,
    /// It is done: register 0 is 0 and register 1 the value.
    Value,
    /// It is done: register 0 is the vector base.
    VectorBase,
    /// It is done: register 0 is unchanged.
    DoneUnchanged,
    /// It does not return: the target runs in hypervisor mode with translation off.
    Restarts,
    /// Translation must be off and the CPU have VHE: then the kernel goes on in hypervisor mode with
    /// register 0 = 0, else [`Self::Error`].
    Upgrades,
    /// Nothing is done: register 0 is [`super::calls::STUB_ERROR`].
    Error,
    /// Nothing is done: register 0 is one of [`super::calls::OLD_STUB_ERRORS`].
    OldError,
    /// Nothing is done: register 0 is [`super::calls::NOT_SUPPORTED`].
    NotSupported,
    /// An undefined instruction exception at the caller.
    Undefined,
    /// An exception that the kernel takes to itself, and does not know: it panics.
    OwnException,
    /// The first register becomes the vector base: the *next* exception jumps wild.
    BecomesVectors,
    /// The first register is a pointer to a function that is called in hypervisor mode: a jump to a
    /// small number.
    CallsPointer,
}

impl HypOutcome {
    /// Returns true if control of hypervisor mode is lost.
    #[must_use]
    pub const fn is_wild(self) -> bool {
        matches!(
            self,
            Self::BecomesVectors | Self::CallsPointer | Self::OwnException
        )
    }
}

/// Returns what `occupant` does when the call with the number that version `sender` has for it reaches
/// an occupant of version `era`. `None` if there is no such number or no such occupant.
#[must_use]
pub fn outcome_from(
    arch: HypArch,
    (sender, era): (HypEra, HypEra),
    occupant: HypOccupant,
    call: HypCall,
) -> Option<HypOutcome> {
    if !occupant.exists(arch, era) {
        return None;
    }
    let number = call.number(arch, sender)?;
    Some(match occupant {
        HypOccupant::Stub => stub(arch, era, number),
        HypOccupant::ZImage => zimage(era, number),
        HypOccupant::Kvm => kvm(arch, era, number),
        HypOccupant::Vhe => HypOutcome::OwnException,
        HypOccupant::Pkvm if era < HypEra::V5_16 => kvm(arch, era, number),
        HypOccupant::Pkvm | HypOccupant::Conduit => HypOutcome::NotSupported,
        HypOccupant::Absent => HypOutcome::Undefined,
    })
}

/// Returns what `occupant` does when a kernel of the same version makes the call.
#[must_use]
pub fn outcome(
    arch: HypArch,
    era: HypEra,
    occupant: HypOccupant,
    call: HypCall,
) -> Option<HypOutcome> {
    outcome_from(arch, (era, era), occupant, call)
}

/// Numbers that the version's header counts as stub calls (`HVC_STUB_HCALL_NR`).
#[must_use]
pub const fn stub_calls(arch: HypArch, era: HypEra) -> u64 {
    match (arch, era) {
        (_, HypEra::First | HypEra::V4_7) => 0,
        (HypArch::Arm32, _) => 3,
        (HypArch::Arm64, HypEra::V6_19) => 5,
        (HypArch::Arm64, HypEra::V5_12 | HypEra::V5_16 | HypEra::V6_0) => 4,
        (HypArch::Arm64, _) => 3,
    }
}

/// The kernel's stub.
fn stub(arch: HypArch, era: HypEra, number: HypNumber) -> HypOutcome {
    let HypNumber::Number(number) = number else {
        // an address: a set in the first version, an unknown number later
        return match era {
            HypEra::First => HypOutcome::DoneUnchanged,
            HypEra::V4_7 => HypOutcome::OldError,
            _ => HypOutcome::Error,
        };
    };
    let arm32 = arch == HypArch::Arm32;
    match (era, number) {
        (HypEra::First, 0xffff_ffff) if arm32 => HypOutcome::VectorBase,
        (HypEra::First, 0) if !arm32 => HypOutcome::VectorBase,
        (HypEra::First, _) => HypOutcome::BecomesVectors,
        (HypEra::V4_7, 0) => HypOutcome::VectorBase,
        (HypEra::V4_7, 1) => HypOutcome::DoneUnchanged,
        (HypEra::V4_7, 2) => HypOutcome::Restarts,
        (HypEra::V4_7, _) => HypOutcome::OldError,
        (_, 1) => HypOutcome::Restarts,
        (HypEra::V5_7, _) => HypOutcome::Error,
        (_, 0 | 2) => HypOutcome::Done,
        (_, 3) if !arm32 && era >= HypEra::V5_12 => HypOutcome::Upgrades,
        (_, 4) if !arm32 && era >= HypEra::V6_19 => HypOutcome::Value,
        _ => HypOutcome::Error,
    }
}

/// The stub in zImage: that of the kernel, and it keeps setting vectors.
fn zimage(era: HypEra, number: HypNumber) -> HypOutcome {
    match (era, number) {
        (HypEra::V5_7, HypNumber::Number(0)) => HypOutcome::Done,
        _ => stub(HypArch::Arm32, era, number),
    }
}

/// KVM without VHE.
fn kvm(arch: HypArch, era: HypEra, number: HypNumber) -> HypOutcome {
    let HypNumber::Number(number) = number else {
        return match era {
            HypEra::First | HypEra::V4_7 | HypEra::V4_12 => HypOutcome::CallsPointer,
            _ => HypOutcome::NotSupported,
        };
    };
    let get = match arch {
        HypArch::Arm32 => u32::MAX.into(),
        HypArch::Arm64 => 0,
    };
    match (era, number) {
        (HypEra::First | HypEra::V4_7, _) if number == get => HypOutcome::VectorBase,
        (HypEra::First | HypEra::V4_7, _) => HypOutcome::CallsPointer,
        (_, 1) => HypOutcome::Restarts,
        (_, 2) => HypOutcome::Done,
        (_, _) if number < stub_calls(arch, era) => HypOutcome::Error,
        (HypEra::V4_12, _) => HypOutcome::CallsPointer,
        _ => HypOutcome::NotSupported,
    }
}
