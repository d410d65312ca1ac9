//! `mbtool inspect`: describes an image and its requirements of a loader.
//!
//! It does not fail: a file that cannot be loaded has a report too, with the
//! reason in `problem` and everything that could be read.

mod needs;
mod report;
mod show;
#[cfg(test)]
mod tests;

pub use report::{
    EntryReport, EntrySource, FilePart, FileReport, HeaderReport, InspectReport, InspectedImage,
    InspectedSegment, NoteReport, RelocatableReport, TagReport,
};

use crate::decompress::Compression;
use crate::image::unified;
use crate::image::{
    As, ConsoleRequest, ElfNote, FileKind, Format, FramebufferRequest, Image, InfoRequest,
    Protocol, header, linked_entry, mb1, tags,
};

/// Parts of a unified image that are text.
const TEXTS: [&str; 5] = [".cmdline", ".osrel", ".uname", ".profile", ".config"];
/// Maximum length of a text in a report, in bytes.
const TEXT: usize = 4096;

/// Inspects `bytes`, after the removal of the compression `layers`.
#[must_use]
pub fn inspect(bytes: &[u8], layers: &[Compression], name: &str) -> InspectReport {
    let parsed = Image::parse_as(bytes, name, As::Auto);
    let header = header::find(bytes).ok();
    let image = parsed.as_ref().ok();
    let kind = FileKind::of(bytes);
    InspectReport {
        name: name.into(),
        file: file_report(bytes, &kind, image.is_some()),
        kind,
        loadable: image.is_some(),
        problem: parsed.as_ref().err().map(|error| error.reason.to_string()),
        compression: layers.to_vec(),
        size: number(bytes.len()),
        xen: xen_shim::recognize(bytes).or_else(|| xen_shim::arm::recognize(bytes)),
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

fn file_report(bytes: &[u8], kind: &FileKind, loadable: bool) -> FileReport {
    let parts = unified::sections(bytes, kind).into_iter();
    FileReport {
        kind: kind.name(),
        description: kind.to_string(),
        machine: kind.machine(),
        advice: (!loadable).then(|| kind.advice()),
        parts: parts.map(|(name, data)| part(name, data)).collect(),
    }
}

fn part(name: &str, data: Option<&[u8]>) -> FilePart {
    let text = data.map(unified::before_nul);
    let text = text.filter(|data| TEXTS.contains(&name) && data.len() <= TEXT);
    let text = text.and_then(|data| str::from_utf8(data).ok());
    FilePart {
        name: name.to_owned(),
        bytes: data.map(|data| number(data.len())),
        text: text.map(|text| text.trim_end_matches('\n').to_owned()),
    }
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
    let words = tag.words();
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
    let requirements = &image.requirements;
    let own = matches!(image.format, Format::Elf32 | Format::Elf64);
    let linked = linked_entry(bytes).filter(|_| own);
    let tagged = requirements.entry_address.is_some();
    let segments = image.segments.iter().map(|segment| InspectedSegment {
        start: segment.range.start,
        end: segment.range.end,
        file_bytes: number(segment.data.len()),
    });
    InspectedImage {
        linux: image.protocol.is_linux(),
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
                Protocol::DtLinux(_) | Protocol::DtXen(..) => EntrySource::BootProtocol,
                Protocol::Multiboot2 if image.format == Format::Pe => EntrySource::CodeStart,
                _ => EntrySource::ElfHeader,
            },
        },
        relocatable: RelocatableReport {
            tag: requirements.relocatable,
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
