//! GDT, IDT and TSS encodings (Intel SDM vol. 3, chapters 3, 6 and 8). No I/O.

use crate::abi::{SEL_CODE32, SEL_CODE64};

/// Flat 32-bit code: base 0, limit 4 GiB, accessed, readable.
pub const CODE32: u64 = 0x00cf_9b00_0000_ffff;
/// 64-bit code, accessed, readable.
pub const CODE64: u64 = 0x00af_9b00_0000_ffff;
/// Flat data, accessed, writable.
pub const DATA: u64 = 0x00cf_9300_0000_ffff;

/// Bytes of a 64-bit TSS.
pub const TSS_SIZE: u32 = 104;

/// The two descriptor slots of an available 64-bit TSS.
#[must_use]
pub const fn tss_descriptor(base: u64) -> [u64; 2] {
    let limit = (TSS_SIZE - 1) as u64;
    let low = limit | (base & 0xff_ffff) << 16 | 0x89 << 40 | (base >> 24 & 0xff) << 56;
    [low, base >> 32]
}

/// A 64-bit TSS with four interrupt stacks (IST 1 to 4) and no I/O map.
#[must_use]
pub const fn tss(ist: [u64; 4]) -> [u32; 26] {
    let mut words = [0u32; 26];
    let mut n = 0;
    while n < 4 {
        words[9 + 2 * n] = ist[n] as u32; // IST 1 starts at byte 36
        words[10 + 2 * n] = (ist[n] >> 32) as u32;
        n += 1;
    }
    words[25] = TSS_SIZE << 16; // I/O map base behind the limit: no map
    words
}

/// A present 64-bit interrupt gate on interrupt stack `ist` (1 to 7).
#[must_use]
pub const fn gate64(handler: u64, ist: u8) -> [u64; 2] {
    let low = handler & 0xffff
        | (SEL_CODE64 as u64) << 16
        | (ist as u64 & 7) << 32
        | 0x8e << 40
        | (handler >> 16 & 0xffff) << 48;
    [low, handler >> 32]
}

/// A present 32-bit interrupt gate.
#[must_use]
pub const fn gate32(handler: u32) -> u64 {
    let handler = handler as u64;
    handler & 0xffff | (SEL_CODE32 as u64) << 16 | 0x8e << 40 | (handler >> 16) << 48
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings() {
        assert_eq!(
            gate64(0x1234_5678_9abc_def0, 3),
            [0x9abc_8e03_0010_def0, 0x1234_5678]
        );
        assert_eq!(gate32(0x1234_5678), 0x1234_8e00_0008_5678);
        assert_eq!(tss_descriptor(0x1_2345_6789), [0x2300_8945_6789_0067, 1]);
        let tss = tss([0x1_0000_0002, 0, 0, 4]);
        assert_eq!((tss[9], tss[10], tss[15], tss[25] >> 16), (2, 1, 4, 104));
    }
}
