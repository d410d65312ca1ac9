//! Words of the document.

use handoff::hyp::calls::{HypCall, HypPrecondition, HypValue};
use handoff::hyp::era::{HypArch, HypEra};
use handoff::hyp::occupant::HypOccupant;
use handoff::hyp::outcome::HypOutcome;

pub const fn call_name(call: HypCall) -> &'static str {
    match call {
        HypCall::GetVectors => "GET_VECTORS",
        HypCall::SetVectors => "SET_VECTORS",
        HypCall::SoftRestart => "SOFT_RESTART",
        HypCall::ResetVectors => "RESET_VECTORS",
        HypCall::FinaliseEl2 => "FINALISE_EL2",
        HypCall::GetIchVtr => "GET_ICH_VTR_EL2",
        HypCall::Unknown => "(unknown)",
    }
}

pub const fn occupant_name(occupant: HypOccupant) -> &'static str {
    match occupant {
        HypOccupant::Stub => "kernel's stub",
        HypOccupant::ZImage => "zImage's stub",
        HypOccupant::Kvm => "KVM, nVHE or hVHE",
        HypOccupant::Vhe => "kernel at EL2 (VHE)",
        HypOccupant::Pkvm => "protected KVM",
        HypOccupant::Conduit => "SMCCC hypervisor",
        HypOccupant::Absent => "none",
    }
}

pub const fn value_name(value: HypValue) -> &'static str {
    match value {
        HypValue::Vectors => "vector base",
        HypValue::Target => "target",
        HypValue::Register0 => "target's x0",
        HypValue::Register1 => "target's x1",
        HypValue::Register2 => "target's x2",
        HypValue::Status => "0 or error",
        HypValue::IchVtr => "`ICH_VTR_EL2`",
    }
}

pub const fn outcome_name(outcome: HypOutcome) -> &'static str {
    match outcome {
        HypOutcome::Done => "done, 0",
        HypOutcome::Value => "done, 0 and value",
        HypOutcome::VectorBase => "done, vector base",
        HypOutcome::DoneUnchanged => "done, unchanged",
        HypOutcome::Restarts => "**restarts**",
        HypOutcome::Upgrades => "EL2, 0; or 0xbadca11",
        HypOutcome::Error => "0xbadca11",
        HypOutcome::OldError => "2 or 3",
        HypOutcome::NotSupported => "-1",
        HypOutcome::Undefined => "undefined",
        HypOutcome::OwnException => "WILD: own exception",
        HypOutcome::BecomesVectors => "WILD: vector base",
        HypOutcome::CallsPointer => "WILD: call of a pointer",
    }
}

pub const fn precondition_name(precondition: HypPrecondition) -> &'static str {
    match precondition {
        HypPrecondition::BelowHyp => "caller below HYP or EL2",
        HypPrecondition::Masked => "exceptions masked, no migration: one CPU is served",
        HypPrecondition::Physical => "physical, aligned addresses",
        HypPrecondition::Cleaned => "target cleaned to the point of coherency",
        HypPrecondition::HypTranslationOff => "translation off in EL2; caller mapped one to one",
        HypPrecondition::Gicv3 => "GICv3 with system registers",
    }
}

pub fn era_name(arch: HypArch, era: HypEra) -> String {
    let (major, minor) = era.since();
    match (era, arch) {
        (HypEra::First, HypArch::Arm32) => "3.6".into(),
        (HypEra::First, HypArch::Arm64) => "3.7".into(),
        _ => format!("{major}.{minor}"),
    }
}

pub const fn arch_name(arch: HypArch) -> &'static str {
    match arch {
        HypArch::Arm32 => "arm",
        HypArch::Arm64 => "arm64",
    }
}

pub const fn register(arch: HypArch) -> &'static str {
    match arch {
        HypArch::Arm32 => "r",
        HypArch::Arm64 => "x",
    }
}
