//! Verifies the loaded segments, and prints the results.

// UNSAFETY: physical memory by address.
#![expect(unsafe_code)]

use crate::abi::{self, RegionRaw};
use crate::print::Print;

/// An implementation of a digest.
pub trait DigestEngine: Copy {
    /// `VERIFY_CRC32` or `VERIFY_SHA256`.
    fn kind(&self) -> u32;

    /// Algorithm and implementation.
    fn name(&self) -> &'static [u8];

    /// Computes the digest of `bytes` in the format of [`RegionRaw::digest`].
    fn digest(&self, bytes: &[u8]) -> [u8; abi::DIGEST_LEN];
}

/// Returns a CRC-32 in the format of [`RegionRaw::digest`].
#[must_use]
pub const fn crc_digest(crc: u32) -> [u8; abi::DIGEST_LEN] {
    let mut digest = [0; abi::DIGEST_LEN];
    let [a, b, c, d, ..] = &mut digest;
    [*a, *b, *c, *d] = crc.to_le_bytes();
    digest
}

/// Returns the name of an algorithm.
const fn algorithm(kind: u32) -> &'static str {
    if kind == abi::VERIFY_SHA256 {
        "sha256"
    } else {
        "crc32"
    }
}

/// Prints a digest in its usual notation.
pub(crate) fn print(out: &mut impl Print, kind: u32, digest: &[u8; abi::DIGEST_LEN]) {
    if kind == abi::VERIFY_SHA256 {
        for byte in digest {
            out.digits((*byte).into(), 2);
        }
    } else {
        let [a, b, c, d, ..] = *digest;
        out.hex(u32::from_le_bytes([a, b, c, d]).into(), 8);
    }
}

/// Verifies `regions` and prints the results; returns the number of damaged
/// ones. Calls `damaged` for each of them.
///
/// # Safety
///
/// Every region must be mapped, and not change meanwhile.
#[inline(always)]
pub unsafe fn segments<T: Print>(
    out: &mut T,
    regions: &[RegionRaw],
    engine: impl DigestEngine,
    mut damaged: impl FnMut(&mut T, &RegionRaw),
) -> u32 {
    out.str("[handoff] verify with ")
        .bytes(engine.name())
        .str("\n");
    let mut bad = 0;
    for region in regions {
        // SAFETY: the caller's promise; u8 has no alignment and no invalid value.
        let bytes = unsafe {
            core::slice::from_raw_parts(region.start as *const u8, region.memsz as usize)
        };
        if segment(out, region, bytes, engine) {
            continue;
        }
        bad += 1;
        damaged(out, region);
    }
    bad
}

/// Checks one region; the checksum covers the loaded bytes, the rest must be 0.
#[inline(never)]
pub(crate) fn segment(
    out: &mut impl Print,
    r: &RegionRaw,
    bytes: &[u8],
    engine: impl DigestEngine,
) -> bool {
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
        out.str("BAD ")
            .str(algorithm(engine.kind()))
            .str(", expected ");
        print(out, engine.kind(), &r.digest);
        out.str(", found ");
        print(out, engine.kind(), &found);
        out.str("\n");
        return false;
    }
    out.str(algorithm(engine.kind())).str(" ");
    print(out, engine.kind(), &found);
    if let Some(offset) = tail.iter().position(|byte| *byte != 0) {
        out.str(" ok, BAD zero fill, first at ")
            .addr(r.start + r.loaded + offset as u64)
            .str("\n");
        return false;
    }
    out.str(" ok\n");
    true
}
