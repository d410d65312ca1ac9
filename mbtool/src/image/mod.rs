//! Parses files into an [`Image`]: segments to load, and requirements of the
//! loader.
//!
//! An image does not depend on the memory map. It has requirements; the planner
//! chooses addresses.
//!
//! [`Image::parse_as`] reads a file in this order: the header of its protocol ([`header`]
//! and [`tags`] for Multiboot2, [`mb1`], [`pvh`], [`linux`]), then the program by
//! addresses in that header (`flat`) or by ELF program headers (`elf`), then checks the
//! entry point. [`Image::at`] moves the result. All sizes and addresses in the file are
//! untrusted input.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::unwrap_used)]

mod bytes;
pub mod cpio;
pub mod dom0;
mod elf;
pub mod error;
mod explain;
mod flat;
pub mod header;
pub mod kind;
mod layout;
pub mod linker;
pub mod linux;
pub mod mb1;
mod merge;
mod notes;
mod parse;
pub mod parts;
mod pe;
mod place;
pub mod pvh;
mod relocs;
#[doc(hidden)]
pub mod synth;
pub mod tags;
#[cfg(test)]
mod tests;
pub mod unified;
mod xen_efi;

pub use elf::linked_entry;
pub use error::{ImageError, ImageErrorReason};
pub use kind::FileKind;
pub use parse::As;

use crate::abi::multiboot2::ConsoleFlags;
use crate::arch::Architecture;
use handoff::addr::PhysRange;
use serde::{Serialize, Serializer};
use xen_shim::XenInfo;

/// Container format of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// ELF, 32-bit class.
    Elf32,
    /// ELF, 64-bit class.
    Elf64,
    /// Not ELF: placed by the Multiboot2 address tag.
    Flat,
    /// PE image: xen.efi.
    Pe,
    /// Linux bzImage: setup code and a self-extracting kernel.
    BzImage,
    /// Linux `Image`: the kernel as it is in memory, without its zeros.
    Image,
    /// Linux zImage of 32-bit ARM: unpacks itself.
    ZImage,
}

/// Boot protocol: selects the entry state and the builder of the boot
/// information ([`crate::plan::boot`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Multiboot2; what the header asks for is in [`Image::requirements`].
    Multiboot2,
    /// Multiboot (1).
    Multiboot1(mb1::Mb1Header),
    /// The PVH entry of a Xen guest kernel.
    Pvh,
    /// Linux's 64-bit boot protocol.
    Linux(linux::Setup),
    /// Linux with a device tree.
    DtLinux(linux::DtImage),
    /// Xen with a device tree.
    DtXen(linux::DtImage, XenInfo),
}

impl Protocol {
    /// Returns the name of the protocol, as in `--type` and in `image.type` of
    /// a plan.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Multiboot2 => "multiboot2",
            Self::Multiboot1(_) => "multiboot",
            Self::Pvh => "pvh",
            Self::Linux(_) | Self::DtLinux(_) => "linux",
            Self::DtXen(..) => "xen",
        }
    }

    /// True for a kernel that, as a crash image, dumps the crashed system. It
    /// gets an ELF core header, and only the memory of the crash region.
    #[must_use]
    pub const fn dumps(&self) -> bool {
        match self {
            Self::Multiboot2 | Self::Multiboot1(_) | Self::Pvh | Self::DtXen(..) => false,
            Self::Linux(_) | Self::DtLinux(_) => true,
        }
    }

    /// The machine that enters images by it.
    #[must_use]
    pub const fn architecture(&self) -> Architecture {
        match self {
            Self::DtLinux(image) | Self::DtXen(image, _) => match image.machine {
                linux::DtImageMachine::Riscv64 => Architecture::Riscv64,
                linux::DtImageMachine::Arm64 => Architecture::Arm64,
                linux::DtImageMachine::Arm => Architecture::Arm,
            },
            Self::Multiboot2 | Self::Multiboot1(_) | Self::Pvh | Self::Linux(_) => {
                Architecture::X86_64
            }
        }
    }

    /// True for Linux, by whatever protocol of its own.
    #[must_use]
    pub const fn is_linux(&self) -> bool {
        matches!(self, Self::Linux(_) | Self::DtLinux(_))
    }
}

/// One contiguous range of memory of an image, at its link address.
///
/// Segments of an [`Image`] are sorted, do not overlap, and need not be page
/// aligned. No two segments share a page: `PT_LOAD`s that do are merged. If more
/// than 64 KiB of zeros lie between their bytes, they become two segments that
/// meet at the start of the shared page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadSegment {
    /// Memory occupied, at the link (or preferred) physical address.
    pub range: PhysRange,
    /// File bytes at the start of the range; never longer than `range`. The
    /// rest is zero.
    pub data: Vec<u8>,
}

/// Multiboot2 header tag 10's placement preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Preference {
    /// 0: anywhere.
    None,
    /// 1: lowest possible address.
    Lowest,
    /// 2: highest possible address.
    Highest,
}

