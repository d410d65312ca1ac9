//! Decodes the boot information for the report, as the image will read it.

use super::mb2_requests::tag_name;
use super::mbi::{self, Mbi};
use super::record::Reader;
use crate::abi::multiboot2::{
    InfoColors, InfoFramebuffer, InfoMap, InfoMapEntry, InfoMemory, InfoModule, InfoSections,
    InfoSmbios, VbeMode,
};
use crate::plan::hex::Hex;
use serde::Serialize;
use zerocopy::little_endian::U32;

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
    /// Tag 7: the mode as VBE describes it.
    Vbe {
        /// Address of the framebuffer.
        addr: Hex,
        /// Bytes of a line.
        pitch: u16,
        /// Pixels.
        width: u16,
        /// Lines.
        height: u16,
        /// Bits per pixel.
        bpp: u8,
    },
    /// Tag 8: the framebuffer.
    Framebuffer(DecodedFramebuffer),
    /// Tag 9: section headers.
    Sections {
        /// Number of entries.
        num: u32,
        /// Size of an entry in bytes.
        entsize: u32,
        /// Index of the section name table.
        shndx: u32,
    },
    /// Tag 13: SMBIOS.
    Smbios {
        /// Version of SMBIOS.
        version: String,
        /// Bytes of the entry point and of the table after it.
        tables: usize,
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

/// A framebuffer, of tag 8 or of Multiboot (1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DecodedFramebuffer {
    /// Physical address.
    pub addr: Hex,
    /// Bytes of a line.
    pub pitch: u32,
    /// Pixels, or characters.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Bits per pixel, or per character.
    pub bpp: u8,
    /// What is in it.
    #[serde(flatten)]
    pub colors: DecodedColors,
}

/// Contents of a framebuffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "format", rename_all = "lowercase")]
pub enum DecodedColors {
    /// Pixels: position and number of bits of each color.
    Rgb {
        /// Red.
        red: [u8; 2],
        /// Green.
        green: [u8; 2],
        /// Blue.
        blue: [u8; 2],
    },
    /// Characters.
    Text,
    /// A type that mbtool does not send.
    Other,
}

impl DecodedColors {
    /// Contents by `framebuffer_type`.
    pub(super) const fn of(kind: u8, [red, green, blue]: [[u8; 2]; 3]) -> Self {
        match kind {
            1 => Self::Rgb { red, green, blue },
            2 => Self::Text,
            _ => Self::Other,
        }
    }
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
    let decoded = |tag: mbi::InfoTag| {
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
    let fields = Reader {
        base: 0,
        bytes: fields,
    };
    match kind {
        1 | 2 => DecodedTagBody::Text {
            string: fields.string(0),
        },
        3 => {
            let module: InfoModule = fields.get(0);
            DecodedTagBody::Module {
                start: Hex(module.start.into()),
                end: Hex(module.end.into()),
                cmdline: fields.string(size_of::<InfoModule>() as u64),
            }
        }
        4 => {
            let memory: InfoMemory = fields.get(0);
            DecodedTagBody::Memory {
                mem_lower: memory.lower.get(),
                mem_upper: memory.upper.get(),
            }
        }
        6 => {
            let map: InfoMap = fields.get(0);
            let step = (map.entry_size.get() as usize).max(1);
            let starts = (size_of::<InfoMap>()..fields.bytes.len()).step_by(step);
            DecodedTagBody::Map {
                entry_size: map.entry_size.get(),
                entry_version: map.entry_version.get(),
                entries: starts.map(|at| map_entry(&fields.get(at))).collect(),
            }
        }
        7 => {
            // after the mode number and the protected mode interface, and 512 bytes about the controller
            let mode: VbeMode = fields.get(8 + 512);
            DecodedTagBody::Vbe {
                addr: Hex(mode.base.get().into()),
                pitch: mode.pitch.get(),
                width: mode.width.get(),
                height: mode.height.get(),
                bpp: mode.bpp,
            }
        }
        8 => {
            let head: InfoFramebuffer = fields.get(0);
            let colors: InfoColors = fields.get(size_of::<InfoFramebuffer>());
            DecodedTagBody::Framebuffer(DecodedFramebuffer {
                addr: Hex(head.addr.get()),
                pitch: head.pitch.get(),
                width: head.width.get(),
                height: head.height.get(),
                bpp: head.bpp,
                colors: DecodedColors::of(head.kind, [colors.red, colors.green, colors.blue]),
            })
        }
        9 => {
            let sections: InfoSections = fields.get(0);
            DecodedTagBody::Sections {
                num: sections.num.get(),
                entsize: sections.entsize.get(),
                shndx: sections.shndx.get(),
            }
        }
        13 => {
            let smbios: InfoSmbios = fields.get(0);
            DecodedTagBody::Smbios {
                version: format!("{}.{}", smbios.major, smbios.minor),
                tables: fields.bytes.len().saturating_sub(size_of::<InfoSmbios>()),
            }
        }
        14 | 15 => DecodedTagBody::Rsdp {
            copied_at_handoff: HandoffCopy {
                from: Hex(rsdp.unwrap_or(0)),
                len: fields.bytes.len() as u32,
            },
        },
        21 => DecodedTagBody::LoadBase {
            load_base_addr: Hex(fields.get::<U32>(0).into()),
        },
        _ => DecodedTagBody::Other {},
    }
}

fn map_entry(entry: &InfoMapEntry) -> DecodedMapEntry {
    DecodedMapEntry {
        base: Hex(entry.base.get()),
        length: entry.length.get(),
        kind: entry.kind.get(),
    }
}
