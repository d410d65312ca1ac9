//! What is started on a machine with a device tree.

use super::Request;
use crate::arch::Architecture;
use crate::image::Protocol;
use crate::image::linux::{DtImage, DtImageMachine};
use handoff::addr::align_up;
use xen_shim::{XenInfo, arm};

/// A kernel for a machine with a device tree.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DtTarget<'a> {
    /// Linux.
    Linux(&'a DtImage),
    /// Xen on arm64.
    Xen(&'a DtImage, &'a XenInfo),
}

impl<'a> DtTarget<'a> {
    /// The target of a request; `None` for an image that needs no device tree.
    pub fn of(request: &'a Request) -> Option<Self> {
        match &request.image.protocol {
            Protocol::DtLinux(image) => Some(Self::Linux(image)),
            Protocol::DtXen(image, info) => Some(Self::Xen(image, info)),
            Protocol::Multiboot2 | Protocol::Multiboot1(_) | Protocol::Pvh | Protocol::Linux(_) => {
                None
            }
        }
    }

    /// Memory that it takes from its first byte, in bytes. Xen maps itself in parts of 2 MiB.
    pub fn memory(self) -> u64 {
        match self {
            Self::Linux(image) => image.memory(),
            Self::Xen(image, _) => align_up(image.memory(), arm::ALIGN).unwrap_or(u64::MAX),
        }
    }

    /// Distance of the image's first byte from the start of that memory: a zImage of 32-bit ARM lies above the kernel
    /// that it unpacks.
    pub const fn image_offset(self) -> u64 {
        match self {
            Self::Linux(image) if matches!(image.machine, DtImageMachine::Arm) => image.text_offset,
            Self::Linux(_) | Self::Xen(..) => 0,
        }
    }

    /// True for a Linux that may not use memory below its own: for riscv64 before Linux 6.4.
    pub fn may_ignore_low_memory(self) -> bool {
        matches!(self, Self::Linux(image) if image.machine == DtImageMachine::Riscv64)
    }

    /// The exit of the report.
    pub const fn mode(self, arch: Architecture) -> &'static str {
        match (self, arch) {
            (Self::Xen(..), _) => "xen-arm64",
            (Self::Linux(_), Architecture::Arm64) => "linux-arm64",
            (Self::Linux(_), Architecture::Arm) => "linux-arm",
            (Self::Linux(_), _) => "linux-riscv64",
        }
    }
}
