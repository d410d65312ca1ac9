//! GDT, IDT and TSS encodings (Intel SDM vol. 3, chapters 3, 6 and 8). No I/O.

use crate::abi::{NMI32_LEN, SEL_CODE32, SEL_CODE64, SEL_DATA, STUB32_LEN, STUB64_LEN};

/// Flat 32-bit code: base 0, limit 4 GiB, accessed, readable.
pub const CODE32: u64 = 0x00cf_9b00_0000_ffff;
/// 64-bit code, accessed, readable.
pub const CODE64: u64 = 0x00af_9b00_0000_ffff;
/// Flat data, accessed, writable.
pub const DATA: u64 = 0x00cf_9300_0000_ffff;

/// Type byte of an available TSS, 64-bit or 32-bit: present, DPL 0.
pub const TSS_AVAILABLE: u8 = 0x89;
/// Bytes of a TSS, 64-bit or 32-bit.
pub const TSS_SIZE: u32 = 104;

/// The two descriptor slots of an available 64-bit TSS.
#[must_use]
pub const fn tss_descriptor(base: u64) -> [u64; 2] {
    let limit = (TSS_SIZE - 1) as u64;
    let low =
        limit | (base & 0xff_ffff) << 16 | (TSS_AVAILABLE as u64) << 40 | (base >> 24 & 0xff) << 56;
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

/// The descriptor of an available 32-bit TSS.
#[must_use]
pub const fn tss32_descriptor(base: u32) -> u64 {
    tss_descriptor(base as u64)[0]
}

/// A 32-bit TSS whose task starts at `eip` in flat segments, with interrupts
/// off and without an I/O map. CR3 counts only when paging is on.
#[must_use]
pub const fn tss32(eip: u32, esp: u32, ebx: u32) -> [u32; 26] {
    let mut words = [0u32; 26];
    words[8] = eip;
    words[9] = 2;
    words[13] = ebx;
    words[14] = esp;
    words[18] = SEL_DATA as u32; // ES, CS, SS, DS, FS, GS
    words[19] = SEL_CODE32 as u32;
    words[20] = SEL_DATA as u32;
    words[21] = SEL_DATA as u32;
    words[22] = SEL_DATA as u32;
    words[23] = SEL_DATA as u32;
    words[25] = TSS_SIZE << 16;
    words
}

/// A present task gate.
#[must_use]
pub const fn task_gate(selector: u16) -> u64 {
    (selector as u64) << 16 | 0x85 << 40
}

/// A long mode stub, to run at `at`, that leads to `handler`.
#[must_use]
pub fn stub64(handler: u32, at: u32) -> [u8; STUB64_LEN] {
    let mut code = Instructions::new();
    let next = at.wrapping_add(STUB64_LEN as u32);
    code.put([0xe8]).word(handler.wrapping_sub(next)); // call rel32
    code.bytes
}

/// Addresses in a protected mode stub.
#[derive(Clone, Copy, Debug)]
pub struct Stub32 {
    /// Address of [`crate::abi::Scratch::trap32_esp`].
    pub esp: u32,
    /// Address of [`crate::abi::Scratch::trap32_top`].
    pub top: u32,
    /// Address of the common handler.
    pub handler: u32,
}

/// The protected mode stub of `vector`, to run at `at`: saves ESP, which may not point to
/// memory, and switches to a good stack. It uses SS, because the CPU pushed its frame
/// through it; DS may have any value.
#[must_use]
pub fn stub32(stub: Stub32, vector: u8, at: u32) -> [u8; STUB32_LEN] {
    let mut code = Instructions::new();
    code.put([0x36, 0x89, 0x25]).word(stub.esp); // mov ss:[esp cell], esp
    code.put([0x36, 0x8b, 0x25]).word(stub.top); // mov esp, ss:[top cell]
    code.put([0x36, 0xff, 0x35]).word(stub.esp); // push dword ptr ss:[esp cell]
    code.put([0x6a, vector]); // push imm8
    let next = at.wrapping_add(STUB32_LEN as u32);
    code.put([0xe9]).word(stub.handler.wrapping_sub(next)); // jmp rel32
    code.bytes
}

/// The protected mode stub of NMI, to run at `at`: counts it at `count` and
/// resumes, if EFLAGS in the CPU's frame has bit 1 set and bit 15 clear, as
/// they are in every EFLAGS; else as [`stub32`].
#[must_use]
pub fn nmi32(stub: Stub32, count: u32, at: u32) -> [u8; NMI32_LEN] {
    let mut code = Instructions::new();
    code.put([0xf6, 0x44, 0x24, 0x08, 0x02]); // test byte ptr [esp + 8], 2
    code.put([0x74, 0x0f]); // jz lost
    code.put([0xf6, 0x44, 0x24, 0x09, 0x80]); // test byte ptr [esp + 9], 0x80
    code.put([0x75, 0x08]); // jnz lost
    code.put([0x36, 0xff, 0x05]).word(count); // inc dword ptr ss:[count]
    code.put([0xcf]); // iretd
    let lost = NMI32_LEN - STUB32_LEN;
    code.put(stub32(stub, 2, at.wrapping_add(lost as u32)));
    code.bytes
}

/// Instructions under construction.
struct Instructions<const LEN: usize> {
    bytes: [u8; LEN],
    len: usize,
}

impl<const LEN: usize> Instructions<LEN> {
    fn new() -> Self {
        Self {
            bytes: [0; LEN],
            len: 0,
        }
    }

    fn put<const N: usize>(&mut self, bytes: [u8; N]) -> &mut Self {
        self.bytes[self.len..][..N].copy_from_slice(&bytes);
        self.len += N;
        self
    }

    fn word(&mut self, word: u32) -> &mut Self {
        self.put(word.to_le_bytes())
    }
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
        assert_eq!(tss32_descriptor(0x1234_5678), 0x1200_8934_5678_0067);
        assert_eq!(task_gate(0x38), 0x8500_0038_0000);
    }

    #[test]
    fn stubs_have_full_length_and_reach_the_handler() {
        let stub = Stub32 {
            esp: 0x11,
            top: 0x22,
            handler: 0x1000,
        };
        let jump = |code: &[u8], at: u32| {
            let (jmp, rel) = code[code.len() - 5..].split_at(1);
            assert_eq!(jmp, [0xe9]);
            at.wrapping_add(code.len() as u32)
                .wrapping_add(u32::from_le_bytes(rel.try_into().unwrap()))
        };
        let code = stub32(stub, 200, 0x2000);
        assert_eq!(
            (code[21..23].to_vec(), jump(&code, 0x2000)),
            (vec![0x6a, 200], 0x1000)
        );
        // backwards: the handlers are before the stubs
        assert_eq!(stub64(0x1000, 0x2000), [0xe8, 0xfb, 0xef, 0xff, 0xff]);
        let code = nmi32(stub, 0x33, 0x3000);
        assert_eq!(jump(&code, 0x3000), 0x1000);
        // both jumps lead past IRETD
        assert_eq!((7 + code[6], 14 + code[13], code[21]), (22, 22, 0xcf));
    }
}
