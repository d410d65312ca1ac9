//! SHA-256 (FIPS 180-4), not unrolled: 64 words of constants and small code.
//!
//! `sha2` has unrolled rounds and its own run-time detection, which keeps state
//! in static data; the blob must have neither.

/// Words a to h.
pub type Sha256State = [u32; 8];
/// Input of one compression.
pub type Block = [u8; 64];

/// The first 32 bits of the fractional parts of the cube roots of the first 64
/// primes (FIPS 180-4, 4.2.2).
pub static K: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

/// The first 32 bits of the fractional parts of the square roots of the first
/// eight primes (FIPS 180-4, 5.3.3).
const START: Sha256State = [
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];

/// Updates `state` with `blocks` (FIPS 180-4, 6.2.2) on any CPU.
pub fn compress(state: &mut Sha256State, blocks: &[Block]) {
    for block in blocks {
        // ring buffer of the last 16 words of the schedule
        let mut w = [0; 16];
        for (word, bytes) in w.iter_mut().zip(block.as_chunks().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
        for (i, k) in K.iter().enumerate() {
            let word = w[i % 16];
            let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let choice = (e & f) ^ (!e & g);
            let t1 = h
                .wrapping_add(s1)
                .wrapping_add(choice)
                .wrapping_add(*k)
                .wrapping_add(word);
            let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
            let majority = (a & b) ^ (a & c) ^ (b & c);
            let t2 = s0.wrapping_add(majority);
            (h, g, f, e) = (g, f, e, d.wrapping_add(t1));
            (d, c, b, a) = (c, b, a, t1.wrapping_add(t2));
            // the word for 16 rounds later; the last 16 are not used
            let (x, y) = (w[(i + 1) % 16], w[(i + 14) % 16]);
            let s0 = x.rotate_right(7) ^ x.rotate_right(18) ^ (x >> 3);
            let s1 = y.rotate_right(17) ^ y.rotate_right(19) ^ (y >> 10);
            w[i % 16] = word
                .wrapping_add(s0)
                .wrapping_add(w[(i + 9) % 16])
                .wrapping_add(s1);
        }
        for (word, add) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            *word = word.wrapping_add(add);
        }
    }
}

/// Computes the SHA-256 of `bytes` with any implementation of [`compress`].
#[must_use]
#[inline(never)]
pub fn sha256(bytes: &[u8], compress: fn(&mut Sha256State, &[Block])) -> [u8; 32] {
    let mut state = START;
    let (blocks, tail) = bytes.as_chunks();
    compress(&mut state, blocks);
    // FIPS 180-4, 5.1.1: a one bit, zeroes, and the number of bits in 8 bytes
    let bits = (bytes.len() as u64).wrapping_mul(8);
    let count = if tail.len() < 56 { 1 } else { 2 };
    let end = 64 * count;
    let mut last = [[0; 64]; 2];
    for (i, byte) in last.as_flattened_mut().iter_mut().enumerate().take(end) {
        *byte = match tail.get(i) {
            Some(byte) => *byte,
            None if i == tail.len() => 0x80,
            None if i >= end - 8 => (bits >> (8 * (end - 1 - i))) as u8,
            None => 0,
        };
    }
    compress(&mut state, last.get(..count).unwrap_or(&last));
    let mut digest = [0; 32];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(&state) {
        *bytes = word.to_be_bytes();
    }
    digest
}
