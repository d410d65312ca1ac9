//! What the CPUs and the kernel are for a kexec: the level that it enters, and what is known to fail.
//!
//! - [`entry`]: the level that an image is entered at;
//! - [`defects`]: defects of kernels, and conditions, that stop it.

pub mod defects;
pub mod entry;
mod show;

use crate::arch::Architecture;
use crate::host::Host;
use crate::host::arm::ArmFacts;
use crate::host::hypervisor::Hypervisor;
use crate::host::sbi::SbiFacts;
use crate::host::virt::{ArmCpu, X86Virt};
use defects::Defect;
use entry::EntryLevel;
use serde::Serialize;

/// Version of the document.
const FORMAT: u32 = 1;

/// ARM: levels, CPU, kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ArmProbe {
    /// Levels, KVM, PSCI.
    #[serde(flatten)]
    pub facts: ArmFacts,
    /// CPU and kernel.
    #[serde(flatten)]
    pub cpu: ArmCpu,
}

/// What a kexec enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ProbeEntries {
    /// An image for `mbtool exec`.
    pub normal: EntryLevel,
    /// A crash image.
    pub crash: EntryLevel,
}

/// Document of `--json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProbeReport {
    /// Version of the document.
    pub format: u32,
    /// Architecture.
    pub arch: Architecture,
    /// Release of the running kernel.
    pub release: Option<String>,
    /// Xen below.
    pub hypervisor: Hypervisor,
    /// On ARM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arm: Option<ArmProbe>,
    /// On riscv64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sbi: Option<SbiFacts>,
    /// On x86_64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x86: Option<X86Virt>,
    /// What an image finds.
    pub entry: ProbeEntries,
    /// What is known to fail, or may.
    pub defects: Vec<Defect>,
}

/// Judges a machine, running or recorded.
#[must_use]
pub fn probe(host: &Host) -> ProbeReport {
    let virt = &host.virt;
    ProbeReport {
        format: FORMAT,
        arch: host.arch,
        release: virt.release.clone(),
        hypervisor: virt.hypervisor,
        arm: (virt.arm.is_some() || host.arm.is_some()).then(|| ArmProbe {
            facts: host.arm.unwrap_or_default(),
            cpu: virt.arm.unwrap_or_default(),
        }),
        sbi: host.sbi,
        x86: virt.x86.clone(),
        entry: entry::entries(host),
        defects: defects::defects(host),
    }
}

#[cfg(test)]
mod tests;
