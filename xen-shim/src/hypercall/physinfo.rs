// UNSAFETY: makes hypercalls.
#![expect(unsafe_code)]
//! Free memory, from XEN_SYSCTL_physinfo.
//!
//! Sysctl is no stable interface: the caller names the version that it speaks,
//! and Xen answers EACCES to any but its own. What this call returns has changed
//! once in the part that matters here, so versions are tried, newest first.

use super::explain::{Explained, explain};
use super::wire::{op, u64_at};
use super::{Errno, HypercallError, Transport};
use handoff::addr::PAGE_SIZE;
use std::ops::RangeInclusive;

/// Command.
const PHYSINFO: u32 = 3;
/// Versions to try: Xen 4.4 has 0xa, 4.17 to 4.20 have 0x15, 4.21 has 0x16; the
/// rest is for Xens to come.
const VERSIONS: RangeInclusive<u32> = 0xa..=0x1f;
/// The first version (Xen 4.17) with 8 more bytes before the numbers of pages.
const WITH_ARCH: u32 = 0x15;
/// Size of the request: command, version, 128 bytes; and what a Xen to come adds.
const REQUEST: usize = 512;

/// As [`super::Machine::free_heap`].
pub fn free_heap(transport: &dyn Transport) -> Result<Option<u64>, HypercallError> {
    let mut request = transport.buffer(REQUEST)?;
    for version in VERSIONS.rev() {
        request.bytes_mut().fill(0);
        request.bytes_mut()[..4].copy_from_slice(&PHYSINFO.to_le_bytes());
        request.bytes_mut()[4..8].copy_from_slice(&version.to_le_bytes());
        // SAFETY: a sysctl request, longer than any known.
        match unsafe { transport.hypercall(op::SYSCTL, [request.addr(), 0, 0, 0, 0]) } {
            Ok(_) => return Ok(free(request.bytes(), version)),
            Err(Errno::EACCES) => {}
            Err(errno) => return Err(explain(Explained::Physinfo, errno)),
        }
    }
    Ok(None)
}

/// Bytes free; `None` where the numbers cannot be what they should.
fn free(answer: &[u8], version: u32) -> Option<u64> {
    let total_at = 8 + if version >= WITH_ARCH { 40 } else { 32 };
    let (total, free) = (u64_at(answer, total_at), u64_at(answer, total_at + 8));
    if total == 0 || free > total {
        return None;
    }
    free.checked_mul(PAGE_SIZE)
}
