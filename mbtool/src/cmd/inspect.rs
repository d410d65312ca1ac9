//! `mbtool inspect`: describes an image and its requirements of a loader.
//!
//! It does not fail: a file that cannot be loaded has a report too, with the
//! reason in `problem` and everything that could be read.

mod needs;
mod show;
#[cfg(test)]
mod tests;

use crate::decompress::Compression;
use crate::image::sniff::{self, FileKind};
use crate::image::{
    As, ConsoleRequest, ElfNote, Format, FramebufferRequest, Image, InfoRequest, Protocol,
    Relocatable, header, linked_entry, linux, mb1, tags,
};
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

/// Inspects `bytes`, after the removal of the compression `layers`.
#[must_use]
pub fn inspect(bytes: &[u8], layers: &[Compression], name: &str) -> InspectReport {
    let parsed = Image::parse_as(bytes, name, As::Auto);
    let header = header::find(bytes).ok();
    let image = parsed.as_ref().ok();
    InspectReport {
        name: name.into(),
        kind: sniff::kind(bytes),
        loadable: image.is_some(),
        problem: parsed.as_ref().err().map(|error| error.reason.to_string()),
        compression: layers.to_vec(),
        size: number(bytes.len()),
        xen: xen_shim::recognise(bytes),
        linux: image.and_then(|image| match &image.protocol {
            Protocol::Linux(setup) => Some(setup.clone()),
            _ => None,
        }),
        header: header.map(|header| header_report(bytes, &header)),
        multiboot1: mb1::find(bytes).and_then(|at| mb1::read(bytes, at).ok()),
        image: image.map(|image| image_report(bytes, image)),
        needs: image.map(needs::sentences).unwrap_or_default(),
        warnings: image
            .map(|image| image.warnings.clone())
            .unwrap_or_default(),
    }
}

/// Serializes pairs as a map in their order.
fn as_map<S: Serializer>(fields: &[(&str, u32)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(fields.iter().copied())
}

/// Converts a length for JSON.
fn number(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

fn header_report(bytes: &[u8], header: &header::Mb2Header) -> HeaderReport {
    // broken tags are reported as `problem`
    let tags = header::tags(bytes, header)
        .map(|(tags, _)| tags)
        .unwrap_or_default();
    HeaderReport {
        offset: number(header.offset),
        length: header.length,
        tags: tags.iter().map(tag_report).collect(),
    }
}

fn tag_report(tag: &header::RawTag<'_>) -> TagReport {
    let words = (0..).map_while(|index| tag.word(index));
    TagReport {
        offset: number(tag.offset),
        kind: tag.kind,
        name: tags::name(tag.kind),
        required: tag.required(),
        size: tag.size,
        fields: tags::fields(tag.kind)
            .iter()
            .copied()
            .zip(words.clone())
            .collect(),
        requests: if tag.kind == 1 {
            words.collect()
        } else {
            Vec::new()
        },
    }
}

fn image_report(bytes: &[u8], image: &Image) -> InspectedImage {
    let wants = &image.requirements;
    let own = matches!(image.format, Format::Elf32 | Format::Elf64);
    let linked = linked_entry(bytes).filter(|_| own);
    let tagged = wants.entry_address.is_some();
    let segments = image.segments.iter().map(|segment| InspectedSegment {
        start: segment.range.start,
        end: segment.range.end,
        file_bytes: number(segment.data.len()),
    });
    InspectedImage {
        linux: matches!(image.protocol, Protocol::Linux(_)),
        format: image.format,
        start: image.span.start,
        end: image.span.end,
        segments: segments.collect(),
        entry: EntryReport {
            linked,
            physical: image.entry,
            source: match image.protocol {
                Protocol::Pvh => EntrySource::PvhNote,
                Protocol::Multiboot1(_) if tagged => EntrySource::MultibootHeader,
                Protocol::Multiboot2 if tagged => EntrySource::Tag,
                Protocol::Linux(_) if image.format == Format::BzImage => EntrySource::BootProtocol,
                _ => EntrySource::ElfHeader,
            },
        },
        relocatable: RelocatableReport {
            tag: wants.relocatable,
            position_independent: image.position_independent,
            relocations: number(image.relocs.len()),
        },
        align: image.align,
        notes: image.notes.iter().map(note_report).collect(),
        sections: image.sections.as_ref().map_or(0, |sections| sections.num),
    }
}

fn note_report(note: &ElfNote) -> NoteReport {
    NoteReport {
        name: note.name.clone(),
        kind: note.kind,
        meaning: note_meaning(&note.name, note.kind),
        desc: note.desc.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// Returns the meaning of a note, from the GNU gABI extensions and Xen's
/// public/elfnote.h.
fn note_meaning(name: &str, kind: u32) -> Option<&'static str> {
    let meaning = match (name, kind) {
        ("GNU", 1) => "ABI tag",
        ("GNU", 3) => "build id",
        ("GNU", 5) => "properties",
        ("Xen", 1) => "entry point",
        ("Xen", 2) => "hypercall page",
        ("Xen", 3) => "virtual base",
        ("Xen", 4) => "physical offset",
        ("Xen", 5) => "Xen version",
        ("Xen", 6) => "guest OS",
        ("Xen", 7) => "guest version",
        ("Xen", 8) => "loader",
        ("Xen", 9) => "PAE mode",
        ("Xen", 10) => "features",
        ("Xen", 17) => "supported features",
        ("Xen", 18) => "PVH entry point",
        ("Xen", 19) => "PVH placement",
        _ => return None,
    };
    Some(meaning)
}
