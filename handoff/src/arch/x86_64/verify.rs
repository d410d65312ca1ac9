//! Digests by the fastest implementation for the CPU.

// UNSAFETY: physical memory by address; instructions that CPUID promises.
#![expect(unsafe_code)]

use super::{clmul, cpu, lost, sha_ni};
use crate::abi::{self, Params};
use crate::crc::{self, CrcTables};
use crate::names::nth;
use crate::print::Print;
use crate::sha256;
use crate::verify::{self, DigestEngine, crc_digest};

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
}

impl DigestEngine for Engine<'_> {
    fn kind(&self) -> u32 {
        self.kind
    }

    fn name(&self) -> &'static [u8] {
        const NAMES: &str = "crc32 (portable)|crc32 (pclmulqdq)|sha256 (portable)|sha256 (sha-ni)";
        let kind = u32::from(self.kind == abi::VERIFY_SHA256);
        nth(NAMES, 2 * kind + u32::from(self.special)).unwrap_or(b"?")
    }

    #[inline(never)]
    fn digest(&self, bytes: &[u8]) -> [u8; abi::DIGEST_LEN] {
        if self.kind != abi::VERIFY_SHA256 {
            return crc_digest(self.crc32(bytes));
        }
        let compress = if self.special {
            // SAFETY: `special` is set only if the CPU has SHA, SSSE3 and SSE4.1.
            |state: &mut _, blocks: &_| unsafe { sha_ni::compress(state, blocks) }
        } else {
            sha256::compress
        };
        sha256::sha256(bytes, compress)
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
    let mut pages = 0;
    let count = params.regions.len().min(params.region_count as usize);
    // SAFETY: the caller's promise.
    let bad = unsafe {
        verify::segments(out, &params.regions[..count], engine, |out, region| {
            if xen {
                // nothing was written to page 0 yet
                pages += lost::report(out, region, 0);
            }
        })
    };
    if pages > 0 {
        out.str("[handoff] lost ")
            .dec(pages)
            .str(" page(s) in all (Xen kimage_alloc_page)\n");
    }
    bad
}

#[cfg(test)]
mod tests;
