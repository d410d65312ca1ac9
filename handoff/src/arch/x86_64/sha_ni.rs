//! SHA-256 with the SHA extensions (Intel SDM vol. 2, SHA256RNDS2, SHA256MSG1,
//! SHA256MSG2): four rounds per iteration. The loop is not unrolled, since the
//! two SHA256RNDS2 take longer than all other instructions of an iteration.

// UNSAFETY: loads and stores of SSE registers.
#![expect(unsafe_code)]

use crate::sha256::{Block, K, Sha256State};
use core::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_loadu_si128, _mm_set_epi32, _mm_set_epi64x,
    _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8,
    _mm_shuffle_epi32, _mm_storeu_si128,
};

#[target_feature(enable = "sha,ssse3,sse4.1")]
fn load(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: 16 readable bytes; the load asks for no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

/// Like [`crate::sha256::compress`].
///
/// # Safety
///
/// The CPU must have SHA, SSSE3 and SSE4.1.
#[target_feature(enable = "sha,ssse3,sse4.1")]
pub fn compress(state: &mut Sha256State, blocks: &[Block]) {
    let [a, b, c, d, e, f, g, h] = state.map(|word| word as i32);
    let mut abef = _mm_set_epi32(a, b, e, f);
    let mut cdgh = _mm_set_epi32(c, d, g, h);
    let swap = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    let (constants, _) = K.as_chunks::<4>();
    for block in blocks {
        let (abef_before, cdgh_before) = (abef, cdgh);
        let mut w = [abef; 4];
        for (w, bytes) in w.iter_mut().zip(block.as_chunks().0) {
            *w = _mm_shuffle_epi8(load(bytes), swap);
        }
        for k in constants {
            // SAFETY: 16 readable bytes; the load asks for no alignment.
            let k = unsafe { _mm_loadu_si128(k.as_ptr().cast()) };
            let wk = _mm_add_epi32(w[0], k);
            // two rounds make ABEF of CDGH, and the old ABEF is the new CDGH
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, wk);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32::<0x0e>(wk));
            // the results of the last four iterations are not used
            let seven_ago = _mm_alignr_epi8::<4>(w[3], w[2]);
            let sum = _mm_add_epi32(_mm_sha256msg1_epu32(w[0], w[1]), seven_ago);
            w = [w[1], w[2], w[3], _mm_sha256msg2_epu32(sum, w[3])];
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    let words = |lanes| {
        let mut words = [0; 4];
        // SAFETY: 16 writable bytes; the store asks for no alignment.
        unsafe { _mm_storeu_si128(words.as_mut_ptr().cast(), lanes) };
        words
    };
    let ([f, e, b, a], [h, g, d, c]) = (words(abef), words(cdgh));
    *state = [a, b, c, d, e, f, g, h];
}
