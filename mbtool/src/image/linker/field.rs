//! Fields of instructions and data that hold a value, and their ranges (RISC-V unprivileged specification, "Immediate
//! Encoding Variants" and "Compressed Instruction Formats").

use std::ops::RangeInclusive;

/// Where a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// B-type: conditional branch.
    Branch,
    /// J-type: `jal`.
    Jump,
    /// `auipc` and the `jalr` after it.
    Call,
    /// U-type: the upper 20 bits, rounded for a signed lower part (`auipc`, `lui`).
    Upper,
    /// I-type: the lower 12 bits of a value that has an upper part.
    LowLoad,
    /// S-type: likewise.
    LowStore,
    /// CB-type: `c.beqz`, `c.bnez`.
    ShortBranch,
    /// CJ-type: `c.j`.
    ShortJump,
    /// An address in 32 bits, with or without a sign.
    Address32,
    /// A signed distance in 32 bits.
    Distance32,
    /// The lower 6 bits of a byte.
    Bits6,
    /// A number modulo 2^8.
    Bits8,
    /// A number modulo 2^16.
    Bits16,
    /// A number modulo 2^32.
    Bits32,
    /// A number modulo 2^64.
    Bits64,
    /// ULEB128 of the length that is there.
    Uleb128,
}

/// Why a value is not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FieldProblem {
    /// The place is not all inside the section.
    Outside,
    /// The value is not in this range.
    Range(RangeInclusive<i64>),
    /// The value is odd.
    Odd,
}

/// Maximum length of a ULEB128 number of 64 bits, in bytes.
const ULEB128: usize = 10;

impl Field {
    /// Size in bytes; of ULEB128 the minimum.
    pub(super) const fn size(self) -> usize {
        match self {
            Self::Bits6 | Self::Bits8 | Self::Uleb128 => 1,
            Self::ShortBranch | Self::ShortJump | Self::Bits16 => 2,
            Self::Call | Self::Bits64 => 8,
            _ => 4,
        }
    }

    /// The values that it holds; `None` for a number that is reduced.
    const fn range(self) -> Option<RangeInclusive<i64>> {
        const UPPER: RangeInclusive<i64> = -0x8000_0800..=0x7fff_f7ff;
        Some(match self {
            Self::Branch => -0x1000..=0xffe,
            Self::Jump => -0x10_0000..=0xf_fffe,
            Self::ShortBranch => -0x100..=0xfe,
            Self::ShortJump => -0x800..=0x7fe,
            Self::Call | Self::Upper | Self::LowLoad | Self::LowStore => UPPER,
            Self::Address32 => -0x8000_0000..=0xffff_ffff,
            Self::Distance32 => -0x8000_0000..=0x7fff_ffff,
            _ => return None,
        })
    }

    /// True where the target of a jump is stored, which is even.
    const fn is_jump(self) -> bool {
        matches!(
            self,
            Self::Branch | Self::Jump | Self::Call | Self::ShortBranch | Self::ShortJump
        )
    }

    /// Stores `value` at the offset `at` of `bytes`; the other bits there stay.
    pub(super) fn store(self, bytes: &mut [u8], at: usize, value: i64) -> Result<(), FieldProblem> {
        let place = at
            .checked_add(self.size())
            .and_then(|end| bytes.get_mut(at..end))
            .ok_or(FieldProblem::Outside)?;
        if let Some(range) = self.range().filter(|range| !range.contains(&value)) {
            return Err(FieldProblem::Range(range));
        }
        if self.is_jump() && value % 2 != 0 {
            return Err(FieldProblem::Odd);
        }
        let bits = value.cast_unsigned();
        if self == Self::Uleb128 {
            return store_uleb128(bytes, at, bits);
        }
        let word = load(place) & !self.mask() | self.encode(bits);
        for (byte, from) in place.iter_mut().zip(word.to_le_bytes()) {
            *byte = from;
        }
        Ok(())
    }

    /// The number at the offset `at` of `bytes`, for fields of data.
    pub(super) fn number(self, bytes: &[u8], at: usize) -> Option<u64> {
        if self == Self::Uleb128 {
            return load_uleb128(bytes, at).map(|(value, _)| value);
        }
        let place = bytes.get(at..at.checked_add(self.size())?)?;
        Some(load(place) & self.mask())
    }

