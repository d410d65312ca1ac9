//! The firmware below a Linux on riscv64 (SBI), and whether kexec ends the VCPU there.
//!
//! A kernel without a trampoline turns address translation off with `stvec` as the landing place.
//! In a virtual machine the fetch after that is a guest-page fault (cause 0x14), which goes to the
//! hypervisor (docs/riscv64.md).

use super::device_tree::TreeBlob;
use super::kallsyms;
use crate::fdt::DtHypervisor;
use crate::sys::{file, kernel_log, number};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Start of what Linux prints at boot.
const PRINTED: &str = "SBI implementation ID=";

/// An SBI implementation (SBI specification, "SBI Implementation IDs").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SbiImplementation {
    /// Its ID.
    pub id: u64,
    /// Its version, encoded as the implementation likes.
    pub version: u64,
}

/// Signs in the device tree of what made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SbiSign {
    /// A node `/hypervisor` of KVM.
    Kvm,
    /// A node `/hypervisor` of another one.
    Hypervisor,
    /// Memory that OpenSBI has reserved for itself: it runs in machine mode, without a hypervisor.
    MachineMode,
    /// A machine that only exists emulated, with KVM or without.
    Virtual,
}

/// Facts about the firmware.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SbiFacts {
    /// What Linux printed at boot. `None` if its log has lost that, or must not be read.
    pub implementation: Option<SbiImplementation>,
    /// What the device tree shows.
    pub sign: Option<SbiSign>,
    /// The kernel has a kexec trampoline. `None` if its symbols are hidden, and where there is no
    /// hypervisor, as it is not searched for there.
    pub trampoline: Option<bool>,
}

/// What a kexec does to the VCPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KexecOutlook {
    /// The VCPU runs the next kernel.
    Survives,
    /// It ends: the guest of KVM has a kernel without trampoline.
    EndsVcpu,
    /// It cannot be told.
    Unknown(KexecDoubt),
}

/// Why it cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KexecDoubt {
    /// A guest of KVM whose kernel hides its symbols.
    Symbols,
    /// A hypervisor whose behavior is not known.
    Hypervisor,
    /// A virtual machine, perhaps only emulated.
    Virtual,
}

/// What is below the kernel.
enum Below {
    /// Firmware in machine mode, or nothing known.
    MachineMode,
    Kvm,
    Hypervisor,
    Virtual,
}

impl SbiImplementation {
    /// Parses Linux's line in its log.
    fn parse(log: &str) -> Option<Self> {
        let (_, line) = log.split_once(PRINTED)?;
        let line = line.lines().next()?;
        let (id, version) = line.split_once(" Version=")?;
        let version = version.split_whitespace().next()?;
        Some(Self {
            id: number::parse(id)?,
            version: number::parse(version)?,
        })
    }

    const fn name(self) -> Option<&'static str> {
        Some(match self.id {
            0 => "Berkeley Boot Loader",
            1 => "OpenSBI",
            2 => "Xvisor",
            3 => "KVM",
            4 => "RustSBI",
            5 => "Diosix",
            6 => "Coffer",
            7 => "Xen",
            8 => "PolarFire Hart Software Services",
            9 => "coreboot",
            10 => "oreboot",
            11 => "bhyve",
            _ => return None,
        })
    }
}

impl fmt::Display for SbiImplementation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, version } = self;
        match self.name() {
            Some(name) => f.write_str(name)?,
            None => write!(f, "implementation {id:#x}")?,
        }
        match id {
            1 => write!(f, " {}.{}", version >> 16, version & 0xffff),
            // LINUX_VERSION_CODE
            3 => write!(
                f,
                " of Linux {}.{}.{}",
                version >> 16,
                version >> 8 & 0xff,
                version & 0xff
            ),
            _ => write!(f, ", version {version:#x}"),
        }
    }
}

