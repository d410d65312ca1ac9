//! Why a file is not an image that can be loaded.

mod elf;
mod header;
mod linux;
mod xen_efi;

pub use elf::{ElfError, ProgramHeaderError, RelocationError};
pub use header::{
    AddressFieldsError, Mb1HeaderError, PvhNoteError, RelocatableTagError, StrayHeaderError,
    TagSizeRule,
};
pub use linux::LinuxImageError;
pub use xen_efi::XenEfiError;

use super::kind::FileKind;
use super::linux::{DtImageError, ZImageError, ZbootError};
use super::unified::UnifiedError;
use xen_shim::fix::{Fix, Remedy, tail};

/// Name of an image file, and why it cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {reason}")]
pub struct ImageError {
    /// File name as given by the user.
    pub name: String,
    /// Why it cannot be loaded.
    pub reason: ImageErrorReason,
}

fn article(name: &str) -> &'static str {
    match name.starts_with(['A', 'E', 'I', 'O']) {
        true => "an",
        false => "a",
    }
}

/// Reason why an image cannot be loaded. Offsets are in bytes of the unpacked
/// file; addresses are physical unless stated otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageErrorReason {
    /// No image of a kind that can be loaded.
    #[error("cannot be started: it is {kind}{}", tail(self.fix()))]
    NotAnImage {
        /// What it is.
        kind: FileKind,
    },
    /// The file is not of the type given by `--type`.
    #[error("not {} {wanted} image: it is {kind}{}", article(wanted), tail(self.fix()))]
    NotThis {
        /// Expected type.
        wanted: &'static str,
        /// What it is.
        kind: FileKind,
    },
    /// A Multiboot2 header that no loader finds.
    #[error("its Multiboot2 header at offset {offset:#x} {why}{}", tail(self.fix()))]
    StrayHeader {
        /// Offset of the header.
        offset: usize,
        /// What is wrong.
        why: StrayHeaderError,
    },
    /// A magic number of Multiboot (1) without a checksum that fits.
    #[error(
        "the Multiboot (1) magic number at offset {offset:#x} is not followed by flags and a checksum that make a sum of \
         0{}",
        tail(self.fix())
    )]
    Multiboot1Checksum {
        /// Offset of the magic number.
        offset: usize,
    },
    /// ELF without a PVH entry point.
    #[error("is an ELF program without an entry note (owner Xen, type 18){}", tail(self.fix()))]
    NoPvhNote,
    /// A Multiboot (1) header that cannot be satisfied.
    #[error("its Multiboot (1) header at offset {offset:#x}: {why}")]
    Multiboot1 {
        /// Offset of the header.
        offset: usize,
        /// What is wrong.
        why: Mb1HeaderError,
    },
    /// A PVH note that cannot be satisfied.
    #[error("its PVH notes (owner Xen, types 18 and 19): {0}")]
    Pvh(PvhNoteError),
    /// A header for another architecture.
    #[error(
        "its Multiboot2 header at offset {offset:#x} is for architecture {arch} ({name}), \
         not 0 (i386){}",
        tail(self.fix())
    )]
    Architecture {
        /// Offset of the header.
        offset: usize,
        /// Architecture field.
        arch: u32,
        /// Name of the architecture, or "unknown".
        name: &'static str,
    },
    /// The header's length field is out of range.
    #[error(
        "its Multiboot2 header at offset {offset:#x} has length {length:#x}, which is not between \
         0x18 and the {available:#x} bytes up to {limit}"
    )]
    HeaderLength {
        /// Offset of the header.
        offset: usize,
        /// Length field, in bytes.
        length: u32,
        /// Maximum length, in bytes.
        available: usize,
        /// Name of the limit: end of the file, or of its first 32 KiB.
        limit: &'static str,
    },
    /// A tag whose size does not match its type.
    #[error("header tag {kind} at offset {offset:#x} has size {found:#x}, it must be {expected}")]
    TagSize {
        /// Tag type.
        kind: u16,
        /// Offset of the tag.
        offset: usize,
        /// Size field, in bytes.
        found: u32,
        /// Expected size.
        expected: TagSizeRule,
    },
    /// The tags stop without an end tag.
    #[error(
        "its Multiboot2 header at offset {offset:#x} has no end tag (type 0, size 8) within its \
         length of {length:#x} bytes"
    )]
    NoEndTag {
        /// Offset of the header.
        offset: usize,
        /// Length field, in bytes.
        length: u32,
    },
    /// Two tags of one type with different contents.
    #[error(
        "header tag {kind} appears twice with different contents, at offsets {first:#x} and \
         {second:#x}"
    )]
    DuplicateTag {
        /// Tag type.
        kind: u16,
        /// Offset of the first.
        first: usize,
        /// Offset of the second.
        second: usize,
    },
    /// An unknown tag that is not marked optional.
    #[error(
        "header tag {kind} at offset {offset:#x} is required (not marked optional) and unknown: \
         the image needs a loader that knows it"
    )]
    UnknownRequiredTag {
        /// Tag type.
        kind: u16,
        /// Offset of the tag.
        offset: usize,
    },
    /// Tag 7, not optional.
    #[error(
        "header tag 7 at offset {offset:#x} requires EFI boot services, which ended when the \
         running kernel started{}",
        tail(self.fix())
    )]
    EfiBootServices {
        /// Offset of the tag.
        offset: usize,
    },
    /// Tag 8 or 9, and no other entry point.
    #[error(
        "its only entry point is for EFI (header tag {kind}), which needs boot services that \
         ended when the running kernel started{}",
        tail(self.fix())
    )]
    OnlyEfiEntry {
        /// 8 or 9.
        kind: u16,
    },
    /// A tag 10 with inconsistent fields.
    #[error("relocatable tag (10) at offset {offset:#x}: {why}")]
    Relocatable {
        /// Offset of the tag.
        offset: usize,
        /// What is wrong.
        why: RelocatableTagError,
    },
    /// Neither an address tag nor an ELF header.
    #[error(
        "has a Multiboot2 header at offset {offset:#x} but is not ELF and has no address tag (2), \
         so its load address is unknown{}",
        tail(self.fix())
    )]
    NoAddresses {
        /// Offset of the header.
        offset: usize,
    },
    /// Tag 2 without tag 3.
    #[error("has an address tag (2) but no entry address tag (3), so its entry point is unknown")]
    NoEntryAddress,
    /// Tag 2 with fields that do not match the file or each other.
    #[error("address tag (2): {0}")]
    Address(AddressFieldsError),
    /// xen.efi that is damaged or unknown.
    #[error("is xen.efi, and {why}{}", tail(self.fix()))]
    XenEfi {
        /// What is wrong.
        why: XenEfiError,
    },
    /// A unified image that is damaged or incomplete.
    #[error(transparent)]
    Unified(#[from] UnifiedError),
    /// The ELF header is invalid or not loadable.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// The Linux setup header is invalid or not bootable.
    #[error(transparent)]
    Linux(#[from] LinuxImageError),
    /// The header of an `Image` is invalid.
    #[error(transparent)]
    DtImage(#[from] DtImageError),
    /// The header of a zImage is invalid.
    #[error(transparent)]
    ZImage(#[from] ZImageError),
    /// A compressed `Image` that cannot be unpacked.
    #[error(transparent)]
    Zboot(#[from] ZbootError),
    /// A program header that cannot be loaded.
    #[error("program header {index}: {why}")]
    ProgramHeader {
        /// Index in the table, from 0.
        index: usize,
        /// What is wrong.
        why: ProgramHeaderError,
    },
    /// Two program headers with different file bytes for the same address.
    #[error(
        "program headers {first} and {second} (PT_LOAD) put different file bytes at physical \
         address {addr:#x}{}",
        tail(self.fix())
    )]
    Conflict {
        /// Index of the one at the lower address.
        first: usize,
        /// Index of the other.
        second: usize,
        /// First address at which they differ.
        addr: u64,
    },
    /// The segments need more than 32 bits of address space.
    #[error(
        "its segments take {total:#x} bytes of memory, more than the 4 GiB that an i386 entry can \
         address"
    )]
    TooMuchMemory {
        /// Sum over the segments, in bytes.
        total: u64,
    },
    /// The entry point is outside the loaded bytes.
    #[error(
        "its entry point {entry:#x} (from {source_of}) is not in the loaded bytes of any segment \
         ({segments})"
    )]
    Entry {
        /// Value found.
        entry: u64,
        /// Source of the entry point (header field or tag).
        source_of: &'static str,
        /// List of segments, for comparison.
        segments: String,
    },
    /// A relocation of a type that a loader cannot apply.
    #[error(
        "needs {count} relocations of type {kind} ({name}), the first at {first:#x}, and only \
         {relative} can be applied{}",
        tail(self.fix())
    )]
    RelocationType {
        /// ELF relocation type.
        kind: u32,
        /// Its name, or "unknown".
        name: &'static str,
        /// Number of relocations of this type.
        count: usize,
        /// Link address of the first.
        first: u64,
        /// Name of the relocation type that can be applied.
        relative: &'static str,
    },
    /// The relocation tables are inconsistent, or do not match the segments.
    #[error("its relocations: {0}")]
    Relocations(#[from] RelocationError),
    /// The image cannot be moved from its link address.
    #[error(
        "is linked at {linked:#x} and cannot be moved to {base:#x}: it has no relocatable tag (10) \
         and is not position independent"
    )]
    Fixed {
        /// Start of its span.
        linked: u64,
        /// Requested load address.
        base: u64,
    },
    /// The image would pass the end of the address space.
    #[error("at {base:#x} it would pass the end of the address space")]
    Overflow {
        /// Requested load address.
        base: u64,
    },
}

