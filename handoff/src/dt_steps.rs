//! Steps of the handoff that riscv64 and arm64 share: checksum, verification, moves.

// UNSAFETY: physical memory by address.
#![expect(unsafe_code)]

use crate::abi::{self, DtParams};
use crate::crc::{self, CrcTables};
use crate::moves;
use crate::print::Print;
use crate::relocate;
use crate::sha256;
use crate::verify::{self, DigestEngine, crc_digest};

/// Digests of any CPU.
#[derive(Clone, Copy)]
pub struct PortableEngine<'a> {
    /// `VERIFY_CRC32` or `VERIFY_SHA256`.
    pub kind: u32,
    /// For the CRC.
    pub tables: &'a CrcTables,
}

impl DigestEngine for PortableEngine<'_> {
    fn kind(&self) -> u32 {
        self.kind
    }

    fn name(&self) -> &'static [u8] {
        if self.kind == abi::VERIFY_SHA256 {
            b"sha256 (portable)"
        } else {
            b"crc32 (portable)"
        }
    }

    fn digest(&self, bytes: &[u8]) -> [u8; abi::DIGEST_LEN] {
        if self.kind == abi::VERIFY_SHA256 {
            return sha256::sha256(bytes, sha256::compress);
        }
        crc_digest(crc::crc32(self.tables, bytes))
    }
}

/// Returns the expected and the computed checksum of the blob of `len` bytes at `blob`, whose
/// parameters are `params`.
///
/// # Safety
///
/// The bytes are the blob's, with no other user; `params` lies in them.
pub unsafe fn checksum(
    blob: *const u8,
    len: usize,
    params: *mut DtParams,
    tables: &CrcTables,
) -> (u32, u32) {
    // SAFETY: the caller's promise; `checksum` is not written while the slice is used.
    unsafe {
        let expected = (*params).checksum;
        (*params).checksum = 0;
        let found = crc::crc32(tables, core::slice::from_raw_parts(blob, len));
        (*params).checksum = expected;
        (expected, found)
    }
}

/// Prints why the blob does not continue; returns false if it can.
pub fn refuse(out: &mut impl Print, sums: (u32, u32), at: u64, params: &DtParams) -> bool {
    let (expected, found) = sums;
    if expected != found {
        out.str("[handoff] handoff itself is damaged: expected ")
            .hex(expected.into(), 8)
            .str(", found ");
        out.hex(found.into(), 8).str("\n");
    }
    if at != params.base {
        out.str("[handoff] runs at ")
            .addr(at)
            .str(", but was made for ")
            .addr(params.base)
            .str("\n");
    }
    expected != found || at != params.base
}

/// Verifies all segments. Returns false if one is damaged.
///
/// # Safety
///
/// The segments are mapped RAM that is not written any more.
#[inline(always)]
pub unsafe fn segments<T: Print>(
    out: &mut T,
    params: &DtParams,
    engine: impl DigestEngine,
) -> bool {
    if params.verify == abi::VERIFY_NONE {
        return true;
    }
    // SAFETY: the caller's promise.
    let bad = unsafe { verify::segments(out, params.regions(), engine, |_, _| {}) };
    if bad > 0 {
        out.str("[handoff] ")
            .dec(bad.into())
            .str(" segment(s) damaged: not starting it\n");
    }
    bad == 0
}

/// Moves and clears memory. Calls `written` with address and length of what it wrote. Returns false
/// if the page list has no end.
///
/// # Safety
///
/// Sources, destinations, list pages and ranges to clear are mapped RAM apart from the blob.
pub unsafe fn relocate(
    out: &mut impl Print,
    params: &DtParams,
    written: impl Fn(u64, u64),
) -> bool {
    relocate::announce(out, &params.relocate);
    // SAFETY: the caller's promise.
    let done = unsafe { moves::relocate(&params.relocate, written) };
    if !done {
        out.str("[handoff] relocate: BAD page list\n");
    }
    done
}
