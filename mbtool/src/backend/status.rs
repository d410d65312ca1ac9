//! Loaded images, and the state of the machine.

use super::xen::status::XenKexec;
use crate::arch::Architecture;
use crate::host::hypervisor::Hypervisor;
use crate::host::kexec_state::KernelState;
use crate::host::sbi::SbiFacts;
use crate::host::{self, Host};
use serde::Serialize;
use std::fmt;
use std::path::Path;

/// Boot method of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FirmwareKind {
    /// UEFI.
    Efi,
    /// A BIOS, or a loader like one.
    Bios,
    /// SBI, without UEFI.
    Sbi,
    /// A loader that passes a device tree, without UEFI and SBI.
    #[serde(rename = "device-tree")]
    DeviceTree,
}

impl fmt::Display for FirmwareKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Efi => "UEFI",
            Self::Bios => "BIOS",
            Self::Sbi => "SBI",
            Self::DeviceTree => "device tree",
        })
    }
}

/// The document of `status --json`. All fields of [`KernelState`] and [`Host`]
/// are at the top level, so that `plan --memory-map` can read it; those of
/// [`Host`] are missing if the memory map could not be read.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// State of the running kernel's kexec.
    #[serde(flatten)]
    pub kernel: KernelState,
    /// Backend of this machine: "linux", "xen", or none.
    pub backend: Option<&'static str>,
    /// State of Xen's kexec, in a PV dom0.
    pub xen_kexec: Option<XenKexec>,
    /// Boot method of the machine, if Linux has it.
    pub firmware: FirmwareKind,
    /// The machine's memory.
    #[serde(flatten)]
    pub host: Option<Host>,
    /// Facts that could not be determined, and irregularities.
    pub warnings: Vec<String>,
}

impl Status {
    /// Reads everything below `root` ("/" for the real machine). It does not
    /// fail: what cannot be read is a warning.
    #[must_use]
    pub fn read(root: &Path) -> Self {
        let (host, mut warnings) = match host::read(root) {
            Ok((host, warnings)) => (Some(host), warnings),
            Err(err) => (None, vec![err.to_string()]),
        };
        let efi = host::efi::present(root);
        let sbi = match &host {
            Some(host) => host.sbi,
            None => SbiFacts::read(root),
        };
        let firmware = match (efi, sbi) {
            (true, _) => FirmwareKind::Efi,
            (false, Some(_)) => FirmwareKind::Sbi,
            (false, None) if Architecture::NATIVE.has_device_tree() => FirmwareKind::DeviceTree,
            (false, None) => FirmwareKind::Bios,
        };
        let mut kernel = KernelState::read(root);
        let dom0 = kernel.hypervisor == Hypervisor::XenPvDom0;
        let xen_kexec = dom0.then(|| XenKexec::read(root, &mut warnings));
        if let Some(xen) = &xen_kexec {
            // Linux knows only its own images, and there can be none
            kernel.loaded = xen.default.is_loaded();
            kernel.crash_loaded = xen.crash.is_loaded();
        }
        let backend = match kernel.hypervisor {
            Hypervisor::XenPvDom0 => Some("xen"),
            hypervisor => hypervisor.owns_machine().then_some("linux"),
        };
        Self {
            kernel,
            backend,
            xen_kexec,
            firmware,
            host,
            warnings,
        }
    }

    /// The firmware with the name of the SBI implementation, if known.
    #[must_use]
    pub fn firmware_text(&self) -> String {
        let sbi = self.host.as_ref().and_then(|host| host.sbi);
        let Some(sbi) = sbi.and_then(|sbi| sbi.implementation) else {
            return self.firmware.to_string();
        };
        match self.firmware {
            FirmwareKind::Sbi => format!("SBI ({sbi})"),
            other => format!("{other}, SBI ({sbi})"),
        }
    }
}
