//! Digests by instructions of the CPU.

// UNSAFETY: instructions that a CPU may not have.
#![expect(unsafe_code)]

use super::cpu;
use crate::abi::{self, DIGEST_LEN};
use crate::dt_steps::PortableEngine;
use crate::verify::{DigestEngine, crc_digest};
use core::arch::asm;

/// Digests of this CPU: CRC-32 by its instructions, if it has them (`ID_AA64ISAR0_EL1.CRC32`).
#[derive(Clone, Copy)]
pub struct Arm64Engine<'a> {
    /// For all else.
    pub portable: PortableEngine<'a>,
    /// The CPU has the instructions.
    pub crc: bool,
}

impl<'a> Arm64Engine<'a> {
    /// Asks the CPU.
    pub fn new(portable: PortableEngine<'a>) -> Self {
        Self {
            portable,
            crc: cpu::isar0() >> 16 & 15 != 0,
        }
    }

    fn by_instructions(self) -> bool {
        self.crc && self.portable.kind != abi::VERIFY_SHA256
    }
}

impl DigestEngine for Arm64Engine<'_> {
    fn kind(&self) -> u32 {
        self.portable.kind
    }

    fn name(&self) -> &'static [u8] {
        if self.by_instructions() {
            b"crc32 (CRC32X)"
        } else {
            self.portable.name()
        }
    }

    fn digest(&self, bytes: &[u8]) -> [u8; DIGEST_LEN] {
        if !self.by_instructions() {
            return self.portable.digest(bytes);
        }
        let mut crc = !0;
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            let mut eight = [0u8; 8];
            eight.copy_from_slice(word);
            let word = u64::from_le_bytes(eight);
            // SAFETY: the CPU has the instruction.
            unsafe {
                asm!(".arch_extension crc", "crc32x {crc:w}, {crc:w}, {word:x}",
                     crc = inout(reg) crc, word = in(reg) word, options(pure, nomem, nostack));
            }
        }
        for byte in words.remainder() {
            // SAFETY: as above.
            unsafe {
                asm!(".arch_extension crc", "crc32b {crc:w}, {crc:w}, {byte:w}",
                     crc = inout(reg) crc, byte = in(reg) u32::from(*byte),
                     options(pure, nomem, nostack));
            }
        }
        let crc: u32 = crc;
        crc_digest(!crc)
    }
}
