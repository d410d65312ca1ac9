//! A ring buffer of text in memory that survives a warm reset: the handoff
//! appends all of its output, the next kernel reads it (`mbtool decode
//! --ram-log`).
//!
//! The region starts with a [`LogHeader`]; the ring is the rest. The byte number
//! `n` ever written lies at ring offset `n % ring`, lines end in LF alone. All
//! integers are little endian.

// UNSAFETY: the writer works on a region given by address.
#![expect(unsafe_code)]

use core::mem::size_of;
#[cfg(not(freestanding))]
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// Magic number "MBTRAMLG", little endian.
pub const MAGIC: u64 = u64::from_le_bytes(*b"MBTRAMLG");
/// Incremented with every incompatible change of this format.
pub const VERSION: u32 = 1;
/// Size of the header in bytes.
pub const HEADER_LEN: usize = size_of::<LogHeader>();
/// Smallest region in bytes, header included: a page.
pub const MIN_SIZE: u32 = 4096;
/// Largest region in bytes, header included.
pub const MAX_SIZE: u32 = 1 << 20;
/// Default region size: holds about twenty dumps.
pub const DEFAULT_SIZE: u32 = 64 << 10;

/// The first bytes of the region.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(freestanding), derive(FromBytes, Immutable, KnownLayout))]
pub struct LogHeader {
    /// [`MAGIC`]; written last when a log is started.
    pub magic: u64,
    /// [`VERSION`].
    pub version: u32,
    /// Bytes of the region, this header included.
    pub size: u32,
    /// Bytes written since the log was started.
    pub total: u64,
    /// `!total`. Stored after it: a reset between the two leaves `!(total - 1)`.
    pub check: u64,
    /// Number of handoffs that have written to this log.
    pub handoffs: u32,
    /// Unused.
    pub reserved: [u32; 7],
}

impl LogHeader {
    /// True for the header of a log of `size` bytes.
    #[must_use]
    pub const fn is_log(&self, size: u32) -> bool {
        self.magic == MAGIC
            && self.version == VERSION
            && self.size == size
            && (self.check == !self.total || self.check == !self.total.wrapping_sub(1))
    }
}

/// Continues the log in the region, or starts one if there is none.
///
/// # Safety
///
/// `size` bytes at `log`, 8-byte aligned, must be memory with no other user.
pub unsafe fn attach(log: *mut LogHeader, size: u32) {
    // SAFETY: the caller's promise.
    unsafe {
        let known = log.read_volatile().is_log(size);
        if !known {
            (&raw mut (*log).magic).write_volatile(0);
            (&raw mut (*log).version).write_volatile(VERSION);
            (&raw mut (*log).size).write_volatile(size);
            (&raw mut (*log).handoffs).write_volatile(0);
            set_total(log, 0);
        }
        let handoffs = &raw mut (*log).handoffs;
        handoffs.write_volatile(handoffs.read_volatile().wrapping_add(1));
        (&raw mut (*log).magic).write_volatile(MAGIC);
    }
}

/// Stores the count and its check.
///
/// # Safety
///
/// As for [`attach`].
unsafe fn set_total(log: *mut LogHeader, total: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        (&raw mut (*log).total).write_volatile(total);
        (&raw mut (*log).check).write_volatile(!total);
    }
}

/// Appends one byte.
///
/// # Safety
///
/// As for [`attach`], which must have been called with the same `size`.
pub unsafe fn append(log: *mut LogHeader, size: u32, byte: u8) {
    let ring = u64::from(size).saturating_sub(HEADER_LEN as u64).max(1);
    // SAFETY: the caller's promise; the offset is below `size`, whatever the
    // header contains.
    unsafe {
        let total = (&raw const (*log).total).read_volatile();
        let at = (total % ring) as usize;
        log.add(1).cast::<u8>().add(at).write_volatile(byte);
        set_total(log, total.wrapping_add(1));
    }
}

const _: () = assert!(HEADER_LEN == 64);

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u32 = 4096;

    struct Region(Vec<u64>);

    impl Region {
        fn log(&mut self) -> *mut LogHeader {
            self.0.as_mut_ptr().cast()
        }
        fn header(&mut self) -> LogHeader {
            // SAFETY: the vector is larger than a header and as aligned.
            unsafe { *self.log() }
        }
        fn print(&mut self, text: &[u8]) {
            // SAFETY: the vector has SIZE bytes.
            unsafe { attach(self.log(), SIZE) };
            for byte in text {
                // SAFETY: as above.
                unsafe { append(self.log(), SIZE, *byte) };
            }
        }
        fn byte(&self, at: usize) -> u8 {
            self.0[at / 8].to_le_bytes()[at % 8]
        }
    }

    #[test]
    fn garbage_becomes_a_log_and_a_log_is_continued() {
        let mut region = Region(vec![0x5a5a_5a5a_5a5a_5a5a; SIZE as usize / 8]);
        region.print(b"ab");
        region.print(b"c");
        let header = region.header();
        assert!(header.is_log(SIZE) && !header.is_log(SIZE * 2));
        assert_eq!((header.total, header.handoffs), (3, 2));
        assert_eq!([64, 65, 66, 67].map(|at| region.byte(at)), *b"abcZ");
    }

    #[test]
    fn the_ring_wraps_inside_the_region() {
        let mut region = Region(vec![0; SIZE as usize / 8]);
        let text: Vec<u8> = (0..5000u32).map(|n| n as u8).collect();
        region.print(&text);
        assert_eq!(region.header().total, 5000);
        // byte 4032 went to the start of the ring, byte 4999 to offset 967
        assert_eq!(region.byte(64), 4032u32 as u8);
        assert_eq!(region.byte(64 + 967), 4999u32 as u8);
        assert_eq!(region.byte(64 + 968), 968u32 as u8);
    }

    #[test]
    fn a_wrong_check_starts_a_new_log_but_an_interrupted_update_does_not() {
        let mut region = Region(vec![0; SIZE as usize / 8]);
        region.print(b"abc");
        region.0[3] = !2; // reset between the stores of `total` and `check`
        region.print(b"d");
        assert_eq!(region.header().total, 4);
        region.0[3] ^= 1 << 40;
        region.print(b"e");
        assert_eq!((region.header().total, region.header().handoffs), (1, 1));
    }
}
