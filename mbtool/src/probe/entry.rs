//! The level at which the next image is entered.

use super::ProbeEntries;
use crate::arch::Architecture;
use crate::host::Host;
use crate::host::arm::{BootLevel, KvmMode};
use crate::host::sbi::KexecOutlook;
use serde::Serialize;
use std::fmt;

/// A level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryLevel {
    /// x86_64: long mode, ring 0.
    LongMode,
    /// riscv64: supervisor mode, or virtual supervisor mode.
    Supervisor,
    /// arm64: EL2, `E2H` clear.
    El2,
    /// arm64: EL2, `E2H` set.
    El2Vhe,
    /// arm64: EL2; it cannot be told whether `E2H` is set.
    El2Either,
    /// arm64: EL1.
    El1,
    /// arm: HYP mode.
    Hyp,
    /// arm: SVC mode.
    Svc,
    /// Nothing is entered: the kernel, or mbtool, refuses to load.
    Refused,
    /// Nothing is entered: the virtual CPU ends.
    EndsVcpu,
    /// It cannot be told.
    Unknown,
}

impl fmt::Display for EntryLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LongMode => "long mode, ring 0",
            Self::Supervisor => "supervisor mode",
            Self::El2 => "EL2",
            Self::El2Vhe => "EL2 with E2H set (VHE)",
            Self::El2Either => "EL2, perhaps with E2H set (VHE)",
            Self::El1 => "EL1",
            Self::Hyp => "HYP mode",
            Self::Svc => "SVC mode",
            Self::Refused => "nothing: the load is refused",
            Self::EndsVcpu => "nothing: the virtual CPU ends",
            Self::Unknown => "not known",
        })
    }
}

/// Returns the levels for both kinds of images.
pub(super) fn entries(host: &Host) -> ProbeEntries {
    let both = |level| ProbeEntries {
        normal: level,
        crash: level,
    };
    if host.virt.hypervisor.is_on_arm() {
        return both(EntryLevel::Refused);
    }
    match host.arch {
        Architecture::X86_64 => both(EntryLevel::LongMode),
        Architecture::Riscv64 => both(match host.sbi.unwrap_or_default().outlook() {
            KexecOutlook::Survives => EntryLevel::Supervisor,
            KexecOutlook::EndsVcpu => EntryLevel::EndsVcpu,
            KexecOutlook::Unknown(_) => EntryLevel::Unknown,
        }),
        Architecture::Arm64 | Architecture::Arm => arm(host),
    }
}

fn arm(host: &Host) -> ProbeEntries {
    let facts = host.arm.unwrap_or_default();
    let is_32_bit = host.arch == Architecture::Arm;
    let has_hyp = matches!(facts.level, Some(BootLevel::El2 | BootLevel::Hyp) | None);
    let of_other = matches!(facts.level, Some(BootLevel::El1 | BootLevel::El2)) && is_32_bit
        || matches!(facts.level, Some(BootLevel::Svc | BootLevel::Hyp)) && !is_32_bit;
    // only a recording can contradict itself so
    if of_other || facts.kvm.is_some() && (is_32_bit || !has_hyp) {
        return ProbeEntries {
            normal: EntryLevel::Unknown,
            crash: EntryLevel::Unknown,
        };
    }
    let vhe = host.virt.arm.and_then(|cpu| cpu.vhe);
    let level = match facts.level {
        Some(BootLevel::El2) => match (facts.kvm, vhe) {
            (Some(KvmMode::Vhe), _) | (None, Some(true)) => EntryLevel::El2Vhe,
            (Some(KvmMode::Nvhe | KvmMode::Protected), _) | (None, Some(false)) => EntryLevel::El2,
            (None, None) => EntryLevel::El2Either,
        },
        Some(BootLevel::El1) => EntryLevel::El1,
        Some(BootLevel::Hyp) => EntryLevel::Hyp,
        Some(BootLevel::Svc) => EntryLevel::Svc,
        // the kernel then uses no hypervisor mode
        Some(BootLevel::Mixed) | None => EntryLevel::Unknown,
    };
    match facts.kvm {
        // the stub's calls are refused: the kernel stays where it is
        Some(KvmMode::Protected) => ProbeEntries {
            normal: EntryLevel::Refused,
            crash: EntryLevel::El1,
        },
        _ => ProbeEntries {
            normal: level,
            crash: level,
        },
    }
}
