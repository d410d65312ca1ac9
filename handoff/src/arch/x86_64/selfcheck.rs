//! The blob's checksum over itself: a CRC-32 of everything that is loaded, from
//! the header to the last page table, at the time when [`check`] runs.
//!
//! The CPU may have changed parts of it by then:
//!
//! | change | how the checksum allows for it |
//! |---|---|
//! | `Params::checksum` itself | counts as 0 |
//! | busy bit of our TSS descriptor, set by `ltr` | counts as set |
//! | accessed bits of the other descriptors | set from the start ([`super::descriptors`]) |
//! | accessed and dirty bits of our page tables | set from the start ([`super::paging`]) |
//! | NX bits, cleared on a CPU without NX | cleared after the check; [`renew`] |
//! | `Scratch` (stacks, saved state) | lies behind the last byte that is covered |

// UNSAFETY: the blob reads itself by address.
#![expect(unsafe_code)]

use super::verify::Engine;
use crate::abi::{self, Area, BlobHeader};
use crate::crc;
use core::mem::offset_of;

/// Checksums of the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sums {
    /// Computed by the host.
    pub expected: u32,
    /// Computed now.
    pub found: u32,
}

/// Offset in the [`Area`] of the byte with the busy bit.
#[cfg(not(freestanding))]
const TSS_TYPE: usize = offset_of!(Area, tables.gdt) + abi::SEL_TSS as usize + 5;
/// The busy bit (Intel SDM vol. 3, 8.2.2).
#[cfg(not(freestanding))]
const BUSY: u8 = 2;

/// Fills in the checksum of a blob as it is loaded, whose [`Area`] begins at
/// offset `area`.
///
/// # Panics
///
/// When `bytes` do not reach to the end of the tables.
#[cfg(not(freestanding))]
pub fn seal(bytes: &mut [u8], area: usize) {
    let mut tables = [[0; 256]; 8];
    crc::init(&mut tables);
    let at = area + offset_of!(Area, params.checksum);
    let end = area + offset_of!(Area, scratch);
    bytes[at..at + 4].fill(0);
    bytes[area + TSS_TYPE] |= BUSY;
    let sum = crc::crc32(&tables, &bytes[..end]);
    bytes[area + TSS_TYPE] &= !BUSY;
    bytes[at..at + 4].copy_from_slice(&sum.to_le_bytes());
}

/// Computes the checksum with initialized `Scratch::crc`.
///
/// # Safety
///
/// `header` and `area` must be those of one blob, to which nothing else refers
/// meanwhile.
#[inline(never)]
unsafe fn sum(header: *const BlobHeader, area: *mut Area) -> u32 {
    let len = area as usize - header as usize + offset_of!(Area, scratch);
    // SAFETY: the caller's promise; the slice ends before `scratch`, and
    // `checksum` is not written while it is used.
    unsafe {
        let expected = (*area).params.checksum;
        (*area).params.checksum = 0;
        let bytes = core::slice::from_raw_parts(header.cast::<u8>(), len);
        let sum = Engine::new(abi::VERIFY_CRC32, &(*area).scratch.crc).crc32(bytes);
        (*area).params.checksum = expected;
        sum
    }
}

/// Fills in `Scratch::crc`, then computes the checksum. Our TSS must be loaded.
///
/// # Safety
///
/// As for `sum`.
pub unsafe fn check(header: *const BlobHeader, area: *mut Area) -> Sums {
    // SAFETY: the caller's promise.
    unsafe {
        crc::init(&mut (*area).scratch.crc);
        Sums {
            expected: (*area).params.checksum,
            found: sum(header, area),
        }
    }
}

/// Updates the checksum after a change of the tables, so that the next
/// [`check`] succeeds.
///
/// # Safety
///
/// As for `sum`, after a [`check`].
pub unsafe fn renew(header: *const BlobHeader, area: *mut Area) {
    // SAFETY: the caller's promise.
    unsafe { (*area).params.checksum = sum(header, area) };
}

#[cfg(test)]
mod tests;
