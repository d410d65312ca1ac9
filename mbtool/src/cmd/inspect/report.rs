//! The document of `mbtool inspect --json`.

use crate::decompress::Compression;
use crate::image::kind::FileMachine;
use crate::image::{FileKind, Format, Relocatable, linux, mb1};
use serde::{Serialize, Serializer};
use std::fmt;
use xen_shim::XenInfo;

/// Document of `--json`. Addresses, offsets and sizes are numbers, in bytes.
#[derive(Clone, Debug, Serialize)]
pub struct InspectReport {
    /// File name as given by the user.
    pub name: String,
    /// Type of the file.
    pub kind: FileKind,
    /// What it is, in more detail.
    pub file: FileReport,
    /// True when `mbtool load` accepts it.
    pub loadable: bool,
    /// Why it cannot be loaded.
    pub problem: Option<String>,
    /// Containers that were unpacked, outermost first.
    pub compression: Vec<Compression>,
    /// Length after unpacking, in bytes.
    pub size: u64,
    /// Set for a Xen hypervisor.
    pub xen: Option<XenInfo>,
    /// Linux's setup header; for a vmlinux, values that hold for all of them.
    pub linux: Option<linux::Setup>,
    /// The Multiboot2 header, if present.
    pub header: Option<HeaderReport>,
    /// The Multiboot (1) header, if present.
    pub multiboot1: Option<mb1::Mb1Header>,
    /// The program, if it can be loaded.
    pub image: Option<InspectedImage>,
    /// Requirements of a loader, one sentence each.
    pub needs: Vec<String>,
    /// Irregularities that do not prevent a load.
    pub warnings: Vec<String>,
}

/// What a file is.
#[derive(Clone, Debug, Serialize)]
pub struct FileReport {
    /// Name of the kind.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The kind as a noun.
    pub description: String,
    /// CPU that it is for, if it is for one.
    pub machine: Option<FileMachine>,
    /// What to do, for a file that cannot be loaded.
    pub advice: Option<&'static str>,
    /// Files in a unified image, in their order.
    pub parts: Vec<FilePart>,
}

/// A file in a unified image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FilePart {
    /// Its section.
    pub name: String,
    /// Length in bytes; absent when the image is cut short.
    pub bytes: Option<u64>,
    /// Its text, if it is a short one.
    pub text: Option<String>,
}

/// A Multiboot2 header.
#[derive(Clone, Debug, Serialize)]
pub struct HeaderReport {
    /// Offset in the unpacked file.
    pub offset: u64,
    /// Length field.
    pub length: u32,
    /// Tags in file order, without the end tag.
    pub tags: Vec<TagReport>,
}

/// One header tag.
#[derive(Clone, Debug, Serialize)]
pub struct TagReport {
    /// Offset in the unpacked file.
    pub offset: u64,
    /// Tag type.
    #[serde(rename = "type")]
    pub kind: u16,
    /// Name of the type.
    pub name: &'static str,
    /// False when marked optional.
    pub required: bool,
    /// Size field.
    pub size: u32,
    /// Its fields by the specification's names; empty for an unknown tag and for
    /// an information request.
    #[serde(serialize_with = "as_map")]
    pub fields: Vec<(&'static str, u32)>,
    /// For an information request: the requested tags.
    pub requests: Vec<u32>,
}

/// The program in the file.
#[derive(Clone, Debug, Serialize)]
pub struct InspectedImage {
    /// True for Linux.
    #[serde(skip)]
    pub linux: bool,
    /// Container format.
    pub format: Format,
    /// Start of its memory at the link address.
    pub start: u64,
    /// End of it, exclusive.
    pub end: u64,
    /// Memory ranges to fill.
    pub segments: Vec<InspectedSegment>,
    /// Entry point.
    pub entry: EntryReport,
    /// Whether and how it can be moved.
    pub relocatable: RelocatableReport,
    /// Alignment from the program headers.
    pub align: u64,
    /// ELF notes.
    pub notes: Vec<NoteReport>,
    /// Number of ELF section headers, 0 without.
    pub sections: u32,
}

/// A memory range.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct InspectedSegment {
    /// Physical start at the link address.
    pub start: u64,
    /// End, exclusive.
    pub end: u64,
    /// Number of bytes from the file at its start, followed by zeros.
    pub file_bytes: u64,
}

/// The entry point.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct EntryReport {
    /// Value in the ELF header: a virtual address. Absent in a flat image.
    pub linked: Option<u64>,
    /// Physical address when loaded at the link address.
    pub physical: u64,
    /// Where it is known from.
    pub source: EntrySource,
}

/// Where an entry point is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntrySource {
    /// Multiboot2, header tag 3.
    Tag,
    /// Multiboot (1), `entry_addr` of the header.
    MultibootHeader,
    /// ELF note 18 of a PVH kernel.
    PvhNote,
    /// Linux: the setup header.
    BootProtocol,
    /// xen.efi: the start of the section with its Multiboot2 header.
    CodeStart,
    /// `e_entry`.
    ElfHeader,
}

impl fmt::Display for EntrySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tag => "entry address tag",
            Self::MultibootHeader => "Multiboot header",
            Self::PvhNote => "PVH note",
            Self::BootProtocol => "boot protocol",
            Self::CodeStart => "start of the code",
            Self::ElfHeader => "ELF header",
        })
    }
}

impl Serialize for EntrySource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Whether and how an image can be moved.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RelocatableReport {
    /// The relocatable tag.
    pub tag: Option<Relocatable>,
    /// True for an `ET_DYN` that runs at any address.
    pub position_independent: bool,
    /// Number of ELF relocations that a loader applies.
    pub relocations: u64,
}

/// One ELF note.
#[derive(Clone, Debug, Serialize)]
pub struct NoteReport {
    /// Owner field.
    pub name: String,
    /// Type field.
    #[serde(rename = "type")]
    pub kind: u32,
    /// Meaning of the type, if known.
    pub meaning: Option<&'static str>,
    /// Descriptor, as hexadecimal digits.
    pub desc: String,
}

/// Serializes pairs as a map in their order.
fn as_map<S: Serializer>(fields: &[(&str, u32)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(fields.iter().copied())
}