    /// The bits that hold the value.
    const fn mask(self) -> u64 {
        match self {
            Self::Upper => 0xffff_f000,
            Self::Call => 0xfff0_0000_ffff_f000,
            _ => self.encode(u64::MAX),
        }
    }

    /// The bits of a value at their positions.
    const fn encode(self, value: u64) -> u64 {
        /// Moves `count` bits from position `from` to position `to`.
        const fn bits(value: u64, from: u32, count: u32, to: u32) -> u64 {
            ((value >> from) & ((1 << count) - 1)) << to
        }
        match self {
            Self::Branch => {
                bits(value, 12, 1, 31)
                    | bits(value, 5, 6, 25)
                    | bits(value, 1, 4, 8)
                    | bits(value, 11, 1, 7)
            }
            Self::Jump => {
                bits(value, 20, 1, 31)
                    | bits(value, 1, 10, 21)
                    | bits(value, 11, 1, 20)
                    | bits(value, 12, 8, 12)
            }
            Self::Upper => bits(upper(value), 0, 20, 12),
            Self::LowLoad => bits(value, 0, 12, 20),
            Self::LowStore => bits(value, 5, 7, 25) | bits(value, 0, 5, 7),
            Self::Call => bits(upper(value), 0, 20, 12) | bits(value, 0, 12, 52),
            Self::ShortBranch => {
                bits(value, 8, 1, 12)
                    | bits(value, 3, 2, 10)
                    | bits(value, 6, 2, 5)
                    | bits(value, 1, 2, 3)
                    | bits(value, 5, 1, 2)
            }
            Self::ShortJump => {
                bits(value, 11, 1, 12)
                    | bits(value, 4, 1, 11)
                    | bits(value, 8, 2, 9)
                    | bits(value, 10, 1, 8)
                    | bits(value, 6, 1, 7)
                    | bits(value, 7, 1, 6)
                    | bits(value, 1, 3, 3)
                    | bits(value, 5, 1, 2)
            }
            Self::Bits6 => bits(value, 0, 6, 0),
            Self::Bits8 => bits(value, 0, 8, 0),
            Self::Bits16 => bits(value, 0, 16, 0),
            Self::Address32 | Self::Distance32 | Self::Bits32 => bits(value, 0, 32, 0),
            Self::Bits64 | Self::Uleb128 => value,
        }
    }
}

/// The upper 20 bits of a value of 32 bits: what is left for the lower 12 bits has a sign.
const fn upper(value: u64) -> u64 {
    value.wrapping_add(0x800) >> 12
}

/// A little-endian number of up to 8 bytes.
fn load(place: &[u8]) -> u64 {
    let mut word = [0; 8];
    for (to, from) in word.iter_mut().zip(place) {
        *to = *from;
    }
    u64::from_le_bytes(word)
}

/// The ULEB128 number at `at`, and its length in bytes.
fn load_uleb128(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0;
    for (index, byte) in bytes.get(at..)?.iter().take(ULEB128).enumerate() {
        let shift = u32::try_from(7 * index).ok()?;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

/// Writes a number of as many bytes as the one that is there.
fn store_uleb128(bytes: &mut [u8], at: usize, value: u64) -> Result<(), FieldProblem> {
    let (_, len) = load_uleb128(bytes, at).ok_or(FieldProblem::Outside)?;
    let place = bytes.get_mut(at..at + len).ok_or(FieldProblem::Outside)?;
    let mut rest = value;
    for byte in place {
        let continues = *byte & 0x80;
        *byte = rest.to_le_bytes()[0] & 0x7f | continues;
        rest >>= 7;
    }
    match rest {
        0 => Ok(()),
        _ => {
            let bits = u32::try_from(7 * len).unwrap_or(u32::MAX);
            let max = 1_i64.checked_shl(bits).map_or(i64::MAX, |end| end - 1);
            Err(FieldProblem::Range(0..=max))
        }
    }
}

#[cfg(test)]
#[path = "field_tests.rs"]
mod tests;
