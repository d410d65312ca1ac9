//! The level at which an ARM machine runs Linux, what KVM does there, and how firmware is called.
//!
//! The CPUs' level at boot decides what a kexec can enter: Linux goes back to it for the jump, unless KVM runs protected
//! and keeps EL2 for itself.

use super::device_tree::TreeBlob;
use crate::sys::{file, kernel_log};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Linux's last line about KVM at boot contains this (arch/arm64/kvm/arm.c).
const KVM_READY: &str = "mode initialized successfully";
/// Start of Linux's line about the level of its CPUs (arch/arm64/kernel/smp.c, arch/arm/kernel/setup.c).
const ALL_CPUS: &str = "CPU: All CPU(s) started ";
/// Parameter that lets KVM protect its guests from Linux.
const PROTECTED: &str = "kvm-arm.mode=protected";
/// Offset of `ARM_BOOT_ARCH` in the FADT (ACPI 6.5, 5.2.9), and its bits.
const FADT_ARM_BOOT_ARCH: usize = 129;
const FADT_PSCI: u16 = 1;
const FADT_PSCI_HVC: u16 = 2;

/// Level at which the CPUs entered the running kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BootLevel {
    /// EL2, with or without VHE.
    El2,
    /// EL1: a virtual machine, or firmware that keeps EL2.
    El1,
    /// HYP mode of 32-bit ARM.
    Hyp,
    /// SVC mode of 32-bit ARM.
    Svc,
    /// Not all at the same one.
    Mixed,
}

/// How the running kernel's KVM uses EL2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KvmMode {
    /// Linux itself runs at EL2.
    Vhe,
    /// A small hypervisor of Linux's runs there, and gives it back for a kexec.
    Nvhe,
    /// As [`Self::Nvhe`], but Linux is deprived of EL2.
    Protected,
}

/// How PSCI is called (PSCI specification, "conduit").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PsciMethod {
    /// By `smc`.
    Smc,
    /// By `hvc`.
    Hvc,
}

/// Facts about an ARM machine. `None` for what the kernel's log has lost, or must not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ArmFacts {
    /// See [`BootLevel`].
    pub level: Option<BootLevel>,
    /// See [`KvmMode`]; also `None` where KVM does not run.
    pub kvm: Option<KvmMode>,
    /// See [`PsciMethod`]: of the device tree, or of ACPI. `None` without PSCI.
    pub psci: Option<PsciMethod>,
}

impl ArmFacts {
    /// Reads the facts below `root` ("/" for the real machine); `None` on other architectures than ARM.
    #[must_use]
    pub fn read(root: &Path) -> Option<Self> {
        if !is_arm(root) {
            return None;
        }
        let log = kernel_log::read_up_to(&root.join("dev/kmsg"), KVM_READY).unwrap_or_default();
        let cmdline = file::read(&root.join("proc/cmdline"), file::LISTING).unwrap_or_default();
        Some(Self {
            level: level(&log),
            kvm: kvm(&log, &cmdline),
            psci: of_tree(root).or_else(|| of_acpi(root)),
        })
    }

    /// False where a kexec is known not to reach EL2, which Xen needs.
    #[must_use]
    pub fn may_reach_el2(&self) -> bool {
        let level = matches!(self.level, None | Some(BootLevel::El2 | BootLevel::Hyp));
        level && self.kvm != Some(KvmMode::Protected)
    }
}

impl fmt::Display for BootLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::El2 => "EL2",
            Self::El1 => "EL1",
            Self::Hyp => "HYP mode",
            Self::Svc => "SVC mode",
            Self::Mixed => "different levels",
        })
    }
}

fn level(log: &str) -> Option<BootLevel> {
    if log.contains("started in inconsistent modes")
        || log.contains("started in wrong/inconsistent modes")
    {
        return Some(BootLevel::Mixed);
    }
    let (_, rest) = log.split_once(ALL_CPUS)?;
    let levels = [
        ("at EL2", BootLevel::El2),
        ("at EL1", BootLevel::El1),
        ("in HYP mode", BootLevel::Hyp),
        ("in SVC mode", BootLevel::Svc),
    ];
    let known = levels.iter().find(|(text, _)| rest.starts_with(text));
    known.map(|(_, level)| *level)
}

/// The mode by Linux's log; the parameter only counts where the log has lost that.
fn kvm(log: &str, cmdline: &str) -> Option<KvmMode> {
    let mut lines = log.lines().filter(|line| line.contains("kvm ["));
    let Some(line) = lines.find(|line| line.contains(KVM_READY)) else {
        let kept = log.contains(ALL_CPUS);
        let asked = cmdline
            .split_ascii_whitespace()
            .any(|word| word == PROTECTED);
        return (asked && !kept).then_some(KvmMode::Protected);
    };
    // "Protected nVHE mode", "Hyp mode", "Hyp nVHE mode", "VHE mode", by version
    let (_, mode) = line.split_once("]: ")?;
    Some(match mode {
        _ if mode.starts_with("Protected") => KvmMode::Protected,
        _ if mode.starts_with("VHE") => KvmMode::Vhe,
        _ => KvmMode::Nvhe,
    })
}

/// The property `method` of the node `/psci` (Linux, Documentation/devicetree/bindings/arm/psci.yaml).
fn of_tree(root: &Path) -> Option<PsciMethod> {
    let tree = TreeBlob::read(root).ok()??.tree().ok()?;
    let psci = tree.root.child("psci")?;
    match psci.strings("method").next()? {
        "smc" => Some(PsciMethod::Smc),
        "hvc" => Some(PsciMethod::Hvc),
        _ => None,
    }
}

/// By the FADT.
fn of_acpi(root: &Path) -> Option<PsciMethod> {
    let fadt = root.join("sys/firmware/acpi/tables/FACP");
    let fadt = file::read_bytes(&fadt, file::LISTING).ok()?;
    let flags = fadt.get(FADT_ARM_BOOT_ARCH..FADT_ARM_BOOT_ARCH + 2)?;
    let flags = u16::from_le_bytes(flags.try_into().ok()?);
    let psci = flags & FADT_PSCI != 0;
    psci.then_some(match flags & FADT_PSCI_HVC {
        0 => PsciMethod::Smc,
        _ => PsciMethod::Hvc,
    })
}

/// True on arm64 and arm, by a line that only they have in /proc/cpuinfo.
fn is_arm(root: &Path) -> bool {
    let mut start = String::new();
    let Ok(info) = File::open(root.join("proc/cpuinfo")) else {
        return false;
    };
    // the file of a large machine is large
    let read = info.take(file::ATTRIBUTE).read_to_string(&mut start);
    read.is_ok()
        && start
            .lines()
            .any(|line| line.starts_with("CPU implementer"))
}

#[cfg(test)]
#[path = "arm_tests.rs"]
mod tests;
