//! Disassembles instructions around a fault.

use handoff::dump::Mode;
use iced_x86::{
    CpuidFeature, Decoder, DecoderOptions, Formatter, Instruction, InstructionInfoFactory,
    IntelFormatter, OpAccess, Register,
};
use serde::Serialize;

/// Number of instructions before the one at rip.
const BEFORE: usize = 5;
/// Maximum number of bytes to decode before it.
pub const REACH: usize = 4096;

/// An instruction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InstructionText {
    /// Address in memory.
    pub address: String,
    /// Bytes in hexadecimal.
    pub bytes: String,
    /// Intel syntax.
    pub text: String,
    /// True for the one at rip.
    pub current: bool,
    /// No instruction starts with these bytes.
    #[serde(skip)]
    pub invalid: bool,
}

/// A memory access of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Linear address, assuming flat segments.
    pub addr: u64,
    /// True for a write.
    pub write: bool,
}

const fn bits(mode: Mode) -> u32 {
    match mode {
        Mode::Long => 64,
        Mode::Protected => 32,
    }
}

/// Decodes the instruction at the start of `code`.
#[must_use]
pub fn first(mode: Mode, rip: u64, code: &[u8]) -> Option<Instruction> {
    let instruction = Decoder::with_ip(bits(mode), code, rip, DecoderOptions::NONE).decode();
    (!instruction.is_invalid()).then_some(instruction)
}

/// Decodes the instructions of `code` at rip, and a few of `before`, which is
/// code from the start of a function up to rip.
#[must_use]
pub fn around(mode: Mode, rip: u64, before: &[u8], code: &[u8]) -> Vec<InstructionText> {
    let start = rip.wrapping_sub(before.len() as u64);
    let earlier = lines(mode, start, before, None);
    // the last one must end at rip, else this is not code
    let skip = earlier.len().saturating_sub(BEFORE);
    let mut all: Vec<InstructionText> = earlier.into_iter().skip(skip).collect();
    if all.iter().any(|line| line.invalid) {
        all.clear();
    }
    let mut at = lines(mode, rip, code, Some(rip));
    // the last one may be truncated
    if at.len() > 1 && at.last().is_some_and(|line| line.invalid) {
        at.pop();
    }
    all.extend(at);
    all
}

/// Returns the end of `before` that begins with an instruction, as far as can be told: the longest
/// one whose instructions are valid and end at its end.
#[must_use]
pub fn synchronized(mode: Mode, before: &[u8]) -> &[u8] {
    let fits = |code: &&[u8]| {
        let mut decoder = Decoder::new(bits(mode), code, DecoderOptions::NONE);
        let mut valid = true;
        while decoder.can_decode() {
            valid &= !decoder.decode().is_invalid();
        }
        valid
    };
    let starts = 0..before.len().min(16);
    let found = starts.map(|start| &before[start..]).find(fits);
    found.unwrap_or_default()
}

fn lines(mode: Mode, ip: u64, code: &[u8], current: Option<u64>) -> Vec<InstructionText> {
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_uppercase_hex(false);
    options.set_space_after_operand_separator(true);
    options.set_branch_leading_zeros(false);
    let mut decoder = Decoder::with_ip(bits(mode), code, ip, DecoderOptions::NONE);
    let mut out = Vec::new();
    while decoder.can_decode() {
        let start = decoder.position();
        let instruction = decoder.decode();
        let mut text = String::new();
        formatter.format(&instruction, &mut text);
        let bytes: Vec<String> = code[start..decoder.position()]
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        out.push(InstructionText {
            address: format!("{:#x}", instruction.ip()),
            bytes: bytes.join(" "),
            text,
            current: current == Some(instruction.ip()),
            invalid: instruction.is_invalid(),
        });
    }
    out
}

/// Returns the memory accesses of the instruction with these register values
/// (rax rcx rdx rbx rsp rbp rsi rdi r8..r15), as far as known.
#[must_use]
pub fn accesses(instruction: &Instruction, gpr: &[Option<u64>; 16]) -> Vec<Access> {
    let mut factory = InstructionInfoFactory::new();
    let info = factory.info(instruction);
    let value = |register: Register, _, _| {
        if register.is_segment_register() {
            return Some(0);
        }
        let full = register.full_register();
        let number = (full as usize).checked_sub(Register::RAX as usize)?;
        let value = (*gpr.get(number)?)?;
        Some(match register.size() {
            8 => value,
            4 => value & 0xffff_ffff,
            _ => value & 0xffff,
        })
    };
    info.used_memory()
        .iter()
        .filter_map(|memory| {
            let write = match memory.access() {
                OpAccess::Write
                | OpAccess::CondWrite
                | OpAccess::ReadWrite
                | OpAccess::ReadCondWrite => true,
                OpAccess::Read | OpAccess::CondRead => false,
                _ => return None,
            };
            Some(Access {
                addr: memory.virtual_address(0, value)?,
                write,
            })
        })
        .collect()
}

/// Vector extensions, by what they need of CR4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VectorExtension {
    /// OSFXSR.
    Sse,
    /// OSFXSR and OSXSAVE.
    Avx,
}

/// The vector extension that an instruction belongs to.
#[must_use]
pub fn vector(instruction: &Instruction) -> Option<VectorExtension> {
    let features = instruction.cpuid_features().iter();
    features.filter_map(|feature| extension(*feature)).max()
}

const fn extension(feature: CpuidFeature) -> Option<VectorExtension> {
    use CpuidFeature as F;
    match feature {
        F::SSE | F::SSE2 | F::SSE3 | F::SSSE3 | F::SSE4_1 | F::SSE4_2 | F::SSE4A => {
            Some(VectorExtension::Sse)
        }
        F::AVX
        | F::AVX2
        | F::AVX512_4FMAPS
        | F::AVX512_4VNNIW
        | F::AVX512_BF16
        | F::AVX512_BITALG
        | F::AVX512_FP16
        | F::AVX512_IFMA
        | F::AVX512_VBMI
        | F::AVX512_VBMI2
        | F::AVX512_VNNI
        | F::AVX512_VP2INTERSECT
        | F::AVX512_VPOPCNTDQ
        | F::AVX512BW
        | F::AVX512CD
        | F::AVX512DQ
        | F::AVX512ER
        | F::AVX512F
        | F::AVX512PF
        | F::AVX512VL
        | F::AVX_IFMA
        | F::AVX_NE_CONVERT
        | F::AVX_VNNI
        | F::AVX_VNNI_INT8
        | F::AVX_VNNI_INT16 => Some(VectorExtension::Avx),
        _ => None,
    }
}

/// True when the bytes before `end` can be a call with this return address.
#[must_use]
pub fn ends_in_call(mode: Mode, before: &[u8]) -> bool {
    (2..=7.min(before.len())).any(|len| {
        let code = &before[before.len() - len..];
        first(mode, 0, code).is_some_and(|instruction| {
            instruction.len() == len
                && matches!(
                    instruction.flow_control(),
                    iced_x86::FlowControl::Call | iced_x86::FlowControl::IndirectCall
                )
        })
    })
}
