//! Hypervisor detection.

use crate::arch::Architecture;
use crate::sys::file;
use crate::sys::number;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// The platform below the running Linux, as far as it matters for kexec. Other
/// hypervisors (KVM, VMware...) count as bare: their guests own all of the
/// memory they see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hypervisor {
    /// No Xen.
    #[default]
    Bare,
    /// Xen's control domain, paravirtualized.
    XenPvDom0,
    /// Xen's control domain in an HVM container.
    XenPvhDom0,
    /// A paravirtualized guest.
    XenPvGuest,
    /// A PVH guest.
    XenPvhGuest,
    /// An HVM guest.
    XenHvmGuest,
    /// A guest of unknown type (before Linux 4.13).
    XenGuest,
    /// Xen is present, but no file has the type of the domain.
    XenUnknown,
    /// Xen's control domain on ARM.
    XenArmDom0,
    /// A guest of Xen on ARM.
    XenArmGuest,
}

impl Hypervisor {
    /// Fix for [`Hypervisor::XenUnknown`].
    pub const MOUNT: &str = "mount a file system that shows whether this is dom0: `mount -t sysfs sysfs /sys`, or \
                             `modprobe xenfs` and `mount -t xenfs xenfs /proc/xen`";

    /// Remedy for [`Hypervisor::XenPvhDom0`].
    pub const PV_DOM0: &str = "boot Xen without dom0=pvh to load from here";

    /// Detects the hypervisor below `root`.
    ///
    /// Sources: /sys/hypervisor/{type,guest_type}; the control domain is detected
    /// by /sys/hypervisor/start_flags/initdomain, bit 11 (XENFEAT_dom0) of
    /// /sys/hypervisor/properties/features, or "control_d" in
    /// /proc/xen/capabilities. Where none of these is there, Xen still shows in
    /// the clock sources, in the names of interrupts and, but not in a PV domain,
    /// in CPUID.
    #[must_use]
    pub fn read(root: &Path) -> Self {
        // a recorded machine has another CPU
        let processor = root == Path::new("/") && xen_shim::cpuid::says_xen();
        let arm = matches!(
            Architecture::NATIVE,
            Architecture::Arm64 | Architecture::Arm
        );
        Self::from_files(root, processor, arm)
    }

    /// [`Self::read`] with the result of CPUID in `processor`, on ARM or not.
    fn from_files(root: &Path, processor: bool, arm: bool) -> Self {
        let file = |name: &str| {
            let content = file::read(&root.join(name), file::ATTRIBUTE).unwrap_or_default();
            content.trim_end().to_owned()
        };
        let capabilities = file("proc/xen/capabilities");
        if file("sys/hypervisor/type") != "xen" && !root.join("proc/xen/capabilities").exists() {
            return if processor || shows(root) {
                Self::XenUnknown
            } else {
                Self::Bare
            };
        }
        let dom0 = capabilities
            .split([',', ' ', '\n'])
            .any(|word| word == "control_d")
            || file("sys/hypervisor/start_flags/initdomain") == "1"
            || dom0_feature(&file("sys/hypervisor/properties/features"));
        if arm {
            // all domains are of one type there, which Linux calls "HVM"
            return if dom0 {
                Self::XenArmDom0
            } else {
                Self::XenArmGuest
            };
        }
        match (file("sys/hypervisor/guest_type").as_str(), dom0) {
            ("PVH" | "HVM", true) => Self::XenPvhDom0,
            // without guest_type (before 4.13), only a PV dom0 existed
            (_, true) => Self::XenPvDom0,
            ("PV", false) => Self::XenPvGuest,
            ("PVH", false) => Self::XenPvhGuest,
            ("HVM", false) => Self::XenHvmGuest,
            (_, false) => Self::XenGuest,
        }
    }

    /// True if kexec_load(2) reaches the memory of the machine that this Linux
    /// was started on: without Xen, and in an HVM guest.
    #[must_use]
    pub const fn owns_machine(self) -> bool {
        matches!(self, Self::Bare | Self::XenHvmGuest)
    }

    /// True for a domain of Xen on ARM, from which nothing can be loaded.
    #[must_use]
    pub const fn is_on_arm(self) -> bool {
        matches!(self, Self::XenArmDom0 | Self::XenArmGuest)
    }

    /// True for Xen's control domain, if that has a kexec hypercall.
    #[must_use]
    pub const fn is_dom0(self) -> bool {
        matches!(self, Self::XenPvDom0 | Self::XenPvhDom0)
    }
}

/// True when Xen's clock source or event channels (as interrupt names) are in
/// use.
fn shows(root: &Path) -> bool {
    const CLOCKS: &str = "sys/devices/system/clocksource/clocksource0/available_clocksource";
    let clocks = file::read(&root.join(CLOCKS), file::ATTRIBUTE).unwrap_or_default();
    let interrupts = file::read(&root.join("proc/interrupts"), file::LISTING).unwrap_or_default();
    let mut names = interrupts.split_ascii_whitespace();
    clocks.split_ascii_whitespace().any(|clock| clock == "xen")
        || names.any(|name| name.starts_with("xen-percpu") || name.starts_with("xen-pirq"))
}

/// Bit 11 of the lowest 32-bit word of a hex string, highest word first.
fn dom0_feature(features: &str) -> bool {
    let from = features.len().saturating_sub(8);
    features
        .get(from..)
        .and_then(number::hex)
        .is_some_and(|word| word & (1 << 11) != 0)
}

