//! CRC-32 by carry-less multiplication: four 16-byte lanes folded 64 bytes ahead
//! at a time (the method of Intel's "Fast CRC Computation for Generic Polynomials
//! Using PCLMULQDQ Instruction", 2009). The result is 64 bytes with the same CRC;
//! these, and a remainder of less than 64 bytes, are processed with tables.

// UNSAFETY: loads of SSE registers.
#![expect(unsafe_code)]

use crate::crc::{self, CrcTables};
use core::arch::x86_64::{
    __m128i, _mm_clmulepi64_si128, _mm_loadu_si128, _mm_set_epi64x, _mm_storeu_si128, _mm_xor_si128,
};

/// x^n modulo the polynomial, reflected, and shifted left by one: a reflected
/// product of 64 by 64 bits comes out one bit short.
const fn power(n: u32) -> i64 {
    let mut bits = 1 << 31; // x^0
    let mut done = 0;
    while done < n {
        bits = crc::shift(bits);
        done += 1;
    }
    (bits as i64) << 1
}

/// Bits that a step moves a lane ahead.
const STEP: u32 = 512;
/// Multiplier of a lane's lower half, the earlier 8 bytes.
const LOW: i64 = power(STEP + 32);
/// Multiplier of its upper half.
const HIGH: i64 = power(STEP - 32);

#[target_feature(enable = "pclmulqdq")]
fn load(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: 16 readable bytes; the load asks for no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

/// Like [`crc::update`].
///
/// # Safety
///
/// The CPU must have PCLMULQDQ.
#[target_feature(enable = "pclmulqdq")]
#[must_use]
pub fn update(tables: &CrcTables, state: u32, bytes: &[u8]) -> u32 {
    let (blocks, tail) = bytes.as_chunks::<64>();
    let Some((first, blocks)) = blocks.split_first() else {
        return crc::update(tables, state, bytes);
    };
    let mut left = *first;
    let [a, b, c, d, ..] = &mut left;
    [*a, *b, *c, *d] = (u32::from_le_bytes([*a, *b, *c, *d]) ^ state).to_le_bytes();
    let by = _mm_set_epi64x(HIGH, LOW);
    for block in blocks {
        for (lane, next) in left.as_chunks_mut().0.iter_mut().zip(block.as_chunks().0) {
            let now = load(lane);
            let low = _mm_clmulepi64_si128::<0x00>(now, by);
            let high = _mm_clmulepi64_si128::<0x11>(now, by);
            let ahead = _mm_xor_si128(_mm_xor_si128(low, high), load(next));
            // SAFETY: 16 writable bytes; the store asks for no alignment.
            unsafe { _mm_storeu_si128(lane.as_mut_ptr().cast(), ahead) };
        }
    }
    crc::update(tables, crc::update(tables, 0, &left), tail)
}
