//! Decodes the boot information for the report, as the image will read it.

use super::mb2_requests::tag_name;
use super::mbi::{self, Mbi};
use super::multiboot;
use crate::plan::hex::Hex;
use serde::Serialize;

/// One decoded tag.
#[derive(Clone, Debug, Serialize)]
pub struct DecodedTag {
    /// Tag type number (Multiboot2 spec, 3.6).
    #[serde(rename = "type")]
    pub kind: u32,
    /// Name of the type.
    pub name: &'static str,
    /// Size field, in bytes.
    pub size: usize,
    /// Contents by type.
    #[serde(flatten)]
    pub body: DecodedTagBody,
}

/// Contents of a tag.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum DecodedTagBody {
    /// Tags 1 and 2: a string.
    Text {
        /// The string without its NUL.
        string: String,
    },
    /// Tag 3: a module.
    Module {
        /// First byte.
        start: Hex,
        /// One past the last byte.
        end: Hex,
        /// Command line of the module.
        cmdline: String,
    },
    /// Tag 4: memory sizes.
    Memory {
        /// KiB from address 0.
        mem_lower: u32,
        /// KiB from 1 MiB.
        mem_upper: u32,
    },
    /// Tag 6: memory map.
    Map {
        /// Size of an entry in bytes.
        entry_size: u32,
        /// Always 0.
        entry_version: u32,
        /// Ranges with their types.
        entries: Vec<DecodedMapEntry>,
    },
    /// Tag 9: section headers.
    Sections {
        /// Number of entries.
        num: u32,
        /// Size of an entry in bytes.
        entsize: u32,
        /// Index of the section name table.
        shndx: u32,
    },
    /// Tags 14 and 15: filled in by the handoff.
    Rsdp {
        /// Source of the copy.
        copied_at_handoff: HandoffCopy,
    },
    /// Tag 21: load base address.
    LoadBase {
        /// Load address of the image.
        load_base_addr: Hex,
    },
    /// A tag without fields, or with fields that are not decoded.
    Other {},
}

/// A copy that the handoff makes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct HandoffCopy {
    /// Physical address of the source.
    pub from: Hex,
    /// Length in bytes.
    pub len: u32,
}

/// An entry of tag 6, or of another protocol's memory map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DecodedMapEntry {
    /// First byte.
    pub base: Hex,
    /// Length in bytes.
    pub length: u64,
    /// E820 type.
    #[serde(rename = "type")]
    pub kind: u32,
}

/// Decodes the output of [`mbi::build`], without the end tag. `rsdp` is the
/// address of firmware's RSDP.
#[must_use]
pub fn decode(mbi: &Mbi, rsdp: Option<u64>) -> Vec<DecodedTag> {
    let bytes = &mbi.bytes[..];
    let tags = mbi::tags(bytes).filter(|tag| tag.kind != 0);
    let decoded = |tag: mbi::RawTag| {
        let fields = &bytes[tag.at + 8..tag.at + tag.size];
        let body = body(tag.kind, fields, rsdp);
        DecodedTag {
            kind: tag.kind,
            name: tag_name(tag.kind),
            size: tag.size,
            body,
        }
    };
    tags.map(decoded).collect()
}

fn body(kind: u32, fields: &[u8], rsdp: Option<u64>) -> DecodedTagBody {
    let word = |at: usize| multiboot::word(fields, at).unwrap_or(0);
    let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
    let text = |at: usize| {
        let bytes = fields.get(at..).unwrap_or(&[]);
        let end = bytes
            .iter()
            .position(|&byte| byte == 0)
            .unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    };
    let hex = |at: usize| Hex(word(at).into());
    match kind {
        1 | 2 => DecodedTagBody::Text { string: text(0) },
        3 => DecodedTagBody::Module {
            start: hex(0),
            end: hex(4),
            cmdline: text(8),
        },
        4 => DecodedTagBody::Memory {
            mem_lower: word(0),
            mem_upper: word(4),
        },
        6 => {
            let entry_size = word(0);
            let step = (entry_size as usize).max(1);
            let starts = (8..fields.len()).step_by(step);
            let entries = starts
                .map(|at| DecodedMapEntry {
                    base: Hex(long(at)),
                    length: long(at + 8),
                    kind: word(at + 16),
                })
                .collect();
            DecodedTagBody::Map {
                entry_size,
                entry_version: word(4),
                entries,
            }
        }
        9 => DecodedTagBody::Sections {
            num: word(0),
            entsize: word(4),
            shndx: word(8),
        },
        14 | 15 => DecodedTagBody::Rsdp {
            copied_at_handoff: HandoffCopy {
                from: Hex(rsdp.unwrap_or(0)),
                len: fields.len() as u32,
            },
        },
        21 => DecodedTagBody::LoadBase {
            load_base_addr: hex(0),
        },
        _ => DecodedTagBody::Other {},
    }
}
