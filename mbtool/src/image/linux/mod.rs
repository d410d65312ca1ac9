//! Linux for x86-64: a bzImage by its setup header, or an ELF `vmlinux`.
//!
//! Both are entered by the 64-bit boot protocol (Linux,
//! Documentation/arch/x86/boot.rst) and told everything in one page,
//! `struct boot_params`. What of the setup header goes there is in [`Setup`].

mod bzimage;
mod setup;
#[cfg(test)]
mod tests;
mod vmlinux;

pub(super) use bzimage::layout;
pub(super) use setup::{is_bzimage, packed};
pub(super) use vmlinux::{is_vmlinux, layout as vmlinux_layout};

use serde::Serialize;

/// Where `struct setup_header` starts in a boot sector and in `boot_params`.
pub const HEADER: usize = 0x1f1;
/// Where `boot_params` has something else again.
pub const HEADER_END: usize = 0x290;
/// `xloadflags` bit 0: has a 64-bit entry point 0x200 bytes into its
/// protected-mode part.
pub const XLF_KERNEL_64: u16 = 1;
/// `xloadflags` bit 1: kernel, `boot_params` and initrd may lie anywhere.
pub const XLF_ANYWHERE: u16 = 1 << 1;
/// `xloadflags` bit 4: takes EFI over from another kernel (`SETUP_EFI`).
pub const XLF_EFI_KEXEC: u16 = 1 << 4;
/// `xloadflags` bit 5: may be entered with five levels of page tables.
pub const XLF_5LEVEL: u16 = 1 << 5;
/// Bytes of a command line that every kernel takes, without the NUL: what a
/// vmlinux, which does not say, is given (`COMMAND_LINE_SIZE` of x86).
const CMDLINE_SIZE: u32 = 2047;
/// The oldest protocol that has a 64-bit entry point: 2.12, Linux 3.8.
const OLDEST: u16 = 0x20c;
/// The protocol that a vmlinux is booted by: 2.15, Linux 5.5.
const VMLINUX_PROTOCOL: u16 = 0x20f;

/// What a kernel says of itself to its loader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setup {
    /// "6.1.0-50-amd64 (...) #1 SMP ...", where it is found.
    pub kernel_version: Option<String>,
    /// Boot protocol: 0x20f is 2.15.
    pub version: u16,
    /// False for a vmlinux, which has no setup header: the rest of the fields
    /// are then what holds for every such kernel.
    pub bzimage: bool,
    /// Sectors of 512 bytes of real-mode code after the boot sector.
    pub setup_sects: u8,
    /// Bytes of the protected-mode part by the header (`syssize` times 16).
    pub system_bytes: u64,
    /// Alignment of a load address that is chosen freely.
    pub alignment: u32,
    /// The least alignment that it says to work with.
    pub min_alignment: u32,
    /// False: it only works at `pref_address`.
    pub relocatable: bool,
    /// Where it wants to be.
    pub pref_address: u64,
    /// Bytes of memory that it needs from its load address on, to unpack.
    pub init_size: u32,
    /// Most bytes of command line, without the NUL.
    pub cmdline_size: u32,
    /// Highest address of the initrd's last byte.
    pub initrd_addr_max: u32,
    /// `xloadflags`.
    pub xloadflags: u16,
    /// Where the compressed kernel is, from the start of the protected-mode
    /// part, and its length.
    pub payload: Option<Payload>,
    /// The setup header as `boot_params` takes it, from [`HEADER`] on.
    #[serde(skip)]
    pub header: Vec<u8>,
}

/// A part of a bzImage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Payload {
    /// From the start of the protected-mode part.
    pub offset: u32,
    /// In bytes.
    pub length: u32,
}

impl Setup {
    /// The first word of the version: "6.1.0-50-amd64".
    #[must_use]
    pub fn release(&self) -> Option<&str> {
        self.kernel_version.as_deref()?.split_whitespace().next()
    }

    /// The protocol as people write it: "2.15".
    #[must_use]
    pub fn protocol(&self) -> String {
        format!("{}.{:02}", self.version >> 8, self.version & 0xff)
    }

    /// True when all bits of `flag` are set in `xloadflags`.
    #[must_use]
    pub const fn can(&self, flag: u16) -> bool {
        self.xloadflags & flag == flag
    }

    /// One past the last byte that an initrd may have. A kernel that may lie
    /// anywhere reads it from anywhere, too (Linux 3.8), whatever its limit for
    /// older loaders is.
    #[must_use]
    pub fn initrd_end(&self) -> u64 {
        if self.can(XLF_ANYWHERE) {
            return u64::MAX;
        }
        u64::from(self.initrd_addr_max) + 1
    }

    /// True when `boot_params.acpi_rsdp_addr` is read by every kernel that
    /// speaks this protocol (2.15, Linux 5.5; the field itself is of 5.0).
    #[must_use]
    pub const fn takes_rsdp(&self) -> bool {
        self.version >= 0x20f
    }
}
