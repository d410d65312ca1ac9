//! The exception record of 32-bit ARM and its text form (docs/dump-format.md).

use super::abi::Arm32Frame;
use super::registers::{mode_name, vector_name};
use crate::abi::phase_name;
use crate::dump::{BEGIN, FORMAT, Summed, end, memory, row};
use crate::names::entries;
use crate::print::Print;

#[cfg(not(freestanding))]
pub mod read;

/// Hex digits of a register.
const DIGITS: u32 = 8;
/// Names on the line of the program counter.
pub(crate) const ROW_PC: &str = "pc|cpsr|sctlr|mpidr";
/// Names of the general registers, in lines of four.
pub(crate) const GENERAL: &str = "r0|r1|r2|r3|r4|r5|r6|r7|r8|r9|r10|r11|r12|sp|lr";

/// One exception.
#[derive(Clone, Copy, Debug)]
pub struct Arm32Record<'a> {
    /// Registers.
    pub frame: &'a Arm32Frame,
    /// MPIDR.
    pub mpidr: u32,
    /// Index into [`PHASES`](crate::abi::PHASES).
    pub phase: u32,
    /// Bytes at `pc`; empty if they cannot be read.
    pub code: &'a [u8],
    /// Words of 4 bytes at `sp`; empty if they cannot be read.
    pub stack: &'a [u64],
}

/// Writes the record.
pub fn write<T: Print>(out: &mut Summed<T>, record: &Arm32Record<'_>) {
    let Arm32Record { frame, mpidr, .. } = *record;
    out.start();
    out.str(BEGIN)
        .str(" arm ")
        .dec(frame.vector.into())
        .str(" (")
        .bytes(vector_name(frame.vector));
    out.str(") syndrome ")
        .addr(frame.syndrome.into())
        .str(" far ")
        .addr(frame.far.into())
        .str(" mode ")
        .bytes(mode_name(frame.cpsr))
        .str(" phase ")
        .bytes(phase_name(record.phase))
        .str(" format ")
        .dec(FORMAT.into())
        .str("\n");
    let values = [frame.pc, frame.cpsr, frame.sctlr, mpidr];
    row(out, ROW_PC, &values.map(u64::from), DIGITS);
    let mut registers = frame.gpr.iter();
    let mut names = entries(GENERAL);
    while registers.len() > 0 {
        out.str("[handoff]");
        for (name, value) in names.by_ref().zip(registers.by_ref()).take(4) {
            let value = (*value).into();
            out.str(" ").bytes(name).str(" ").hex(value, DIGITS);
        }
        out.str("\n");
    }
    memory(out, record.code, record.stack, DIGITS);
    end(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_data_abort() {
        let mut frame = Arm32Frame {
            pc: 0x4020_1234,
            cpsr: 0x1da,
            vector: 4,
            syndrome: 0x9600_0046,
            far: 8,
            sctlr: 0x30c5_1835,
            ..Arm32Frame::default()
        };
        for (n, register) in frame.gpr.iter_mut().enumerate() {
            *register = n as u32;
        }
        let record = Arm32Record {
            frame: &frame,
            mpidr: 0x8000_0001,
            phase: crate::abi::PHASE_VERIFY,
            code: &[0xf0, 0, 0xf0, 0xe7],
            stack: &[5],
        };
        let mut out = Summed::new(String::new());
        write(&mut out, &record);
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(
            lines[0],
            "[handoff] EXCEPTION arm 4 (data abort) syndrome 0x96000046 far 0x8 mode hyp phase verify format 1"
        );
        assert_eq!(
            lines[1],
            "[handoff] pc 0x40201234 cpsr 0x000001da sctlr 0x30c51835 mpidr 0x80000001"
        );
        assert_eq!(
            lines[5],
            "[handoff] r12 0x0000000c sp 0x0000000d lr 0x0000000e"
        );
        assert_eq!(lines[6], "[handoff] code f0 00 f0 e7");
        assert_eq!(lines[7], "[handoff] stack 0x00000005");
        assert!(lines[8].starts_with("[handoff] END OF DUMP 8 lines crc32 0x"));
        let crc = crc32fast::hash(format!("{}\n", lines[..8].join("\n")).as_bytes());
        assert!(lines[8].ends_with(&format!("{crc:#010x}")));
    }
}
