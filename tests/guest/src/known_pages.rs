//! Pages with known contents, created before a crash and searched in the dump: definitions shared
//! by the program in the guest and the tests that read its log.

/// Prefix of each line of `known-pages`.
pub const MARKER: &str = "KNOWN-PAGES ";

/// Bytes of a page.
pub const PAGE: usize = 4096;

/// Memory below 1 MiB that Linux 5.13 and later do not use: after the part that old BIOSes write
/// to, and before the code that starts other CPUs, which Linux puts at the top. Xen as crash kernel
/// writes to its last part.
pub const LOW: std::ops::Range<u64> = 0x1_0000..0x9_4000;

/// First bytes of each page. Split, so that copies of this program do not contain it.
const MAGIC: [[u8; 8]; 2] = [*b"MBTOOL-K", *b"NOWN-PG\n"];

/// Result of examining a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Not a known page.
    Other,
    /// Begins like a known page, but is damaged.
    Damaged,
    /// An intact page, with its index.
    Whole(u64),
}

/// Page `index`: 16 bytes of magic number, the index, and words that depend on both the index and
/// their offset.
pub fn page(index: u64) -> [u8; PAGE] {
    let mut page = [0; PAGE];
    page[..8].copy_from_slice(&MAGIC[0]);
    page[8..16].copy_from_slice(&MAGIC[1]);
    page[16..24].copy_from_slice(&index.to_le_bytes());
    let mut state = index;
    for word in page[24..].chunks_exact_mut(8) {
        // splitmix64: words of different pages are equal only by chance
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = state;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word.copy_from_slice(&(bits ^ bits >> 31).to_le_bytes());
    }
    page
}

/// Examines a page.
pub fn look(bytes: &[u8]) -> Seen {
    let words = bytes.first_chunk::<24>();
    let Some(start) = words.filter(|start| start[..8] == MAGIC[0] && start[8..16] == MAGIC[1])
    else {
        return Seen::Other;
    };
    let mut index = [0; 8];
    index.copy_from_slice(&start[16..]);
    let index = u64::from_le_bytes(index);
    if bytes == page(index) {
        Seen::Whole(index)
    } else {
        Seen::Damaged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_counts() {
        for index in [0, 1, 4095, u64::MAX] {
            let mut bytes = page(index);
            assert_eq!(look(&bytes), Seen::Whole(index));
            for at in [16, 24, 2048, PAGE - 1] {
                bytes[at] ^= 1;
                assert_eq!(look(&bytes), Seen::Damaged, "page {index}, byte {at}");
                bytes[at] ^= 1;
            }
            bytes[0] ^= 1;
            assert_eq!(look(&bytes), Seen::Other);
        }
        assert_eq!(look(&page(7)[..4095]), Seen::Damaged);
        assert_eq!(look(b""), Seen::Other);
    }

    #[test]
    fn pages_differ_everywhere() {
        let (one, two) = (page(1), page(2));
        let same = (24..PAGE)
            .step_by(8)
            .filter(|&at| one[at..at + 8] == two[at..at + 8]);
        assert_eq!(same.count(), 0);
    }
}