impl SbiFacts {
    /// Reads the facts below `root` ("/" for the real machine); `None` on other architectures than
    /// riscv.
    #[must_use]
    pub fn read(root: &Path) -> Option<Self> {
        if !is_riscv(root) {
            return None;
        }
        let log = kernel_log::read_up_to(&root.join("dev/kmsg"), PRINTED);
        let mut facts = Self {
            implementation: log.ok().and_then(|log| SbiImplementation::parse(&log)),
            sign: sign(root),
            trampoline: None,
        };
        if facts.outlook() != KexecOutlook::Survives {
            facts.trampoline = trampoline(root);
        }
        Some(facts)
    }

    /// What a kexec, also one at a crash, does to the VCPU.
    #[must_use]
    pub fn outlook(&self) -> KexecOutlook {
        use KexecOutlook::{EndsVcpu, Survives, Unknown};
        match (self.below(), self.trampoline) {
            (Below::MachineMode, _) | (_, Some(true)) => Survives,
            (Below::Kvm, Some(false)) => EndsVcpu,
            (Below::Kvm, None) => Unknown(KexecDoubt::Symbols),
            (Below::Hypervisor, _) => Unknown(KexecDoubt::Hypervisor),
            (Below::Virtual, _) => Unknown(KexecDoubt::Virtual),
        }
    }

    fn below(&self) -> Below {
        match (self.implementation.map(|sbi| sbi.id), self.sign) {
            (Some(3), _) => Below::Kvm,
            // others that run guests: Xvisor, Diosix, Xen, bhyve
            (Some(2 | 5 | 7 | 11), _) => Below::Hypervisor,
            (Some(0 | 1 | 4 | 6 | 8..=10), _) => Below::MachineMode,
            (_, Some(SbiSign::Kvm)) => Below::Kvm,
            (_, Some(SbiSign::Hypervisor)) => Below::Hypervisor,
            (_, Some(SbiSign::Virtual)) => Below::Virtual,
            (_, Some(SbiSign::MachineMode) | None) => Below::MachineMode,
        }
    }
}

/// True for a machine whose first CPU has an instruction set of RISC-V.
fn is_riscv(root: &Path) -> bool {
    let mut start = String::new();
    let Ok(info) = File::open(root.join("proc/cpuinfo")) else {
        return false;
    };
    // the file of a large machine is large
    if info
        .take(file::ATTRIBUTE)
        .read_to_string(&mut start)
        .is_err()
    {
        return false;
    }
    start.lines().any(|line| {
        let (key, value) = line.split_once(':').unwrap_or_default();
        key.trim_end() == "isa" && value.trim_start().starts_with("rv")
    })
}

/// Looks for signs in the tree that the kernel got.
fn sign(root: &Path) -> Option<SbiSign> {
    let tree = TreeBlob::read(root).ok()??.tree().ok()?;
    let hypervisor = tree.platform().hypervisor;
    match hypervisor {
        Some(DtHypervisor::Kvm) => return Some(SbiSign::Kvm),
        Some(DtHypervisor::Xen(_) | DtHypervisor::Other(_)) => return Some(SbiSign::Hypervisor),
        Some(DtHypervisor::Virtual(_)) | None => {}
    }
    let reserved = tree.root.child("reserved-memory");
    let mut reserved = reserved.into_iter().flat_map(|node| &node.children);
    if reserved.any(|node| node.name.starts_with("mmode_resv")) {
        return Some(SbiSign::MachineMode);
    }
    hypervisor.map(|_| SbiSign::Virtual)
}

/// Looks for the trampoline among the kernel's symbols. In the patches of 2026, which no release
/// has yet, they are `kexec_tramp_satp` and `riscv_kexec_relocate_entry`; what is merged may be
/// named otherwise. `None` where the kernel's own kexec code is not among them either.
fn trampoline(root: &Path) -> Option<bool> {
    let mut listed = false;
    let has = |part: &str, name: &[u8]| memchr::memmem::find(name, part.as_bytes()).is_some();
    let found = kallsyms::find(root, |_, name| {
        listed |= name == b"machine_kexec";
        let entry = name == b"riscv_kexec_relocate_entry";
        (entry || has("kexec", name) && has("tramp", name)).then_some(())
    });
    match (found, listed) {
        (Some(()), _) => Some(true),
        (None, true) => Some(false),
        (None, false) => None,
    }
}

#[cfg(test)]
#[path = "sbi_tests.rs"]
mod tests;
