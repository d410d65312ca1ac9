//! Detects the boot loader of this machine from its files.
//!
//! Nothing is executed or written. The name that a boot loader stores in an EFI
//! variable has priority: files of former boot loaders may exist.

mod detect;
mod steps;
#[cfg(test)]
mod tests;

pub use steps::BootLoaderStep;

use serde::Serialize;
use std::path::Path;

/// The boot loader, and how to add a kernel parameter with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootLoader {
    /// Type of the boot loader.
    pub kind: BootLoaderKind,
    /// File that identifies it, relative to the root; empty for
    /// [`BootLoaderKind::Unknown`].
    pub found: String,
    /// Files that contain `crashkernel=` already, relative to the root.
    pub reserving: Vec<String>,
    /// File written by an older mbtool, relative to the root.
    pub old: Option<String>,
}

/// Type of boot loader, and how its configuration is generated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub enum BootLoaderKind {
    /// GRUB, whose grub.cfg is generated from /etc/default/grub.
    Grub {
        /// True when /etc/default/grub.d/*.cfg is read too.
        drop_in: bool,
        /// Command that generates it.
        command: String,
    },
    /// GRUB with Boot Loader Specification entries, which grubby edits.
    GrubBls,
    /// GRUB with a grub.cfg that is not generated.
    GrubByHand,
    /// systemd-boot with entries made by kernel-install.
    KernelInstall {
        /// True when /etc/kernel/cmdline exists.
        cmdline: bool,
        /// File of the running kernel.
        kernel: String,
    },
    /// systemd-boot with manually written entries.
    Entries,
    /// extlinux.conf made by u-boot-update.
    UBootMenu,
    /// extlinux.conf made by update-extlinux.
    UpdateExtlinux,
    /// extlinux.conf or syslinux.cfg, manually written.
    Syslinux,
    /// xen.efi, started by firmware, with its own configuration file.
    XenCfg,
    /// Unknown boot loader.
    Unknown,
}

impl BootLoader {
    /// Detects it below `root` ("/" for the running machine). `release` is the
    /// running kernel's release (`uname -r`). With `xen`, the parameter is for the
    /// Xen below this Linux.
    #[must_use]
    pub fn detect(root: &Path, release: &str, xen: bool) -> Self {
        detect::Files { root, release, xen }.detect()
    }

    /// Returns the usual name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self.kind {
            BootLoaderKind::Grub { .. } | BootLoaderKind::GrubBls | BootLoaderKind::GrubByHand => {
                "GRUB"
            }
            BootLoaderKind::KernelInstall { .. } | BootLoaderKind::Entries => "systemd-boot",
            BootLoaderKind::UBootMenu | BootLoaderKind::UpdateExtlinux => "extlinux",
            BootLoaderKind::Syslinux => "extlinux or syslinux",
            BootLoaderKind::XenCfg => "xen.efi",
            BootLoaderKind::Unknown => "unknown",
        }
    }
}
