//! Decodes the boot information tag by tag, as untrusted input.
//!
//! Source: Multiboot2 specification 2.0, section 3.6.

use crate::json::{Json, Sink};
use crate::sha256::Sha256;

/// A larger boot information is reported as unreadable, in bytes.
pub const MOST_BYTES: u64 = 16 << 20;

/// Fixed part, and size of a tag header, in bytes.
const HEADER: usize = 8;

/// Writes the object `mbi`. `memory` returns the bytes of a physical range, or
/// `None` if it is not readable.
pub fn write<'m, S: Sink>(
    json: &mut Json<'_, S>,
    address: u64,
    memory: &impl Fn(u64, u64) -> Option<&'m [u8]>,
) {
    json.key("mbi");
    json.object();
    json.number("address", address);
    let fault = match memory(address, HEADER as u64) {
        None => Some("address cannot be read"),
        Some(header) => {
            let total = u64::from(u32_at(header, 0).unwrap_or(0));
            json.number("total_size", total);
            json.number("reserved", u32_at(header, 4).unwrap_or(0).into());
            if total < 16 {
                Some("total_size is below 16")
            } else if total > MOST_BYTES {
                Some("total_size is above 16 MiB")
            } else if let Some(bytes) = memory(address, total) {
                tags(json, bytes, memory)
            } else {
                Some("total_size reaches beyond memory")
            }
        }
    };
    if let Some(fault) = fault {
        json.string("fault", fault.as_bytes());
    }
    json.end_object();
}

/// Writes the array `tags`; returns the reason if the walk ended early.
fn tags<'m, S: Sink>(
    json: &mut Json<'_, S>,
    bytes: &[u8],
    memory: &impl Fn(u64, u64) -> Option<&'m [u8]>,
) -> Option<&'static str> {
    json.key("tags");
    json.array();
    let mut rest = bytes.get(HEADER..).unwrap_or(&[]);
    let fault = loop {
        let (Some(kind), Some(size)) = (u32_at(rest, 0), u32_at(rest, 4)) else {
            break Some("no end tag within total_size");
        };
        if (size as usize) < HEADER {
            break Some("a tag is smaller than its header");
        }
        let Some(payload) = rest.get(HEADER..size as usize) else {
            break Some("a tag reaches beyond total_size");
        };
        json.object();
        json.number("type", kind.into());
        json.number("size", size.into());
        tag(json, kind, payload, memory);
        json.end_object();
        if kind == 0 {
            break None;
        }
        // the padding after a tag is not part of its size
        rest = rest
            .get((size as usize).next_multiple_of(8)..)
            .unwrap_or(&[]);
    };
    json.end_array();
    fault
}

/// Writes the members of one tag. A tag too short for its type is `other`.
fn tag<'m, S: Sink>(
    json: &mut Json<'_, S>,
    kind: u32,
    payload: &[u8],
    memory: &impl Fn(u64, u64) -> Option<&'m [u8]>,
) {
    let word = |offset| u32_at(payload, offset);
    match (kind, word(0), word(4), word(8)) {
        (0, ..) => json.string("kind", b"end"),
        (1, ..) => text(json, "cmdline", payload),
        (2, ..) => text(json, "loader", payload),
        (3, Some(start), Some(end), _) => module(json, payload, start, end, memory),
        (4, Some(lower), Some(upper), _) => {
            json.string("kind", b"meminfo");
            json.number("lower_kib", lower.into());
            json.number("upper_kib", upper.into());
        }
        (6, Some(entry_size), Some(version), _) => mmap(json, payload, entry_size, version),
        (9, Some(count), Some(entry_size), Some(names)) => {
            json.string("kind", b"elf_sections");
            json.number("count", count.into());
            json.number("entry_size", entry_size.into());
            json.number("names", names.into());
        }
        (8, ..) if payload.len() >= 24 => framebuffer(json, payload),
        (13, ..) if payload.len() >= 8 => smbios(json, payload),
        (14 | 15, ..) => rsdp(json, kind, payload),
        (21, Some(address), ..) => {
            json.string("kind", b"load_base");
            json.number("address", address.into());
        }
        _ => json.string("kind", b"other"),
    }
}

fn text<S: Sink>(json: &mut Json<'_, S>, kind: &str, payload: &[u8]) {
    json.string("kind", kind.as_bytes());
    string(json, "text", payload);
}

/// Writes a zero-terminated string and whether it was terminated.
fn string<S: Sink>(json: &mut Json<'_, S>, key: &str, bytes: &[u8]) {
    let end = bytes.iter().position(|&byte| byte == 0);
    json.string(key, bytes.get(..end.unwrap_or(bytes.len())).unwrap_or(&[]));
    json.boolean("terminated", end.is_some());
}

