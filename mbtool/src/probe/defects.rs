//! Defects of kernels, and conditions, that stop a kexec.

use crate::host::Host;
use crate::host::arm::{BootLevel, KvmMode};
use crate::host::sbi::KexecOutlook;
use serde::Serialize;
use std::fmt;

/// A release that was tried and fails, and one that was tried and works.
const LPA2_FAILS: (u32, u32) = (6, 12);
const LPA2_WORKS: (u32, u32) = (7, 2);

/// What stops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DefectKind {
    /// arm64 kernels copy their tables for a kexec as if these had 48-bit addresses.
    Lpa2,
    /// arm kernels with long descriptors jump through the disabled half of their tables.
    Ttbr0Pan,
    /// KVM keeps EL2.
    ProtectedKvm,
    /// A domain of Xen on ARM.
    XenOnArm,
    /// CPUs were started at different levels.
    MixedLevels,
    /// The virtual CPU ends.
    EndsVcpu,
    /// A confidential guest.
    EncryptedGuest,
}

/// How certain that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// Tried, or done by mbtool itself.
    Known,
    /// Not tried with this kernel, or not visible.
    Possible,
}

/// When.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DefectStage {
    /// In `kexec_load(2)`, or before it.
    Load,
    /// At the jump.
    Jump,
}

/// One of them, with what it does and what helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Defect {
    /// Which.
    pub kind: DefectKind,
    /// How certain.
    pub certainty: Certainty,
    /// When it happens.
    pub stage: DefectStage,
    /// The effect.
    pub effect: &'static str,
    /// What helps; empty if nothing is known to.
    pub remedy: &'static str,
}

impl DefectKind {
    /// Name, as in JSON and of `doctor`'s line.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Lpa2 => "lpa2",
            Self::Ttbr0Pan => "ttbr0-pan",
            Self::ProtectedKvm => "protected-kvm",
            Self::XenOnArm => "xen-on-arm",
            Self::MixedLevels => "mixed-levels",
            Self::EndsVcpu => "ends-vcpu",
            Self::EncryptedGuest => "encrypted-guest",
        }
    }

    const fn stage(self) -> DefectStage {
        match self {
            Self::Lpa2 | Self::ProtectedKvm | Self::XenOnArm => DefectStage::Load,
            Self::Ttbr0Pan | Self::MixedLevels | Self::EndsVcpu | Self::EncryptedGuest => {
                DefectStage::Jump
            }
        }
    }

    const fn effect(self) -> &'static str {
        match self {
            Self::Lpa2 => {
                "this kernel uses 52-bit addresses (LPA2); Linux 6.12 oopses then inside kexec_load(2) \
                 (trans_pgd_create_copy), and its caller is killed"
            }
            Self::Ttbr0Pan => {
                "this kernel has long descriptors and CONFIG_CPU_TTBR0_PAN; Linux 6.12 oopses then at the \
                 jump (__soft_restart)"
            }
            Self::ProtectedKvm => {
                "KVM runs protected and keeps EL2: kexec_load(2) returns EBUSY; a crash image is loaded, \
                 and entered at EL1"
            }
            Self::XenOnArm => {
                "Xen on ARM has no kexec hypercall, and a kernel that dom0 starts by its own kexec ends \
                 in a BUG"
            }
            Self::MixedLevels => {
                "CPUs were started at different levels: the kernel uses no hypervisor mode, and what \
                 vectors each CPU has there is not known"
            }
            Self::EndsVcpu => {
                "the kernel turns translation off in a way that ends the virtual CPU of a guest of KVM"
            }
            Self::EncryptedGuest => {
                "this is a confidential guest (SEV, TDX), whose memory is encrypted or private: mbtool's \
                 handoff was never run in one"
            }
        }
    }

    const fn remedy(self) -> &'static str {
        match self {
            Self::Lpa2 | Self::Ttbr0Pan => "boot a newer kernel: 7.2 does not have this defect",
            Self::ProtectedKvm => "boot without kvm-arm.mode=protected",
            Self::XenOnArm => "restart the machine to change what Xen runs, or runs on",
            Self::MixedLevels => {
                "update the firmware or boot loader, which must start all CPUs alike"
            }
            Self::EndsVcpu => "restart the guest through its monitor; docs/riscv64.md has more",
            Self::EncryptedGuest => "",
        }
    }

    const fn with(self, certainty: Certainty) -> Defect {
        Defect {
            kind: self,
            certainty,
            stage: self.stage(),
            effect: self.effect(),
            remedy: self.remedy(),
        }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.effect)?;
        match self.certainty {
            Certainty::Known => Ok(()),
            Certainty::Possible => f.write_str("; this was not tried with this kernel"),
        }
    }
}

/// Returns what stops a kexec on a machine.
#[must_use]
pub fn defects(host: &Host) -> Vec<Defect> {
    let known = |kind: DefectKind, certainty| Some(kind.with(certainty));
    let arm = host.arm.unwrap_or_default();
    let found = [
        host.virt
            .hypervisor
            .is_on_arm()
            .then(|| DefectKind::XenOnArm.with(Certainty::Known)),
        match arm.kvm {
            Some(KvmMode::Protected) => known(DefectKind::ProtectedKvm, Certainty::Known),
            _ => None,
        },
        match arm.level {
            Some(BootLevel::Mixed) => known(DefectKind::MixedLevels, Certainty::Possible),
            _ => None,
        },
        of_arm_kernel(host),
        match host.sbi.map(|sbi| sbi.outlook()) {
            Some(KexecOutlook::EndsVcpu) => known(DefectKind::EndsVcpu, Certainty::Known),
            Some(KexecOutlook::Unknown(_)) => known(DefectKind::EndsVcpu, Certainty::Possible),
            Some(KexecOutlook::Survives) | None => None,
        },
        encrypted_guest(host).then(|| DefectKind::EncryptedGuest.with(Certainty::Possible)),
    ];
    found.into_iter().flatten().collect()
}

/// Defects of versions: fails in one that was tried, works in a later one.
fn of_arm_kernel(host: &Host) -> Option<Defect> {
    let cpu = host.virt.arm?;
    let kind = if cpu.lpa2 == Some(true) {
        DefectKind::Lpa2
    } else if cpu.lpae == Some(true) && cpu.ttbr0_pan == Some(true) {
        DefectKind::Ttbr0Pan
    } else {
        return None;
    };
    let version = host.virt.version();
    match version {
        Some(version) if version == LPA2_FAILS => Some(kind.with(Certainty::Known)),
        Some(version) if version >= LPA2_WORKS => None,
        _ => Some(kind.with(Certainty::Possible)),
    }
}

/// SEV and TDX of a guest. SME of a host is not meant: `load` itself checks for that.
fn encrypted_guest(host: &Host) -> bool {
    host.virt.x86.as_ref().is_some_and(|x86| {
        let printed = x86.encryption.as_deref().unwrap_or_default();
        let guest = printed.contains("SEV") || printed.contains("TDX");
        guest || x86.flags.iter().any(|flag| flag == "tdx_guest")
    })
}
