//! Decodes the Multiboot (1) information structure as untrusted input.
//!
//! Source: Multiboot specification 0.6.96, section 3.3.

use crate::json::{Json, Sink};
use crate::mbi::{digest, u32_at, u64_at};

/// Bytes of the structure, framebuffer fields included.
const BYTES: u64 = 116;
/// A longer string is reported as not terminated, in bytes.
const MOST_TEXT: u64 = 64 << 10;
/// Maximum size of modules or memory map, in bytes.
const MOST_TABLE: u64 = 1 << 20;

/// Writes the object `multiboot1`. `memory` returns the bytes of a physical
/// range, or `None` if it is not readable. Fields without a flag are omitted.
pub fn write<'m, S: Sink>(
    json: &mut Json<'_, S>,
    address: u64,
    memory: &impl Fn(u64, u64) -> Option<&'m [u8]>,
) {
    json.key("multiboot1");
    json.object();
    json.number("address", address);
    if let Some(info) = memory(address, BYTES) {
        let word = |at: usize| u32_at(info, at).unwrap_or(0);
        let flags = word(0);
        let has = |bit: u32| flags & (1 << bit) != 0;
        json.number("flags", flags.into());
        if has(0) {
            json.number("mem_lower", word(4).into());
            json.number("mem_upper", word(8).into());
        }
        if has(2) {
            string(json, "cmdline", word(16), memory);
        }
        if has(3) {
            modules(json, word(24), word(20), memory);
        }
        if has(5) {
            json.key("elf_sections");
            json.object();
            for (name, at) in [
                ("count", 28),
                ("entry_size", 32),
                ("address", 36),
                ("names", 40),
            ] {
                json.number(name, word(at).into());
            }
            json.end_object();
        }
        if has(6) {
            map(json, word(48), word(44), memory);
        }
        if has(9) {
            string(json, "loader", word(64), memory);
        }
        if has(12) {
            framebuffer(json, info);
        }
        // values of fields that the flags do not announce
        let end = if has(12) { 88 } else { BYTES as usize };
        let unused = [12..16, 52..64, 68..end];
        let zero = |range| {
            info.get::<core::ops::Range<usize>>(range)
                .unwrap_or(&[])
                .iter()
        };
        json.boolean(
            "rest_zero",
            unused.into_iter().flat_map(zero).all(|&byte| byte == 0),
        );
    }
    json.end_object();
}

fn framebuffer<S: Sink>(json: &mut Json<'_, S>, info: &[u8]) {
    json.key("framebuffer");
    json.object();
    json.number("address", u64_at(info, 88).unwrap_or(0));
    for (name, at) in [("pitch", 96), ("width", 100), ("height", 104)] {
        json.number(name, u32_at(info, at).unwrap_or(0).into());
    }
    for (name, at) in [("bpp", 108), ("format", 109)] {
        json.number(name, info.get(at).copied().unwrap_or(0).into());
    }
    json.end_object();
}

/// Writes a zero-terminated string; null when it does not end.
fn string<'m, S: Sink>(
    json: &mut Json<'_, S>,
    key: &str,
    address: u32,
    memory: &impl Fn(u64, u64) -> Option<&'m [u8]>,
) {
    let bytes = memory(address.into(), MOST_TEXT).unwrap_or(&[]);
    match bytes.iter().position(|&byte| byte == 0) {
        Some(end) => json.string(key, bytes.get(..end).unwrap_or(&[])),
        None => json.number_or_null(key, None),
    }
}

fn modules<'m, S: Sink>(
    json: &mut Json<'_, S>,
    address: u32,
    count: u32,
    memory: &impl Fn(u64, u64) -> Option<&'m [u8]>,
) {
    json.key("modules");
    json.array();
    let len = u64::from(count) * 16;
    let table = memory(address.into(), len).filter(|_| len <= MOST_TABLE);
    for entry in table.unwrap_or(&[]).chunks_exact(16) {
        let word = |at: usize| u32_at(entry, at).unwrap_or(0);
        json.object();
        json.number("start", word(0).into());
        json.number("end", word(4).into());
        string(json, "cmdline", word(8), memory);
        json.number("reserved", word(12).into());
        digest(json, word(0), word(4), memory);
        json.end_object();
    }
    json.end_array();
}

fn map<'m, S: Sink>(
    json: &mut Json<'_, S>,
    address: u32,
    len: u32,
    memory: &impl Fn(u64, u64) -> Option<&'m [u8]>,
) {
    json.key("mmap");
    json.array();
    let map = memory(address.into(), len.into()).filter(|_| u64::from(len) <= MOST_TABLE);
    let mut rest = map.unwrap_or(&[]);
    // the size field excludes itself
    while let (Some(size @ 20..), Some(base), Some(length), Some(kind)) = (
        u32_at(rest, 0),
        u64_at(rest, 4),
        u64_at(rest, 12),
        u32_at(rest, 20),
    ) {
        json.object();
        json.number("base", base);
        json.number("length", length);
        json.number("type", kind.into());
        json.end_object();
        rest = rest.get(4 + size as usize..).unwrap_or(&[]);
    }
    json.end_array();
    json.number("mmap_trailing_bytes", rest.len() as u64);
}