impl Fix for ImageError {
    fn fix(&self) -> Remedy {
        self.reason.fix()
    }
}

impl Fix for ImageErrorReason {
    fn fix(&self) -> Remedy {
        let fix = match self {
            Self::NotAnImage { kind } | Self::NotThis { kind, .. } => kind.advice(),
            Self::StrayHeader { why, .. } => why.advice(),
            Self::Multiboot1Checksum { .. } => {
                "correct the checksum, or leave out --type multiboot"
            }
            Self::XenEfi { .. } => "give xen.gz of the same version",
            Self::Unified(error) => return error.fix(),
            Self::DtImage(error) => return error.fix(),
            Self::ZImage(error) => return error.fix(),
            Self::Zboot(error) => return error.fix(),
            Self::NoPvhNote => "give a kernel built for it (Linux: CONFIG_PVH)",
            Self::Linux(LinuxImageError::Unpack(error)) => return error.fix(),
            Self::Architecture { .. } => "use an x86 build",
            Self::EfiBootServices { .. } => {
                "start this image from the firmware, or mark the tag optional"
            }
            Self::OnlyEfiEntry { .. } => "build it with a Multiboot2 i386 entry as well",
            Self::NoAddresses { .. } => "link it as ELF or add tags 2 and 3",
            Self::Conflict { .. } => "fix the linker script",
            Self::RelocationType { .. } => {
                "link with `-static-pie -z text` and without undefined or preemptible symbols, or \
                 link at a fixed address and add the relocatable tag (10)"
            }
            Self::Multiboot1 { .. }
            | Self::Pvh(_)
            | Self::HeaderLength { .. }
            | Self::TagSize { .. }
            | Self::NoEndTag { .. }
            | Self::DuplicateTag { .. }
            | Self::UnknownRequiredTag { .. }
            | Self::Relocatable { .. }
            | Self::NoEntryAddress
            | Self::Address(_)
            | Self::Elf(_)
            | Self::Linux(_)
            | Self::ProgramHeader { .. }
            | Self::TooMuchMemory { .. }
            | Self::Entry { .. }
            | Self::Relocations(_)
            | Self::Fixed { .. }
            | Self::Overflow { .. } => return None,
        };
        Some(fix.into())
    }
}
