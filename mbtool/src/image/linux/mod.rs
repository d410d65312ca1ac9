//! Linux for x86-64: a bzImage by its setup header, or an ELF `vmlinux`.
//!
//! Both are entered by the 64-bit boot protocol (Linux,
//! Documentation/arch/x86/boot.rst), with `struct boot_params` (one page) as
//! the only parameter. [`Setup`] has the part of it that comes from the setup
//! header.
//!
//! `dt_image` reads the header of kernels for other machines, which get a device tree; `zboot` unpacks them.

mod bzimage;
mod dt_elf;
mod dt_image;
mod setup;
#[cfg(test)]
mod tests;
mod vmlinux;
mod zboot;
mod zimage;

pub(super) use bzimage::layout;
pub(super) use dt_elf::layout as dt_elf_layout;
pub(super) use dt_image::layout as dt_layout;
pub use dt_image::{DtImage, DtImageError, DtImageMachine, IMAGE_ALIGN};
pub(super) use setup::{EntryForm, entry_form, is_bzimage, packed, version_of};
pub(super) use vmlinux::{is_vmlinux, layout as vmlinux_layout};
pub use zboot::{ZbootError, unpacked};
pub(super) use zboot::{header as zboot_header, is_zboot, unpack as unpack_zboot};
pub(super) use zimage::layout as zimage_layout;
pub use zimage::{ARM_KERNEL_FLOOR, ZImageError, is_zimage};

use crate::abi::boot_params::{SetupHeader, XLoadFlags};
use serde::{Serialize, Serializer};

/// Maximum length of the command line that every kernel accepts, without the
/// NUL (`COMMAND_LINE_SIZE` of x86). Used for a vmlinux, which has no setup
/// header.
const CMDLINE_SIZE: u32 = 2047;
/// Oldest supported boot protocol, the first with a 64-bit entry point: 2.12,
/// Linux 3.8.
const OLDEST: u16 = 0x20c;
/// Boot protocol assumed for a vmlinux: 2.15, Linux 5.5.
const VMLINUX_PROTOCOL: u16 = 0x20f;

/// The fields of the setup header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setup {
    /// Version string, for instance "6.1.0-50-amd64 (...) #1 SMP ...", if
    /// found.
    pub kernel_version: Option<String>,
    /// Boot protocol version: 0x20f is 2.15.
    pub version: u16,
    /// False for a vmlinux, which has no setup header: the other fields then
    /// have values that hold for every such kernel.
    pub bzimage: bool,
    /// Number of 512-byte sectors of real-mode code after the boot sector.
    pub setup_sects: u8,
    /// Size of the protected-mode part from the header (`syssize` * 16), in
    /// bytes.
    pub system_bytes: u64,
    /// Preferred alignment of the load address, in bytes.
    pub alignment: u32,
    /// Minimum alignment of the load address, in bytes.
    pub min_alignment: u32,
    /// False when the kernel only runs at `pref_address`.
    pub relocatable: bool,
    /// Preferred load address.
    pub pref_address: u64,
    /// Memory needed from the load address for decompression, in bytes.
    pub init_size: u32,
    /// Maximum length of the command line, without the NUL.
    pub cmdline_size: u32,
    /// Highest address of the initrd's last byte.
    pub initrd_addr_max: u32,
    /// `xloadflags`.
    #[serde(serialize_with = "bits")]
    pub xloadflags: XLoadFlags,
    /// Location of the compressed kernel in the protected-mode part.
    pub payload: Option<Payload>,
    /// The setup header as `boot_params` takes it; zeros for a vmlinux.
    #[serde(skip)]
    pub header: Box<SetupHeader>,
}

fn bits<S: Serializer>(flags: &XLoadFlags, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(flags.bits())
}

/// A part of a bzImage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Payload {
    /// Offset from the start of the protected-mode part.
    pub offset: u32,
    /// Length in bytes.
    pub length: u32,
}

impl Setup {
    /// Returns the release in the version string: "6.1.0-50-amd64".
    #[must_use]
    pub fn release(&self) -> Option<&str> {
        self.kernel_version.as_deref()?.split_whitespace().next()
    }

    /// Returns the protocol version as "major.minor": "2.15".
    #[must_use]
    pub fn protocol(&self) -> String {
        format!("{}.{:02}", self.version >> 8, self.version & 0xff)
    }

    /// True when all bits of `flag` are set in `xloadflags`.
    #[must_use]
    pub const fn can(&self, flag: XLoadFlags) -> bool {
        self.xloadflags.contains(flag)
    }

    /// Returns the upper bound (exclusive) of the initrd's address. A kernel
    /// with `XLF_ANYWHERE` reads an initrd at any address (Linux 3.8), whatever
    /// `initrd_addr_max` is.
    #[must_use]
    pub fn initrd_end(&self) -> u64 {
        if self.can(XLoadFlags::CAN_BE_LOADED_ABOVE_4G) {
            return u64::MAX;
        }
        u64::from(self.initrd_addr_max) + 1
    }

    /// True when every kernel with this protocol version reads
    /// `boot_params.acpi_rsdp_addr` (2.15, Linux 5.5; the field itself is from
    /// 5.0).
    #[must_use]
    pub const fn takes_rsdp(&self) -> bool {
        self.version >= 0x20f
    }
}
