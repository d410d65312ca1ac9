//! [`Image::parse`]: header, tags, layout, entry point.

use super::bytes::len;
use super::elf;
use super::error::{ImageError, Reason};
use super::{
    Format, Image, LoadSegment, Note, Protocol, RelativeReloc, Requirements, Sections, flat,
    header, sniff, tags,
};
use handoff::addr::PhysRange;
use std::fmt::Write;

/// What a container (ELF or flat) says of the program in it.
pub(super) struct Layout {
    pub(super) format: Format,
    pub(super) position_independent: bool,
    pub(super) segments: Vec<LoadSegment>,
    /// Physical; `None` where the container has no entry point of its own.
    pub(super) entry: Option<u64>,
    pub(super) notes: Vec<Note>,
    pub(super) sections: Option<Sections>,
    pub(super) relocs: Vec<RelativeReloc>,
    pub(super) align: u64,
    pub(super) warnings: Vec<String>,
}

/// What a file is taken as (`--type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum As {
    /// The first of the others whose mark it has, in this order: Multiboot2,
    /// Linux, Multiboot (1), ELF.
    #[default]
    Auto,
    /// Multiboot2.
    Multiboot2,
    /// Linux bzImage.
    Linux,
    /// Multiboot (1).
    Multiboot,
    /// ELF with a PVH entry, else a Linux vmlinux.
    Elf,
}

impl Image {
    /// Parses an unpacked Multiboot2 image. `name` is for messages.
    ///
    /// # Errors
    /// When it is not one, is malformed, or asks for what cannot be had.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Self, ImageError> {
        Self::parse_as(bytes, name, As::Multiboot2)
    }

    /// Parses an unpacked image of the kind `what`. `name` is for messages.
    ///
    /// # Errors
    /// When it is not one, is malformed, or asks for what cannot be had.
    pub fn parse_as(bytes: &[u8], name: &str, what: As) -> Result<Self, ImageError> {
        let parsed = match what {
            // what is nothing known is explained as a Multiboot2 image that is none
            As::Auto | As::Multiboot2 => parse(bytes, name),
            As::Linux | As::Multiboot | As::Elf => Err(sniff::not_this_type(what)),
        };
        parsed.map_err(|reason| ImageError {
            name: name.into(),
            reason,
        })
    }
}

fn parse(bytes: &[u8], name: &str) -> Result<Image, Reason> {
    let found = header::find(bytes)?;
    let (raw, mut warnings) = header::tags(bytes, &found)?;
    let (requirements, more) = tags::collect(&found, &raw)?;
    warnings.extend(more);
    let layout = if let Some(address) = requirements.address {
        if elf::is_elf(bytes) {
            warnings.push("its address tag (2) is used and its ELF header ignored".into());
        }
        flat::layout(bytes, requirements.header_offset, address)?
    } else if elf::is_elf(bytes) {
        elf::layout(bytes)?
    } else if sniff::is_pe(bytes) {
        return Err(sniff::pe());
    } else {
        return Err(Reason::NoAddresses {
            offset: found.offset,
        });
    };
    warnings.extend(layout.warnings);
    let entry = entry(&requirements, layout.entry, &layout.segments)?;
    let span = layout
        .segments
        .iter()
        .map(|segment| segment.range)
        .reduce(|all, range| PhysRange {
            start: all.start.min(range.start),
            end: all.end.max(range.end),
        });
    Ok(Image {
        name: name.into(),
        protocol: Protocol::Multiboot2,
        format: layout.format,
        position_independent: layout.position_independent,
        segments: layout.segments,
        span: span.unwrap_or_default(),
        entry,
        requirements,
        notes: layout.notes,
        sections: layout.sections,
        relocs: layout.relocs,
        align: layout.align,
        warnings,
    })
}

/// Chooses the entry point (tag 3 before the container's own) and checks that
/// it is in loaded bytes.
fn entry(
    requirements: &Requirements,
    own: Option<u64>,
    segments: &[LoadSegment],
) -> Result<u64, Reason> {
    let efi = match requirements {
        Requirements {
            efi64_entry: Some(_),
            ..
        } => Some(9),
        Requirements {
            efi32_entry: Some(_),
            ..
        } => Some(8),
        _ => None,
    };
    let (entry, source_of) = match (requirements.entry_address, own, efi) {
        (Some(entry), _, _) => (u64::from(entry), "the entry address tag"),
        // ELF has no way to say "none" but 0
        (None, None | Some(0), Some(kind)) => return Err(Reason::OnlyEfiEntry { kind }),
        (None, Some(entry), _) => (entry, "the ELF header"),
        (None, None, None) => return Err(Reason::NoEntryAddress),
    };
    let loaded = |segment: &LoadSegment| {
        let end = segment.range.start + len(&segment.data);
        (segment.range.start..end).contains(&entry)
    };
    if segments.iter().any(loaded) {
        return Ok(entry);
    }
    let mut list = String::new();
    for (index, segment) in segments.iter().enumerate().take(8) {
        let comma = if index == 0 { "" } else { ", " };
        let filled = segment.range.start + len(&segment.data);
        // writing to a String cannot fail
        let _ = write!(
            list,
            "{comma}{} with bytes up to {filled:#x}",
            segment.range
        );
    }
    if segments.len() > 8 {
        list.push_str(", ...");
    }
    Err(Reason::Entry {
        entry,
        source_of,
        segments: list,
    })
}