fn module<'m, S: Sink>(
    json: &mut Json<'_, S>,
    payload: &[u8],
    start: u32,
    end: u32,
    memory: &impl Fn(u64, u64) -> Option<&'m [u8]>,
) {
    json.string("kind", b"module");
    json.number("start", start.into());
    json.number("end", end.into());
    string(json, "cmdline", payload.get(8..).unwrap_or(&[]));
    digest(json, start, end, memory);
}

/// Writes `sha256` of the bytes from `start` to `end`, empty when they cannot be
/// read.
pub fn digest<'m, S: Sink>(
    json: &mut Json<'_, S>,
    start: u32,
    end: u32,
    memory: &impl Fn(u64, u64) -> Option<&'m [u8]>,
) {
    let contents = match end.checked_sub(start) {
        Some(0) => Some(&[][..]),
        Some(len) => memory(start.into(), len.into()),
        None => None,
    };
    match contents {
        Some(contents) => {
            let mut sha = Sha256::new();
            sha.update(contents);
            json.hex_string("sha256", &sha.finish());
        }
        None => json.string("sha256", b""),
    }
}

fn mmap<S: Sink>(json: &mut Json<'_, S>, payload: &[u8], entry_size: u32, version: u32) {
    json.string("kind", b"mmap");
    json.number("entry_size", entry_size.into());
    json.number("version", version.into());
    json.key("entries");
    json.array();
    let mut rest = payload.get(8..).unwrap_or(&[]);
    // an entry is never smaller than its four fields
    while let (true, Some(base), Some(length), Some(kind)) = (
        entry_size >= 24,
        u64_at(rest, 0),
        u64_at(rest, 8),
        u32_at(rest, 16),
    ) {
        json.object();
        json.number("base", base);
        json.number("length", length);
        json.number("type", kind.into());
        json.end_object();
        rest = rest.get(entry_size as usize..).unwrap_or(&[]);
    }
    json.end_array();
    json.number("trailing_bytes", rest.len() as u64);
}

/// Writes tag 8; `colors` are the bytes that depend on the type.
fn framebuffer<S: Sink>(json: &mut Json<'_, S>, payload: &[u8]) {
    json.string("kind", b"framebuffer");
    json.number("address", u64_at(payload, 0).unwrap_or(0));
    for (name, at) in [("pitch", 8), ("width", 12), ("height", 16)] {
        json.number(name, u32_at(payload, at).unwrap_or(0).into());
    }
    for (name, at) in [("bpp", 20), ("format", 21)] {
        json.number(name, payload.get(at).copied().unwrap_or(0).into());
    }
    json.hex_string("colors", payload.get(24..).unwrap_or(&[]));
}

/// Writes tag 13, with the digest of its tables.
fn smbios<S: Sink>(json: &mut Json<'_, S>, payload: &[u8]) {
    json.string("kind", b"smbios");
    for (name, at) in [("major", 0), ("minor", 1)] {
        json.number(name, payload.get(at).copied().unwrap_or(0).into());
    }
    let tables = payload.get(8..).unwrap_or(&[]);
    json.string("anchor", tables.get(..5).unwrap_or(&[]));
    let mut sha = Sha256::new();
    sha.update(tables);
    json.hex_string("sha256", &sha.finish());
}

/// Writes a copy of the ACPI root pointer (ACPI 6.5, 5.2.5.3).
fn rsdp<S: Sink>(json: &mut Json<'_, S>, kind: u32, payload: &[u8]) {
    json.string("kind", b"rsdp");
    json.string("signature", payload.get(..8).unwrap_or(payload));
    json.boolean(
        "checksum_valid",
        payload.get(..20).is_some_and(sums_to_zero),
    );
    json.number("revision", payload.get(15).copied().unwrap_or(0).into());
    json.number("rsdt", u32_at(payload, 16).unwrap_or(0).into());
    if kind == 15 {
        let whole = u32_at(payload, 20).and_then(|len| payload.get(..len as usize));
        let valid = whole.is_some_and(|whole| whole.len() >= 36 && sums_to_zero(whole));
        json.boolean("extended_checksum_valid", valid);
        json.number("xsdt", u64_at(payload, 24).unwrap_or(0));
    }
}

/// True when the sum of all bytes is a multiple of 256, as ACPI requires.
pub fn sums_to_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0_u8, |sum, &byte| sum.wrapping_add(byte)) == 0
}

/// Reads the word at `offset`; `None` when it is not all inside `bytes`.
pub fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let field = bytes.get(offset..)?.first_chunk()?;
    Some(u32::from_le_bytes(*field))
}

/// Reads the long word at `offset`; `None` when it is not all inside `bytes`.
pub fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    let field = bytes.get(offset..)?.first_chunk()?;
    Some(u64::from_le_bytes(*field))
}
