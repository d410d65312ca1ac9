//! CRC-32 (IEEE 802.3, reflected polynomial 0xedb88320), slicing by 8.
//!
//! `crc32fast` would add 16 KiB of constant tables to the blob; here they are
//! computed into scratch memory when the handoff starts.

/// The reflected polynomial.
pub const POLY: u32 = 0xedb8_8320;

/// Multiplies a reflected remainder by x.
pub(crate) const fn shift(crc: u32) -> u32 {
    if crc & 1 == 1 {
        POLY ^ (crc >> 1)
    } else {
        crc >> 1
    }
}

/// Tables for slicing by 8.
pub type CrcTables = [[u32; 256]; 8];

/// Fills the eight tables.
pub fn init(tables: &mut CrcTables) {
    for n in 0..256u32 {
        let mut crc = n;
        for _ in 0..8 {
            crc = shift(crc);
        }
        tables[0][n as usize & 255] = crc;
    }
    for n in 0..256 {
        let mut crc = tables[0][n];
        for k in 1..8 {
            crc = tables[0][(crc & 255) as usize] ^ (crc >> 8);
            tables[k][n] = crc;
        }
    }
}

/// Computes the CRC-32 of `bytes` on any CPU, with initialized `tables`.
#[must_use]
pub fn crc32(tables: &CrcTables, bytes: &[u8]) -> u32 {
    !update(tables, !0, bytes)
}

/// Updates the state of a CRC, which starts as all ones and ends inverted, with
/// `bytes`, on any CPU.
#[must_use]
#[inline(never)]
pub fn update(tables: &CrcTables, state: u32, bytes: &[u8]) -> u32 {
    let mut crc = state;
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let mut eight = [0u8; 8];
        eight.copy_from_slice(word);
        let x = u64::from_le_bytes(eight) ^ u64::from(crc);
        crc = 0;
        for (k, byte) in x.to_le_bytes().into_iter().enumerate() {
            crc ^= tables[7 - k][byte as usize];
        }
    }
    for byte in words.remainder() {
        crc = tables[0][((crc ^ u32::from(*byte)) & 255) as usize] ^ (crc >> 8);
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_check_value_and_with_crc32fast() {
        let mut tables = [[0; 256]; 8];
        init(&mut tables);
        assert_eq!(crc32(&tables, b"123456789"), 0xcbf4_3926);
        let bytes: Vec<u8> = (0..1000u32).map(|n| (n * 7 + n / 9) as u8).collect();
        for len in 0..bytes.len() {
            assert_eq!(
                crc32(&tables, &bytes[..len]),
                crc32fast::hash(&bytes[..len]),
                "{len}"
            );
        }
    }
}
