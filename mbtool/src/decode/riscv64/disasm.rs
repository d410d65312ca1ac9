//! Disassembles instructions around a trap, in the syntax of GNU objdump.

use super::super::disasm::InstructionText;
use disc_v::{Instruction, Isa, decode_bytes, disassemble};

/// Number of instructions before the one at `sepc`.
const BEFORE: usize = 5;
/// Bytes of a parcel: an instruction starts at a multiple of it.
const PARCEL: usize = 2;

/// Decodes the instruction at the start of `code`.
#[must_use]
pub fn first(sepc: u64, code: &[u8]) -> Option<Instruction> {
    decode_bytes(Isa::Rv64, sepc, code)
}

/// Decodes the instructions of `code` at `sepc`, and a few of `before`, which is code from the start of a function up to
/// `sepc`.
#[must_use]
pub fn around(sepc: u64, before: &[u8], code: &[u8]) -> Vec<InstructionText> {
    let start = sepc.wrapping_sub(before.len() as u64);
    let mut earlier: Vec<InstructionText> = Vec::new();
    if is_whole(before) {
        earlier.extend(disassemble(Isa::Rv64, start, before).map(|i| line(&i, sepc)));
    }
    let skip = earlier.len().saturating_sub(BEFORE);
    let mut all: Vec<InstructionText> = earlier.into_iter().skip(skip).collect();
    all.extend(disassemble(Isa::Rv64, sepc, code).map(|i| line(&i, sepc)));
    all
}

/// Returns the end of `before` that begins with an instruction, as far as can be told: the longest one whose
/// instructions are valid and end at its end.
#[must_use]
pub fn synchronized(before: &[u8]) -> &[u8] {
    let starts = (0..before.len().min(16)).step_by(PARCEL);
    let mut ends = starts.map(|start| &before[start..]);
    ends.find(|code| is_whole(code)).unwrap_or_default()
}

/// True if the bytes are instructions, the last of which ends with them.
fn is_whole(code: &[u8]) -> bool {
    let mut instructions = disassemble(Isa::Rv64, 0, code);
    instructions
        .by_ref()
        .all(|instruction| !instruction.is_illegal())
        && instructions.remainder().is_empty()
}

fn line(instruction: &Instruction, sepc: u64) -> InstructionText {
    let bytes = instruction.raw().to_le_bytes();
    let bytes: Vec<String> = bytes[..instruction.length()]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    InstructionText {
        address: format!("{:#x}", instruction.pc()),
        bytes: bytes.join(" "),
        text: instruction.to_string(),
        current: instruction.pc() == sepc,
        invalid: instruction.is_illegal(),
    }
}

/// True when the bytes before a return address can be its call: `jal` or `jalr` that links to ra or t0, or `c.jalr`.
#[must_use]
pub fn ends_in_call(before: &[u8]) -> bool {
    let long = before.last_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    let links = long.is_some_and(|raw| {
        let (opcode, rd) = (raw & 0x7f, raw >> 7 & 0x1f);
        matches!(opcode, 0x6f | 0x67) && matches!(rd, 1 | 5)
    });
    let short = before.last_chunk().map(|bytes| u16::from_le_bytes(*bytes));
    links || short.is_some_and(|raw| raw & 0xf07f == 0x9002 && raw >> 7 & 0x1f != 0)
}
