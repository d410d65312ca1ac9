//! From bytes to an [`Image`]: what to put where, and what it asks of a loader.
//!
//! An image never sees the memory map. It says what it must have; the planner
//! decides where.
//!
//! [`Image::parse_as`] reads a file in this order: the header of its protocol
//! ([`header`] and [`tags`] for Multiboot2, [`mb1`], [`pvh`], [`linux`]), then the program
//! by addresses in that header (`flat`) or by ELF program headers (`elf`), then
//! checks the entry point. [`Image::at`] moves the result. All sizes and
//! addresses come from the file and none is trusted.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::unwrap_used)]

mod bytes;
pub mod dom0;
mod elf;
pub mod error;
mod flat;
pub mod header;
mod layout;
pub mod linux;
pub mod mb1;
mod merge;
mod notes;
mod parse;
mod place;
pub mod pvh;
mod relocs;
pub mod sniff;
#[doc(hidden)]
pub mod synth;
pub mod tags;
#[cfg(test)]
mod tests;

pub use elf::linked_entry;
pub use error::{ImageError, Reason};
pub use parse::As;

use handoff::addr::PhysRange;
use serde::Serialize;

/// How the bytes were packed and which header makes them bootable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// ELF, 32-bit class.
    Elf32,
    /// ELF, 64-bit class.
    Elf64,
    /// No ELF: placed by the Multiboot2 address tag alone.
    Flat,
    /// Linux's own: setup code and a kernel that unpacks itself.
    BzImage,
}

/// How an image is entered and what it is told; decides who builds its boot
/// information ([`crate::plan::boot`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Multiboot2; what the header asks for is in [`Image::requirements`].
    Multiboot2,
    /// Multiboot (1).
    Multiboot1(mb1::Header),
    /// The PVH entry of a Xen guest kernel.
    Pvh,
    /// Linux's 64-bit boot protocol.
    Linux(linux::Setup),
}

impl Protocol {
    /// "multiboot2" and the like: `--type`, and `image.type` of a plan.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Multiboot2 => "multiboot2",
            Self::Multiboot1(_) => "multiboot",
            Self::Pvh => "pvh",
            Self::Linux(_) => "linux",
        }
    }

    /// True for a kernel that, loaded as crash image, makes a dump of the system
    /// that crashed: it is given a core header, and only the crash region.
    #[must_use]
    pub const fn dumps(&self) -> bool {
        match self {
            Self::Multiboot2 | Self::Multiboot1(_) | Self::Pvh => false,
            Self::Linux(_) => true,
        }
    }
}

/// One run of memory that the image fills, at its link address.
///
/// Segments of an [`Image`] are sorted, do not overlap, start and end on page
/// boundaries only by chance. No two share a page: `PT_LOAD`s that do are one
/// segment, or, when more than 64 KiB of zeros lie between their bytes, two that
/// meet at the shared page's start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadSegment {
    /// Memory occupied, at the link (or preferred) physical address. In bytes.
    pub range: PhysRange,
    /// File bytes at its start; never longer than `range`. The rest is zero.
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

/// Where an image may be placed as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Relocatable {
    /// Lowest physical address of the image's first byte.
    pub min: u64,
    /// Highest physical address of the image's last byte (inclusive, as in the tag).
    pub max: u64,
    /// Alignment of the image's start, in bytes: a power of two, at least 1.
    pub align: u64,
    /// Which end of memory to try first.
    pub preference: Preference,
}

/// One tag number that the image asks the loader to provide in the MBI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct InfoRequest {
    /// Multiboot2 *information* tag type.
    pub tag: u32,
    /// False when the request tag was marked optional.
    pub required: bool,
}

/// Header tag 5: the video mode asked for. Zero means no preference.
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

/// Header tag 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ConsoleRequest {
    /// Bit 0: a console is required; bit 1: the image supports EGA text.
    pub flags: u32,
    /// True when the tag was not marked optional.
    pub required: bool,
}

/// What the Multiboot2 header says, tag by tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Requirements {
    /// Byte offset of the header in the (decompressed) file.
    pub header_offset: u64,
    /// Tag 1, every number in it.
    pub info_requests: Vec<InfoRequest>,
    /// Tag 2: header_addr, load_addr, load_end_addr, bss_end_addr.
    pub address: Option<[u32; 4]>,
    /// Tag 3.
    pub entry_address: Option<u32>,
    /// Tag 4.
    pub console: Option<ConsoleRequest>,
    /// Tag 5.
    pub framebuffer: Option<FramebufferRequest>,
    /// Tag 6: modules must be page aligned (we always do).
    pub module_align: bool,
    /// Tag 7: the image wants boot services left running (impossible here).
    pub efi_boot_services: bool,
    /// Tag 8: EFI i386 entry, known and not usable after boot services ended.
    pub efi32_entry: Option<u32>,
    /// Tag 9: EFI amd64 entry, likewise.
    pub efi64_entry: Option<u32>,
    /// Tag 10. `None` for an image that must stay at its link address unless it
    /// is `ET_DYN`.
    pub relocatable: Option<Relocatable>,
    /// Optional tags that nobody knows, by number: reported, not honoured.
    pub ignored_tags: Vec<u16>,
}

/// An ELF note, as `inspect` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Owner, for instance "GNU" or "Xen".
    pub name: String,
    /// Type number.
    pub kind: u32,
    /// Raw descriptor.
    pub desc: Vec<u8>,
}

/// An ELF section header, handed on in MBI tag 9 (only the table; sections
/// without `SHF_ALLOC` are not loaded).
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

/// One base-relative word in an `ET_DYN` image: `*(base + offset) = base + addend`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelativeReloc {
    /// Link (physical) address of the word.
    pub addr: u64,
    /// Link-time value; the load delta is added to it.
    pub addend: u64,
    /// 4 (R_386_RELATIVE) or 8 (R_X86_64_RELATIVE) bytes.
    pub width: u8,
}

/// A parsed, checked, decompressed image.
#[derive(Clone, Debug)]
pub struct Image {
    /// File name for messages.
    pub name: String,
    /// How it is entered.
    pub protocol: Protocol,
    /// Its file has a Multiboot2 header, whatever it was taken for.
    pub has_multiboot2: bool,
    /// Container format.
    pub format: Format,
    /// True for `ET_DYN` with equal virtual and physical addresses, or without
    /// relocations: `relocs` make it work at any address.
    pub position_independent: bool,
    /// What to load, at link addresses.
    pub segments: Vec<LoadSegment>,
    /// From the first byte of the first segment to the end of the last.
    pub span: PhysRange,
    /// 32-bit entry point: physical, at link address, inside `segments`.
    pub entry: u64,
    /// The Multiboot2 header; for other protocols only `relocatable` is used.
    pub requirements: Requirements,
    /// ELF notes (a file with broken notes has none and a warning).
    pub notes: Vec<Note>,
    /// Section headers for MBI tag 9.
    pub sections: Option<Sections>,
    /// Relocations to apply when the image does not stay at its link address.
    pub relocs: Vec<RelativeReloc>,
    /// Alignment from the program headers, at least 1; the planner uses at
    /// least a page.
    pub align: u64,
    /// Things worth telling the user.
    pub warnings: Vec<String>,
}

/// An image moved to where it will run.
#[derive(Clone, Debug)]
pub struct PlacedImage {
    /// Segments at their run-time addresses, relocations applied.
    pub segments: Vec<LoadSegment>,
    /// Entry point, physical.
    pub entry: u64,
    /// Start of the span: what MBI tag 21 (load base address) carries.
    pub base: u64,
}
