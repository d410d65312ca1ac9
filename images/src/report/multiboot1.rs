//! The Multiboot (1) part of a report.

use serde::Deserialize;

use super::MmapEntry;

/// The Multiboot (1) information structure: the fields with a flag.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Multiboot1 {
    /// Address: the value of EBX.
    pub address: u64,
    /// As found; `None` when the address cannot be read.
    pub flags: Option<u32>,
    /// Flag 0, in KiB.
    pub mem_lower: Option<u32>,
    /// Flag 0, in KiB.
    pub mem_upper: Option<u32>,
    /// Flag 2.
    pub cmdline: Option<String>,
    /// Flag 3.
    pub modules: Option<Vec<Module1>>,
    /// Flag 5.
    pub elf_sections: Option<Sections1>,
    /// Flag 6.
    pub mmap: Option<Vec<MmapEntry>>,
    /// Bytes after the last whole entry.
    pub mmap_trailing_bytes: Option<u64>,
    /// Flag 9.
    pub loader: Option<String>,
    /// Flag 12.
    pub framebuffer: Option<Framebuffer1>,
    /// True when all other fields are zero.
    pub rest_zero: Option<bool>,
}

/// A Multiboot (1) module.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Module1 {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// Command line; `None` when it is not terminated.
    pub cmdline: Option<String>,
    /// Last word of the entry.
    pub reserved: u32,
    /// Lower-case hex digits of the digest of the contents, empty when they
    /// cannot be read.
    pub sha256: String,
}

/// The framebuffer of Multiboot (1).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Framebuffer1 {
    /// Physical address.
    pub address: u64,
    /// Bytes of a line.
    pub pitch: u32,
    /// Pixels, or characters.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Bits per pixel, or per character.
    pub bpp: u8,
    /// 1: RGB, 2: text.
    pub format: u8,
}

/// The section header table that Multiboot (1) points to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sections1 {
    /// Entries.
    pub count: u32,
    /// Bytes per entry.
    pub entry_size: u32,
    /// Address of the table.
    pub address: u64,
    /// Index of the name table.
    pub names: u32,
}
