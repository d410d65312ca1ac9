//! The running kernel's kexec state.

use super::hypervisor::Hypervisor;
use crate::sys::file;
use crate::sys::number;
use serde::Serialize;
use std::fmt;
use std::path::Path;

/// Bit of CAP_SYS_BOOT in a capability set (Linux, capability.h).
const CAP_SYS_BOOT: u32 = 22;
/// Bit of CAP_SYS_ADMIN.
const CAP_SYS_ADMIN: u32 = 21;

/// Kernel lockdown (/sys/kernel/security/lockdown).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Lockdown {
    /// Off, not supported by this kernel, or securityfs is not mounted.
    #[default]
    None,
    /// Integrity: the running kernel cannot be modified.
    Integrity,
    /// Confidentiality: nor can its memory be read.
    Confidentiality,
}

impl fmt::Display for Lockdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Integrity => "integrity",
            Self::Confidentiality => "confidentiality",
        })
    }
}

/// A snapshot. `None` means unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KernelState {
    /// An image for `exec` is loaded.
    pub loaded: Option<bool>,
    /// A crash image is loaded.
    pub crash_loaded: Option<bool>,
    /// Bytes reserved for a crash kernel.
    pub crash_size: Option<u64>,
    /// False if sysfs is mounted and has no kexec files; true otherwise.
    pub kexec: bool,
    /// This process has CAP_SYS_BOOT.
    pub cap_sys_boot: Option<bool>,
    /// This process has CAP_SYS_ADMIN.
    pub cap_sys_admin: Option<bool>,
    /// Sysctl kernel.kexec_load_disabled.
    pub kexec_load_disabled: Option<bool>,
    /// Sysctl kernel.kexec_load_limit_reboot; -1: no limit.
    pub kexec_load_limit_reboot: Option<i64>,
    /// Sysctl kernel.kexec_load_limit_panic; -1: no limit.
    pub kexec_load_limit_panic: Option<i64>,
    /// Kernel lockdown.
    pub lockdown: Lockdown,
    /// securityfs is not mounted, so lockdown is unknown.
    pub lockdown_hidden: bool,
    /// EFI Secure Boot, from its variable.
    pub secure_boot: Option<bool>,
    /// Detected hypervisor.
    #[serde(rename = "under")]
    pub hypervisor: Hypervisor,
}

impl KernelState {
    /// Reads the state below `root` ("/" for the real machine).
    #[must_use]
    pub fn read(root: &Path) -> Self {
        // kernels from 2026 on have a directory; the old names disappear after
        // 2028
        let kexec = |new: &str, old: &str| {
            let old = root.join("sys/kernel").join(old);
            trimmed(&root.join("sys/kernel/kexec").join(new)).or_else(|| trimmed(&old))
        };
        let flag = |text: Option<String>| match text?.as_str() {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        };
        let sysctl = |name: &str| trimmed(&root.join("proc/sys/kernel").join(name));
        let limit = |name: &str| sysctl(name).and_then(|text| text.parse().ok());
        let loaded = flag(kexec("loaded", "kexec_loaded"));
        Self {
            loaded,
            crash_loaded: flag(kexec("crash_loaded", "kexec_crash_loaded")),
            crash_size: kexec("crash_size", "kexec_crash_size")
                .and_then(|text| number::parse(&text)),
            kexec: loaded.is_some() || !root.join("sys/kernel").is_dir(),
            cap_sys_boot: capability(&root.join("proc/self/status"), CAP_SYS_BOOT),
            cap_sys_admin: capability(&root.join("proc/self/status"), CAP_SYS_ADMIN),
            kexec_load_disabled: flag(sysctl("kexec_load_disabled")),
            kexec_load_limit_reboot: limit("kexec_load_limit_reboot"),
            kexec_load_limit_panic: limit("kexec_load_limit_panic"),
            lockdown: lockdown(&root.join("sys/kernel/security/lockdown")),
            lockdown_hidden: is_empty(&root.join("sys/kernel/security")),
            secure_boot: secure_boot(root),
            hypervisor: Hypervisor::read(root),
        }
    }

    /// True when an image is loaded that `unload`, or a load with this flag,
    /// would replace.
    #[must_use]
    pub const fn loaded_for(&self, crash: bool) -> Option<bool> {
        if crash {
            self.crash_loaded
        } else {
            self.loaded
        }
    }
}

fn trimmed(path: &Path) -> Option<String> {
    file::read(path, file::ATTRIBUTE)
        .ok()
        .map(|text| text.trim().to_owned())
}

