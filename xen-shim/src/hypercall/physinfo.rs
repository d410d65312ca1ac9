// UNSAFETY: makes hypercalls.
#![expect(unsafe_code)]
//! Free memory, from XEN_SYSCTL_physinfo.
//!
//! Sysctl is not a stable interface: the caller gives its version, and Xen
//! returns EACCES for any but its own. The relevant part of this call has
//! changed once, so versions are tried, newest first.

use super::explain::{FailedCall, explain};
use super::transport::request;
use super::wire::{SYSCTL_PHYSINFO, Sysctl, op};
use super::{Errno, HypercallError, Transport};
use handoff::addr::PAGE_SIZE;
use std::ops::RangeInclusive;
use zerocopy::FromZeros;

/// Versions to try: Xen 4.4 has 0xa, 4.17 to 4.20 have 0x15, 4.21 has 0x16; the
/// others are for future releases.
const VERSIONS: RangeInclusive<u32> = 0xa..=0x1f;
/// The first version (Xen 4.17) with 8 more bytes before the numbers of pages.
const WITH_ARCH: u32 = 0x15;
/// Implements [`super::XenMachine::free_heap`].
pub fn free_heap(transport: &dyn Transport) -> Result<Option<u64>, HypercallError> {
    for version in VERSIONS.rev() {
        let request = request(
            transport,
            &Sysctl {
                command: SYSCTL_PHYSINFO,
                version,
                ..Sysctl::new_zeroed()
            },
        )?;
        // SAFETY: a sysctl request, longer than any known.
        match unsafe { transport.hypercall(op::SYSCTL, [request.addr(), 0, 0, 0, 0]) } {
            Ok(_) => return Ok(free(&request.get())),
            Err(Errno::EACCES) => {}
            Err(errno) => return Err(explain(FailedCall::Physinfo, errno)),
        }
    }
    Ok(None)
}

/// Bytes free; `None` where the numbers are inconsistent.
fn free(answer: &Sysctl) -> Option<u64> {
    let (total, free) = match answer.numbers {
        [_, total, free] if answer.version >= WITH_ARCH => (total, free),
        [total, free, _] => (total, free),
    };
    if total == 0 || free > total {
        return None;
    }
    free.checked_mul(PAGE_SIZE)
}
