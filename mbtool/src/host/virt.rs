//! What CPUs and kernel have for virtualization: it decides what a kexec finds, and which defects of
//! kernels it meets.

use super::hypervisor::Hypervisor;
use super::kallsyms;
use super::kernel_config::KernelConfig;
use crate::sys::{file, kernel_log, number};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Linux's line about the level of its CPUs; features are printed around it, and before KVM.
const ALL_CPUS: &str = "All CPU(s) started ";
/// Start of Linux's lines about features (arch/arm64/kernel/cpufeature.c).
const FEATURE: &str = "CPU features: detected: ";
/// Features by their names there.
const VHE: &str = "Virtualization Host Extensions";
const LPA2: &str = "52-bit Virtual Addressing (LPA2)";
/// Last line of interest.
const END: &str = "Run /init as init process";
/// Start of Linux's line about encrypted memory on x86 (arch/x86/mm/mem_encrypt.c).
const ENCRYPTION: &str = "Memory Encryption Features active: ";
/// Flags of /proc/cpuinfo on x86.
const X86_FLAGS: [&str; 9] = [
    "svm",
    "vmx",
    "sme",
    "sev",
    "sev_es",
    "sev_snp",
    "tdx_guest",
    "tdx_host_platform",
    "hypervisor",
];

/// Facts about an ARM CPU and its kernel. A field is `None` where its source is missing or hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ArmCpu {
    /// `MIDR` of the first CPU.
    pub midr: Option<u64>,
    /// The kernel has hyp-stub vectors.
    pub stub: Option<bool>,
    /// Virtualization Host Extensions, in use by the kernel.
    pub vhe: Option<bool>,
    /// 52-bit virtual addresses with 4 KiB pages, in use by the kernel.
    pub lpa2: Option<bool>,
    /// 32-bit ARM: the kernel uses the long-descriptor format.
    pub lpae: Option<bool>,
    /// 32-bit ARM: the kernel disables walks of the user half of its tables.
    pub ttbr0_pan: Option<bool>,
}

/// Facts about an x86 CPU.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct X86Virt {
    /// Of `svm`, `vmx`, `sme`, `sev`, `sev_es`, `sev_snp`, `tdx_guest`, `tdx_host_platform` and
    /// `hypervisor`, those that /proc/cpuinfo has.
    pub flags: Vec<String>,
    /// Encryption that the kernel has printed as active ("AMD SEV SEV-ES", "Intel TDX").
    pub encryption: Option<String>,
    /// Name of the hypervisor below in CPUID ("KVMKVMKVM").
    pub signature: Option<String>,
    /// The module of KVM that is loaded (`kvm_amd`, `kvm_intel`).
    pub kvm_module: Option<String>,
}

/// Facts about CPUs and kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VirtFacts {
    /// Release of the running kernel.
    pub release: Option<String>,
    /// Xen below.
    pub hypervisor: Hypervisor,
    /// On ARM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arm: Option<ArmCpu>,
    /// On x86.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x86: Option<X86Virt>,
}

impl VirtFacts {
    /// Reads the facts below `root` ("/" for the real machine).
    #[must_use]
    pub fn read(root: &Path) -> Self {
        let attribute = |name: &str| {
            let content = file::read(&root.join(name), file::ATTRIBUTE).ok()?;
            Some(content.trim_end().to_owned())
        };
        let release = attribute("proc/sys/kernel/osrelease");
        let cpuinfo = file::read(&root.join("proc/cpuinfo"), file::LISTING).unwrap_or_default();
        let log = || kernel_log::read_up_to(&root.join("dev/kmsg"), END).unwrap_or_default();
        let arm = field(&cpuinfo, "CPU implementer").is_some();
        let flags = field(&cpuinfo, "flags");
        Self {
            hypervisor: Hypervisor::read(root),
            arm: arm.then(|| ArmCpu {
                midr: midr(&cpuinfo),
                stub: stub(root),
                ..ArmCpu::of_kernel(root, release.as_deref(), &log())
            }),
            x86: flags.map(|flags| X86Virt {
                flags: X86_FLAGS
                    .into_iter()
                    .filter(|known| flags.split_ascii_whitespace().any(|flag| flag == *known))
                    .map(str::to_owned)
                    .collect(),
                encryption: encryption(&log()),
                // a recorded machine has another CPU
                signature: (root == Path::new("/"))
                    .then(xen_shim::cpuid::hypervisor)
                    .flatten(),
                kvm_module: ["kvm_amd", "kvm_intel"]
                    .into_iter()
                    .find(|module| root.join("sys/module").join(module).is_dir())
                    .map(str::to_owned),
            }),
            release,
        }
    }

    /// Returns true if nothing was read.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }

    /// Returns major and minor number of the kernel's version.
    #[must_use]
    pub fn version(&self) -> Option<(u32, u32)> {
        let mut numbers = self.release.as_deref()?.split(['.', '-', '+']);
        let mut next = || numbers.next()?.parse().ok();
        Some((next()?, next()?))
    }
}

impl ArmCpu {
    /// What the kernel's log and configuration show.
    fn of_kernel(root: &Path, release: Option<&str>, log: &str) -> Self {
        let kept = log.contains(ALL_CPUS);
        let detected = |name: &str| {
            let found = log.lines().any(|line| {
                line.split_once(FEATURE)
                    .is_some_and(|(_, f)| f.starts_with(name))
            });
            (found || kept).then_some(found)
        };
        let config = KernelConfig::read(root, release.unwrap_or_default());
        let option = |name| config.as_ref().map(|config| config.has(name));
        Self {
            vhe: detected(VHE),
            lpa2: detected(LPA2),
            lpae: option("CONFIG_ARM_LPAE"),
            ttbr0_pan: option("CONFIG_CPU_TTBR0_PAN"),
            ..Self::default()
        }
    }
}

/// Returns the value of a line of /proc/cpuinfo: of the first CPU.
fn field<'i>(info: &'i str, key: &str) -> Option<&'i str> {
    info.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim_end() == key).then_some(value.trim())
    })
}

/// Puts `MIDR` together (Arm ARM, D24.2.130) from the fields that all ARM kernels print.
fn midr(info: &str) -> Option<u64> {
    let number = |key| number::parse(field(info, key)?);
    let revision = number("CPU revision")?;
    // the architecture field has no other value since ARMv7
    let midr = number("CPU implementer")? << 24 | number("CPU variant")? << 20 | 0xf << 16;
    Some(midr | number("CPU part")? << 4 | revision)
}

/// Looks for the stub's vectors. `None` where the kernel's symbols are not shown.
fn stub(root: &Path) -> Option<bool> {
    let mut listed = false;
    let found = kallsyms::find(root, |_, name| {
        listed |= name == b"_stext" || name == b"_text";
        (name == b"__hyp_stub_vectors").then_some(())
    });
    (listed || found.is_some()).then_some(found.is_some())
}

fn encryption(log: &str) -> Option<String> {
    let (_, rest) = log.split_once(ENCRYPTION)?;
    rest.lines().next().map(|line| line.trim_end().to_owned())
}

#[cfg(test)]
#[path = "virt_tests.rs"]
mod tests;