/// Reads a bit of the effective capability set from /proc/self/status.
fn capability(path: &Path, bit: u32) -> Option<bool> {
    let status = file::read(path, file::LISTING).ok()?;
    let set = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    Some(number::hex(set.trim())? & (1 << bit) != 0)
}

/// Parses the bracketed choice in `none [integrity] confidentiality`.
fn lockdown(path: &Path) -> Lockdown {
    let modes = trimmed(path).unwrap_or_default();
    if modes.contains("[integrity]") {
        Lockdown::Integrity
    } else if modes.contains("[confidentiality]") {
        Lockdown::Confidentiality
    } else {
        Lockdown::None
    }
}

/// True for a directory that is empty (nothing is mounted) or not accessible.
fn is_empty(directory: &Path) -> bool {
    match std::fs::read_dir(directory) {
        Ok(mut entries) => entries.next().is_none(),
        Err(err) => err.kind() != std::io::ErrorKind::NotFound,
    }
}

/// Reads the last byte of the variable (after four bytes of attributes).
fn secure_boot(root: &Path) -> Option<bool> {
    let name = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    let bytes = file::read_bytes(&root.join(name), file::ATTRIBUTE).ok()?;
    bytes.get(4).map(|value| *value == 1)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::sys::testing::put;
    use std::fs;

    #[test]
    fn everything_is_read() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        put(root, "sys/kernel/kexec_loaded", "0\n");
        put(root, "sys/kernel/kexec_crash_loaded", "1\n");
        put(root, "sys/kernel/kexec_crash_size", "268435456\n");
        put(
            root,
            "proc/self/status",
            "Name:\tmbtool\nCapEff:\t0000000000400000\n",
        );
        put(root, "proc/sys/kernel/kexec_load_disabled", "0\n");
        put(root, "proc/sys/kernel/kexec_load_limit_reboot", "-1\n");
        put(root, "proc/sys/kernel/kexec_load_limit_panic", "3\n");
        put(
            root,
            "sys/kernel/security/lockdown",
            "none [integrity] confidentiality\n",
        );
        let efivars = "sys/firmware/efi/efivars";
        let name = format!("{efivars}/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c");
        put(root, &name, [6, 0, 0, 0, 1]);
        let expected = KernelState {
            loaded: Some(false),
            crash_loaded: Some(true),
            crash_size: Some(256 << 20),
            kexec: true,
            cap_sys_boot: Some(true),
            cap_sys_admin: Some(false),
            kexec_load_disabled: Some(false),
            kexec_load_limit_reboot: Some(-1),
            kexec_load_limit_panic: Some(3),
            lockdown: Lockdown::Integrity,
            lockdown_hidden: false,
            secure_boot: Some(true),
            hypervisor: Hypervisor::Bare,
        };
        assert_eq!(KernelState::read(root), expected);
        // the new names have priority
        put(root, "sys/kernel/kexec/loaded", "1\n");
        put(root, "sys/kernel/kexec/crash_size", "0\n");
        let expected = KernelState {
            loaded: Some(true),
            crash_size: Some(0),
            ..expected
        };
        assert_eq!(KernelState::read(root), expected);
        assert_eq!(expected.loaded_for(false), Some(true));
        assert_eq!(expected.loaded_for(true), Some(true));
    }

    #[test]
    fn missing_or_invalid_values_are_unknown() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        // without sysfs the state of kexec is unknown
        assert_eq!(
            KernelState::read(root),
            KernelState {
                kexec: true,
                ..Default::default()
            }
        );
        fs::create_dir_all(root.join("sys/kernel/security")).unwrap();
        assert!(KernelState::read(root).lockdown_hidden);
        put(
            root,
            "sys/kernel/security/lockdown",
            "[none] integrity confidentiality\n",
        );
        assert_eq!(KernelState::read(root), KernelState::default());
        put(root, "sys/kernel/kexec_loaded", "maybe\n");
        put(root, "proc/self/status", "CapEff:\tzz\n");
        put(root, "proc/sys/kernel/kexec_load_disabled", [0xff, 0]);
        assert_eq!(KernelState::read(root), KernelState::default());
        put(root, "proc/self/status", "CapEff:\t00000000ffbfffff\n");
        assert_eq!(KernelState::read(root).cap_sys_boot, Some(false));
        assert_eq!(KernelState::read(root).cap_sys_admin, Some(true));
        put(
            root,
            "sys/kernel/security/lockdown",
            "none integrity [confidentiality]\n",
        );
        assert_eq!(KernelState::read(root).lockdown, Lockdown::Confidentiality);
    }
}
