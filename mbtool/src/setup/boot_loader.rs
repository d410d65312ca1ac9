//! Which boot loader starts this machine, as its files tell.
//!
//! Nothing is run and nothing is written. What the boot loader left in an EFI
//! variable counts most: files of another one may still be there.

mod detect;
mod steps;
#[cfg(test)]
mod tests;

pub use steps::Step;

use serde::Serialize;
use std::path::Path;

/// The boot loader, and how a word gets onto a command line there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootLoader {
    /// Which one.
    pub kind: Kind,
    /// The file that tells, from the root; empty for [`Kind::Unknown`].
    pub found: String,
    /// Files that have a `crashkernel=` already, from the root.
    pub reserving: Vec<String>,
    /// A file that an older mbtool had written, from the root.
    pub old: Option<String>,
}

/// What it is, and by what its configuration is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub enum Kind {
    /// GRUB, whose grub.cfg is generated from /etc/default/grub.
    Grub {
        /// /etc/default/grub.d/*.cfg is read, too.
        drop_in: bool,
        /// What generates it.
        command: String,
    },
    /// GRUB with Boot Loader Specification entries, which grubby edits.
    GrubBls,
    /// GRUB with a grub.cfg that nobody generates.
    GrubByHand,
    /// systemd-boot, and kernel-install makes its entries.
    KernelInstall {
        /// /etc/kernel/cmdline is there.
        cmdline: bool,
        /// The running kernel's file.
        kernel: String,
    },
    /// systemd-boot, with entries made by hand.
    Entries,
    /// extlinux.conf made by u-boot-update.
    UBootMenu,
    /// extlinux.conf made by update-extlinux.
    UpdateExtlinux,
    /// extlinux.conf or syslinux.cfg made by hand.
    Syslinux,
    /// xen.efi, started by firmware, with a configuration of its own.
    XenCfg,
    /// None that is known.
    Unknown,
}

impl BootLoader {
    /// Finds it below `root` ("/" for the running machine). `release`: what `uname
    /// -r` says. `xen`: the word is for Xen, which runs below this Linux.
    #[must_use]
    pub fn detect(root: &Path, release: &str, xen: bool) -> Self {
        detect::Files { root, release, xen }.detect()
    }

    /// What people call it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self.kind {
            Kind::Grub { .. } | Kind::GrubBls | Kind::GrubByHand => "GRUB",
            Kind::KernelInstall { .. } | Kind::Entries => "systemd-boot",
            Kind::UBootMenu | Kind::UpdateExtlinux => "extlinux",
            Kind::Syslinux => "extlinux or syslinux",
            Kind::XenCfg => "xen.efi",
            Kind::Unknown => "unknown",
        }
    }
}
