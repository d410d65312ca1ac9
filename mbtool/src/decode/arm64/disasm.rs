//! Disassembles instructions around an exception.

use super::super::disasm::InstructionText;
use super::sysreg;
use yaxpeax_arch::{Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::{InstDecoder, Opcode};

/// Number of instructions before the one at `ELR`.
const BEFORE: usize = 5;
/// Bytes of an instruction.
const WORD: usize = 4;

/// An instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arm64Instruction {
    /// Its encoding.
    pub word: u32,
    /// Text, in the syntax of the manual, with targets of branches as addresses.
    pub text: String,
    /// No instruction that the decoder knows.
    pub invalid: bool,
}

impl Arm64Instruction {
    /// Decodes the instruction `word` at `pc`; `None`: the address is not known.
    #[must_use]
    pub fn new(pc: Option<u64>, word: u32) -> Self {
        // permanently undefined; zeroes are one
        if word >> 16 == 0 {
            return Self {
                word,
                text: format!("udf #{word:#x}"),
                invalid: true,
            };
        }
        let bytes = word.to_le_bytes();
        match InstDecoder::default().decode(&mut U8Reader::new(&bytes)) {
            Ok(instruction) => {
                let page = instruction.opcode == Opcode::ADRP;
                let base = pc.map(|pc| if page { pc & !0xfff } else { pc });
                let text = instruction.to_string();
                let text = match base {
                    Some(base) => absolute(&text, base),
                    None => text.replacen('$', ".", 1),
                };
                Self {
                    word,
                    text: named(&text),
                    invalid: false,
                }
            }
            Err(_) => Self {
                word,
                text: format!(".inst {word:#010x}"),
                invalid: true,
            },
        }
    }

    /// Decodes the instruction at the start of `code`, as [`Self::new`].
    #[must_use]
    pub fn first(pc: Option<u64>, code: &[u8]) -> Option<Self> {
        let word = code.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))?;
        Some(Self::new(pc, word))
    }

    /// The mnemonic.
    #[must_use]
    pub fn mnemonic(&self) -> &str {
        self.text.split(' ').next().unwrap_or("")
    }
}

/// Replaces an operand that is relative to the program counter, `$+0x10`, by its address.
fn absolute(text: &str, base: u64) -> String {
    let Some((start, rest)) = text.split_once('$') else {
        return text.to_owned();
    };
    let sign = rest.get(..1).unwrap_or("");
    let number = rest.get(1..).and_then(|rest| rest.strip_prefix("0x"));
    let Some(offset) = number.and_then(|digits| u64::from_str_radix(digits, 16).ok()) else {
        return text.to_owned();
    };
    let target = match sign {
        "-" => base.wrapping_sub(offset),
        _ => base.wrapping_add(offset),
    };
    format!("{start}{target:#x}")
}

/// Replaces the generic spelling of a system register or system instruction by its name.
fn named(text: &str) -> String {
    let numbers = |text: &str| -> Option<[u32; 5]> {
        let mut words = text
            .split(['_', ',', ' '])
            .filter(|word| !word.is_empty())
            .map(|word| {
                let word = word.trim_start_matches(['s', 'c', '#']);
                let hex = word.strip_prefix("0x");
                hex.map_or_else(
                    || word.parse().ok(),
                    |hex| u32::from_str_radix(hex, 16).ok(),
                )
            });
        let mut all = [0; 5];
        for slot in &mut all {
            *slot = words.next()??;
        }
        Some(all)
    };
    if let Some(rest) = text.strip_prefix("sys ")
        && let Some((operands, register)) = rest.rsplit_once(", ")
        && let Some([op1, crn, crm, op2, _]) = numbers(&format!("{operands} 0"))
        && let Some(name) = sysreg::name((1, op1, crn, crm, op2))
    {
        return match register {
            "xzr" => name.to_owned(),
            _ => format!("{name}, {register}"),
        };
    }
    let is_generic = |word: &&str| word.starts_with('s') && word.matches('_').count() == 4;
    let generic = text.split([' ', ',']).find(is_generic);
    if let Some(word) = generic
        && let Some([op0, op1, crn, crm, op2]) = numbers(word)
        && let Some(name) = sysreg::name((op0, op1, crn, crm, op2))
    {
        return text.replacen(word, name, 1);
    }
    text.to_owned()
}