/// Constraints on the load address of the whole image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Relocatable {
    /// Lowest physical address of the image's first byte.
    pub min: u64,
    /// Highest physical address of the image's last byte (inclusive, as in the tag).
    pub max: u64,
    /// Alignment of the image's start, in bytes: a power of two, at least 1.
    pub align: u64,
    /// End of memory to try first.
    pub preference: Preference,
}

/// One information tag that the image requests in the MBI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct InfoRequest {
    /// Multiboot2 *information* tag type.
    pub tag: u32,
    /// False when the request tag was marked optional.
    pub required: bool,
}

/// Header tag 5: requested video mode. Zero means no preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FramebufferRequest {
    /// Pixels or columns.
    pub width: u32,
    /// Pixels or rows.
    pub height: u32,
    /// Bits per pixel, 0 for text.
    pub depth: u32,
    /// True when the tag was not marked optional.
    pub required: bool,
}

/// Header tag 4: console flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ConsoleRequest {
    /// Flags field.
    #[serde(serialize_with = "console_flags")]
    pub flags: ConsoleFlags,
    /// True when the tag was not marked optional.
    pub required: bool,
}

fn console_flags<S: Serializer>(flags: &ConsoleFlags, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32(flags.bits())
}

/// The contents of a Multiboot2 header, by tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Requirements {
    /// Byte offset of the header in the (decompressed) file.
    pub header_offset: u64,
    /// Tag 1: requested information tags.
    pub info_requests: Vec<InfoRequest>,
    /// Tag 2: header_addr, load_addr, load_end_addr, bss_end_addr.
    pub address: Option<[u32; 4]>,
    /// Tag 3: entry address.
    pub entry_address: Option<u32>,
    /// Tag 4: console flags.
    pub console: Option<ConsoleRequest>,
    /// Tag 5: framebuffer.
    pub framebuffer: Option<FramebufferRequest>,
    /// Tag 6: modules must be page aligned (always done).
    pub module_align: bool,
    /// Tag 7: the image requests EFI boot services (unavailable after a kernel
    /// has run).
    pub efi_boot_services: bool,
    /// Tag 8: EFI i386 entry; unusable after boot services have ended.
    pub efi32_entry: Option<u32>,
    /// Tag 9: EFI amd64 entry; unusable likewise.
    pub efi64_entry: Option<u32>,
    /// Tag 10: relocation constraints. Without it, only an `ET_DYN` image can
    /// be moved.
    pub relocatable: Option<Relocatable>,
    /// Types of optional tags that are unknown and ignored.
    pub ignored_tags: Vec<u16>,
}

/// An ELF note, for `inspect`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ElfNote {
    /// Owner, for instance "GNU" or "Xen".
    pub name: String,
    /// Type number.
    pub kind: u32,
    /// Raw descriptor.
    pub desc: Vec<u8>,
}

/// ELF section header table, passed in MBI tag 9. Sections without `SHF_ALLOC`
/// are not loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sections {
    /// Number of entries.
    pub num: u32,
    /// Bytes per entry.
    pub entsize: u32,
    /// Index of the section name string table.
    pub shndx: u32,
    /// The raw table.
    pub bytes: Vec<u8>,
}

/// A base-relative relocation of an `ET_DYN` image: `*(base + offset) = base +
/// addend`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelativeReloc {
    /// Link (physical) address of the word.
    pub addr: u64,
    /// Link-time value; the load delta is added to it.
    pub addend: u64,
    /// 4 (R_386_RELATIVE) or 8 (R_X86_64_RELATIVE) bytes.
    pub width: u8,
}

/// A decompressed, parsed and checked image.
#[derive(Clone, Debug)]
pub struct Image {
    /// File name, for messages.
    pub name: String,
    /// Protocol that the image is entered by.
    pub protocol: Protocol,
    /// True when the file has a Multiboot2 header, whatever `protocol` is.
    pub has_multiboot2: bool,
    /// Container format.
    pub format: Format,
    /// True for `ET_DYN` with equal virtual and physical addresses, or without
    /// relocations: with `relocs` applied it runs at any address.
    pub position_independent: bool,
    /// Segments at link addresses.
    pub segments: Vec<LoadSegment>,
    /// Range from the first byte of the first segment to the end of the last.
    pub span: PhysRange,
    /// 32-bit entry point: a physical link address inside `segments`.
    pub entry: u64,
    /// The Multiboot2 header; for other protocols only `relocatable` is used.
    pub requirements: Requirements,
    /// ELF notes. Empty, with a warning, when they are broken.
    pub notes: Vec<ElfNote>,
    /// Section headers for MBI tag 9.
    pub sections: Option<Sections>,
    /// Relocations to apply when the image is moved.
    pub relocs: Vec<RelativeReloc>,
    /// Alignment from the program headers, at least 1; the planner uses at
    /// least a page.
    pub align: u64,
    /// Warnings for the user.
    pub warnings: Vec<String>,
}

/// An image at its final address.
#[derive(Clone, Debug)]
pub struct PlacedImage {
    /// Segments at their run-time addresses, relocations applied.
    pub segments: Vec<LoadSegment>,
    /// Entry point, physical.
    pub entry: u64,
    /// Start of the span, for MBI tag 21 (load base address).
    pub base: u64,
}
