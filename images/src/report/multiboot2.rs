//! The Multiboot2 part of a report.

use serde::Deserialize;

use super::MmapEntry;

/// The boot information.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MbiReport {
    /// Address: the value of EBX.
    pub address: u64,
    /// `total_size` as found; `None` when the address cannot be read.
    pub total_size: Option<u64>,
    /// `reserved` as found.
    pub reserved: Option<u64>,
    /// Tags, up to the end tag or the first invalid one.
    #[serde(default)]
    pub tags: Vec<Tag>,
    /// Why the walk ended before the end tag.
    pub fault: Option<String>,
}

/// One tag.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Tag {
    /// Type number (specification 3.6).
    pub r#type: u32,
    /// Size as found, header included.
    pub size: u32,
    /// Contents.
    #[serde(flatten)]
    pub body: TagBody,
}

/// Contents of a tag. Strings map each byte to the code point of that value.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "fields are those of the specification")]
pub enum TagBody {
    /// Type 0.
    End,
    /// Type 1.
    Cmdline { text: String, terminated: bool },
    /// Type 2.
    Loader { text: String, terminated: bool },
    /// Type 3. `sha256`: lower-case hex digits of the digest of the contents,
    /// empty when they cannot be read.
    Module {
        start: u64,
        end: u64,
        cmdline: String,
        terminated: bool,
        sha256: String,
    },
    /// Type 4.
    Meminfo { lower_kib: u32, upper_kib: u32 },
    /// Type 6. `trailing_bytes`: bytes after the last whole entry.
    Mmap {
        entry_size: u32,
        version: u32,
        entries: Vec<MmapEntry>,
        trailing_bytes: u32,
    },
    /// Type 9; section headers are counted only.
    ElfSections {
        count: u32,
        entry_size: u32,
        names: u32,
    },
    /// Type 8. `colors`: hex digits of the bytes that depend on `format`.
    Framebuffer {
        address: u64,
        pitch: u32,
        width: u32,
        height: u32,
        bpp: u8,
        format: u8,
        colors: String,
    },
    /// Type 13. `sha256` of the tables, `anchor` their first bytes.
    Smbios {
        major: u8,
        minor: u8,
        anchor: String,
        sha256: String,
    },
    /// Types 14 and 15; the last two fields are those of type 15.
    Rsdp {
        signature: String,
        checksum_valid: bool,
        revision: u8,
        rsdt: u64,
        extended_checksum_valid: Option<bool>,
        xsdt: Option<u64>,
    },
    /// Type 21.
    LoadBase { address: u64 },
    /// Any other type, or a tag too short for its type.
    Other,
}

impl MbiReport {
    /// Contents of every tag of a type, in order.
    pub fn of_type(&self, r#type: u32) -> impl Iterator<Item = &TagBody> {
        let tags = self.tags.iter().filter(move |tag| tag.r#type == r#type);
        tags.map(|tag| &tag.body)
    }
}
