//! Verifies the loaded segments with the fastest implementation for the CPU.

// UNSAFETY: physical memory by address; instructions that CPUID promises.
#![expect(unsafe_code)]

use super::{clmul, cpu, lost, sha_ni};
use crate::abi::{self, Params, RegionRaw};
use crate::crc::{self, CrcTables};
use crate::names::nth;
use crate::print::Print;
use crate::sha256;

/// Implementation of a digest.
#[derive(Clone, Copy)]
pub struct Engine<'a> {
    /// `VERIFY_CRC32` or `VERIFY_SHA256`.
    kind: u32,
    /// Use special instructions of the CPU; true only if it has them.
    special: bool,
    /// Initialized.
    tables: &'a CrcTables,
}

impl<'a> Engine<'a> {
    /// Returns the fastest engine for this CPU. `kind`: `VERIFY_CRC32` or
    /// `VERIFY_SHA256`.
    #[must_use]
    pub fn new(kind: u32, tables: &'a CrcTables) -> Self {
        let special = if kind == abi::VERIFY_SHA256 {
            cpu::has_sha()
        } else {
            cpu::has_clmul()
        };
        Self {
            kind,
            special,
            tables,
        }
    }

    /// Returns the engine without special instructions.
    #[must_use]
    pub const fn portable(self) -> Self {
        Self {
            special: false,
            ..self
        }
    }

    /// Algorithm and implementation.
    #[must_use]
    pub fn name(&self) -> &'static [u8] {
        const NAMES: &str = "crc32 (portable)|crc32 (pclmulqdq)|sha256 (portable)|sha256 (sha-ni)";
        let kind = u32::from(self.kind == abi::VERIFY_SHA256);
        nth(NAMES, 2 * kind + u32::from(self.special)).unwrap_or(b"?")
    }

    /// Algorithm.
    const fn algorithm(&self) -> &'static str {
        if self.kind == abi::VERIFY_SHA256 {
            "sha256"
        } else {
            "crc32"
        }
    }

    /// The CRC-32 of `bytes`.
    #[must_use]
    pub fn crc32(&self, bytes: &[u8]) -> u32 {
        !if self.special {
            // SAFETY: `special` is set only if the CPU has PCLMULQDQ.
            unsafe { clmul::update(self.tables, !0, bytes) }
        } else {
            crc::update(self.tables, !0, bytes)
        }
    }

    /// Computes the digest of `bytes` in the format of [`RegionRaw::digest`].
    #[must_use]
    #[inline(never)]
    pub fn digest(&self, bytes: &[u8]) -> [u8; abi::DIGEST_LEN] {
        if self.kind != abi::VERIFY_SHA256 {
            let mut digest = [0; abi::DIGEST_LEN];
            let [a, b, c, d, ..] = &mut digest;
            [*a, *b, *c, *d] = self.crc32(bytes).to_le_bytes();
            return digest;
        }
        let compress = if self.special {
            // SAFETY: `special` is set only if the CPU has SHA, SSSE3 and SSE4.1.
            |state: &mut _, blocks: &_| unsafe { sha_ni::compress(state, blocks) }
        } else {
            sha256::compress
        };
        sha256::sha256(bytes, compress)
    }

    /// Prints a digest in its usual notation.
    fn print(&self, out: &mut impl Print, digest: &[u8; abi::DIGEST_LEN]) {
        if self.kind == abi::VERIFY_SHA256 {
            for byte in digest {
                out.digits((*byte).into(), 2);
            }
        } else {
            let [a, b, c, d, ..] = *digest;
            out.hex(u32::from_le_bytes([a, b, c, d]).into(), 8);
        }
    }
}

/// Verifies all segments of `params` and prints the results; returns the number
/// of damaged ones. Searches damaged segments loaded by Xen for lost pages.
///
/// # Safety
///
/// Every region must be mapped, and not change meanwhile; so must page 0.
#[inline(never)]
pub unsafe fn segments(
    out: &mut impl Print,
    params: &Params,
    tables: &CrcTables,
    xen: bool,
) -> u32 {
    let engine = Engine::new(params.verify, tables);
    out.str("[handoff] verify with ")
        .bytes(engine.name())
        .str("\n");
    let (mut bad, mut pages) = (0, 0);
    for region in params.regions.iter().take(params.region_count as usize) {
        // SAFETY: the caller's promise; u8 has no alignment and no invalid value.
        let bytes = unsafe {
            core::slice::from_raw_parts(region.start as *const u8, region.memsz as usize)
        };
        if segment(out, region, bytes, engine) {
            continue;
        }
        bad += 1;
        if xen {
            // SAFETY: the caller's promise; nothing was written to page 0 yet.
            pages += unsafe { lost::report(out, region, 0) };
        }
    }
    if pages > 0 {
        out.str("[handoff] lost ")
            .dec(pages)
            .str(" page(s) in all (Xen kimage_alloc_page)\n");
    }
    bad
}

/// Checks one region; the checksum covers the loaded bytes, the rest must be 0.
#[inline(never)]
fn segment(out: &mut impl Print, r: &RegionRaw, bytes: &[u8], engine: Engine<'_>) -> bool {
    let (loaded, tail) = bytes.split_at(bytes.len().min(r.loaded as usize));
    let found = engine.digest(loaded);
    out.str("[handoff] verify ")
        .bytes(r.name())
        .str(" ")
        .hex(r.start, 8)
        .str("-");
    out.hex(r.start + r.memsz, 8)
        .str(" ")
        .dec(r.loaded)
        .str(" bytes: ");
    if found != r.digest {
        out.str("BAD ").str(engine.algorithm()).str(", expected ");
        engine.print(out, &r.digest);
        out.str(", found ");
        engine.print(out, &found);
        out.str("\n");
        return false;
    }
    out.str(engine.algorithm()).str(" ");
    engine.print(out, &found);
    if let Some(offset) = tail.iter().position(|byte| *byte != 0) {
        out.str(" ok, BAD zero fill, first at ")
            .addr(r.start + r.loaded + offset as u64)
            .str("\n");
        return false;
    }
    out.str(" ok\n");
    true
}

#[cfg(test)]
mod tests;