/// Decodes the instructions of `code` at `pc`, and the last ones of `before`, which ends there. Without `pc` addresses are
/// relative to it.
#[must_use]
pub fn around(pc: Option<u64>, before: &[u8], code: &[u8]) -> Vec<InstructionText> {
    let before = &before[before.len() % WORD..];
    let earlier = &before[before.len().saturating_sub(BEFORE * WORD)..];
    let distance = earlier.len() as u64;
    let words = earlier.chunks_exact(WORD).chain(code.chunks_exact(WORD));
    words
        .zip((0..).step_by(WORD))
        .filter_map(|(bytes, offset): (_, u64)| {
            let at = pc.map(|pc| pc.wrapping_sub(distance).wrapping_add(offset));
            let instruction = Arm64Instruction::first(at, bytes)?;
            Some(InstructionText {
                address: match (at, offset.checked_sub(distance)) {
                    (Some(at), _) => format!("{at:#x}"),
                    (None, Some(0)) => "elr".to_owned(),
                    (None, Some(after)) => format!("elr+{after:#x}"),
                    (None, None) => format!("elr-{:#x}", distance - offset),
                },
                bytes: format!("{:08x}", instruction.word),
                text: instruction.text,
                current: offset == distance,
                invalid: instruction.invalid,
            })
        })
        .collect()
}

/// True when the bytes before a return address can be its call: `bl` or `blr`, with pointer authentication or without.
#[must_use]
pub fn ends_in_call(before: &[u8]) -> bool {
    let Some(word) = before.last_chunk().map(|bytes| u32::from_le_bytes(*bytes)) else {
        return false;
    };
    let direct = word & 0xfc00_0000 == 0x9400_0000;
    let register = word & 0xffff_fc1f == 0xd63f_0000;
    let authenticated = word & 0xfeff_f800 == 0xd63f_0800;
    direct || register || authenticated
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PC: u64 = 0x4020_1234;

    #[test]
    fn instructions_have_the_manuals_syntax() {
        for (word, text) in [
            (0xf940_00a6, "ldr x6, [x5]"),
            (0xa9bf_7bfd, "stp x29, x30, [sp, #-0x10]!"),
            (0x9400_0004, "bl 0x40201244"),
            (0x97ff_ffff, "bl 0x40201230"),
            (0x5400_0041, "b.ne 0x4020123c"),
            (0xb000_0000, "adrp x0, 0x40202000"),
            (0x1000_0020, "adr x0, 0x40201238"),
            (0xd538_1000, "mrs x0, sctlr_el1"),
            (0xd51c_1100, "msr hcr_el2, x0"),
            (0xd53b_f200, "mrs x0, s3_3_c15_c2_0"),
            (0xd50b_7e23, "dc civac, x3"),
            (0xd508_871f, "tlbi vmalle1"),
            (0xd508_751f, "ic iallu"),
            (0xd4200000, "brk #0x0"),
            (0xd400_0002, "hvc #0x0"),
            (0x0000_0000, "udf #0x0"),
            (0x0000_002a, "udf #0x2a"),
            (0xd65f_03c0, "ret"),
            (0xd69f_03e0, "eret"),
        ] {
            let instruction = Arm64Instruction::new(Some(PC), word);
            assert_eq!(instruction.text, text, "{word:#x}");
        }
        let unknown = Arm64Instruction::new(None, 0xffff_ffff);
        assert_eq!(
            (unknown.text.as_str(), unknown.invalid),
            (".inst 0xffffffff", true)
        );
    }

    #[test]
    fn the_current_instruction_is_marked() {
        let code: Vec<u8> = (0..8_u32)
            .flat_map(|n| (0xd503_201f + (n << 5 & 0xe0)).to_le_bytes())
            .collect();
        let lines = around(Some(PC), &code[..25], &code[28..]);
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[0].address, format!("{:#x}", PC - 20));
        let current: Vec<usize> = (0..6).filter(|n| lines[*n].current).collect();
        assert_eq!(current, [5]);
        assert!(around(Some(PC), &[], &[1, 2, 3]).is_empty());
        let bl: Vec<u8> = [0xd503_201f_u32, 0x9400_0004, 0x97ff_ffff]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        let relative = around(None, &bl[..4], &bl[4..]);
        let text: Vec<_> = relative
            .iter()
            .map(|line| format!("{} {}", line.address, line.text))
            .collect();
        assert_eq!(text, ["elr-0x4 nop", "elr bl .+0x10", "elr+0x4 bl .-0x4"]);
    }

    #[test]
    fn calls_end_in_bl_or_blr() {
        let call = |word: u32| ends_in_call(&word.to_le_bytes());
        assert!(
            [0x9400_0001, 0xd63f_0100, 0xd63f_091f, 0xd73f_0902]
                .into_iter()
                .all(call)
        );
        assert!(
            ![0x1400_0001, 0xd61f_0100, 0xd65f_03c0, 0]
                .into_iter()
                .any(call)
        );
        assert!(!ends_in_call(&[0, 0, 0x94]));
    }

    proptest! {
        #[test]
        fn every_word_has_a_text(word in any::<u32>(), pc in any::<Option<u64>>()) {
            let instruction = Arm64Instruction::new(pc, word);
            prop_assert!(!instruction.text.is_empty() && !instruction.mnemonic().is_empty());
        }
    }
}