impl fmt::Display for Hypervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bare => "bare Linux",
            Self::XenPvDom0 => "Xen PV dom0",
            Self::XenPvhDom0 => "Xen PVH dom0",
            Self::XenPvGuest => "Xen PV guest",
            Self::XenPvhGuest => "Xen PVH guest",
            Self::XenHvmGuest => "Xen HVM guest",
            Self::XenGuest => "Xen guest of unknown kind",
            Self::XenUnknown => "Xen domain of unknown type",
            Self::XenArmDom0 => "dom0 of Xen on ARM",
            Self::XenArmGuest => "guest of Xen on ARM",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn all_types_are_distinguished() {
        let hyp = |name: &str| format!("sys/hypervisor/{name}");
        let dom0 = ("proc/xen/capabilities".to_owned(), "control_d\n");
        let domu = ("proc/xen/capabilities".to_owned(), "\n");
        let kind = |name| (hyp("guest_type"), name);
        let xen = (hyp("type"), "xen\n");
        let cases = [
            (vec![], Hypervisor::Bare),
            (vec![(hyp("type"), "kvm\n")], Hypervisor::Bare),
            (
                vec![xen.clone(), kind("PV\n"), dom0.clone()],
                Hypervisor::XenPvDom0,
            ),
            (vec![xen.clone(), dom0.clone()], Hypervisor::XenPvDom0),
            (vec![dom0.clone()], Hypervisor::XenPvDom0),
            (
                vec![xen.clone(), kind("PVH\n"), dom0],
                Hypervisor::XenPvhDom0,
            ),
            (
                vec![
                    xen.clone(),
                    kind("PVH"),
                    (hyp("start_flags/initdomain"), "1\n"),
                ],
                Hypervisor::XenPvhDom0,
            ),
            (
                vec![
                    xen.clone(),
                    kind("PV"),
                    (hyp("properties/features"), "00000008000008fd\n"),
                ],
                Hypervisor::XenPvDom0,
            ),
            (
                vec![
                    xen.clone(),
                    kind("PV"),
                    (hyp("properties/features"), "0000080800000001\n"),
                ],
                Hypervisor::XenPvGuest,
            ),
            (
                vec![xen.clone(), kind("PVH\n"), domu],
                Hypervisor::XenPvhGuest,
            ),
            (vec![xen.clone(), kind("HVM\n")], Hypervisor::XenHvmGuest),
            (
                vec![xen, (hyp("properties/features"), "é0000800\n")],
                Hypervisor::XenGuest,
            ),
        ];
        for (files, expected) in cases {
            let root = tempfile::tempdir().unwrap();
            for (name, content) in &files {
                let path = root.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
            assert_eq!(Hypervisor::read(root.path()), expected, "{files:?}");
        }
    }

    #[test]
    fn domains_on_arm_are_of_one_type() {
        for (capabilities, expected) in [
            ("control_d\n", Hypervisor::XenArmDom0),
            ("\n", Hypervisor::XenArmGuest),
        ] {
            let root = tempfile::tempdir().unwrap();
            for (name, content) in [
                ("sys/hypervisor/type", "xen\n"),
                ("sys/hypervisor/guest_type", "HVM\n"),
                ("proc/xen/capabilities", capabilities),
            ] {
                let path = root.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
            let found = Hypervisor::from_files(root.path(), false, true);
            assert_eq!(found, expected);
            assert!(!found.owns_machine() && !found.is_dom0());
        }
        let root = tempfile::tempdir().unwrap();
        let found = Hypervisor::from_files(root.path(), false, true);
        assert_eq!(found, Hypervisor::Bare);
    }

    #[test]
    fn xen_is_detected_without_its_files() {
        let clocks = "sys/devices/system/clocksource/clocksource0/available_clocksource";
        let cases = [
            (clocks, "xen tsc \n", Hypervisor::XenUnknown),
            (clocks, "tsc hpet acpi_pm \n", Hypervisor::Bare),
            (
                "proc/interrupts",
                "  1:  9  0  xen-percpu    -virq      timer0\n",
                Hypervisor::XenUnknown,
            ),
            (
                "proc/interrupts",
                "  9:  0  0  xen-pirq    -ioapic-level  acpi\n",
                Hypervisor::XenUnknown,
            ),
            (
                "proc/interrupts",
                "  9:  0  0  IO-APIC   9-fasteoi   acpi\n",
                Hypervisor::Bare,
            ),
        ];
        for (name, content, expected) in cases {
            let root = tempfile::tempdir().unwrap();
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
            assert_eq!(
                Hypervisor::from_files(root.path(), false, false),
                expected,
                "{content}"
            );
            assert_eq!(
                Hypervisor::from_files(root.path(), true, false),
                Hypervisor::XenUnknown
            );
        }
        // files that describe the domain have priority
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("sys/hypervisor");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("type"), "xen\n").unwrap();
        fs::write(dir.join("guest_type"), "HVM\n").unwrap();
        assert_eq!(
            Hypervisor::from_files(root.path(), true, false),
            Hypervisor::XenHvmGuest
        );
        assert!(!Hypervisor::XenUnknown.owns_machine() && !Hypervisor::XenUnknown.is_dom0());
    }

    #[test]
    fn only_a_linux_that_owns_its_memory_may_use_kexec_load() {
        assert!(Hypervisor::Bare.owns_machine() && Hypervisor::XenHvmGuest.owns_machine());
        assert!(!Hypervisor::XenPvDom0.owns_machine() && !Hypervisor::XenPvhDom0.owns_machine());
        assert!(Hypervisor::XenPvhDom0.is_dom0() && !Hypervisor::XenPvhGuest.is_dom0());
    }
}
