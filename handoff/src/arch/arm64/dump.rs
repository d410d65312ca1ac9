//! The exception record of arm64 and its text form (docs/dump-format.md).

use super::abi::Arm64Frame;
use super::registers::Regime;
use super::syndrome::{class_name, vector_kind, vector_source};
use crate::abi::phase_name;
use crate::dump::{BEGIN, FORMAT, Summed, end, memory, row};
use crate::names::entries;
use crate::print::Print;

#[cfg(not(freestanding))]
pub mod read;

/// Hex digits of a register.
const DIGITS: u32 = 16;
/// Names on the line of the program counter.
pub(crate) const ROW_PC: &str = "elr|spsr|sctlr";
/// Names on the line after it.
pub(crate) const ROW_CPU: &str = "hcr|mpidr";
/// Names of the general registers, in lines of four.
pub(crate) const GENERAL: &str = "x0|x1|x2|x3|x4|x5|x6|x7|x8|x9|x10|x11|x12|x13|x14|x15|x16|x17|x18|\
                                  x19|x20|x21|x22|x23|x24|x25|x26|x27|x28|x29|x30|sp";

/// One exception.
#[derive(Clone, Copy, Debug)]
pub struct Arm64Record<'a> {
    /// Registers.
    pub frame: &'a Arm64Frame,
    /// `MPIDR_EL1`.
    pub mpidr: u64,
    /// Index into [`PHASES`](crate::abi::PHASES).
    pub phase: u32,
    /// Bytes at `elr`; empty if they cannot be read.
    pub code: &'a [u8],
    /// Words at `sp`; empty if they cannot be read.
    pub stack: &'a [u64],
}

/// Writes the record.
pub fn write<T: Print>(out: &mut Summed<T>, record: &Arm64Record<'_>) {
    let Arm64Record { frame, mpidr, .. } = *record;
    out.start();
    out.str(BEGIN)
        .str(" esr ")
        .addr(frame.esr)
        .str(" (")
        .bytes(class_name(frame.esr))
        .str(") far ")
        .addr(frame.far)
        .str(" vector ")
        .dec(frame.vector)
        .str(" (")
        .bytes(vector_kind(frame.vector))
        .str(", ")
        .bytes(vector_source(frame.vector));
    out.str(") level ")
        .bytes(Regime::of(frame.current_el, frame.hcr).name())
        .str(" phase ")
        .bytes(phase_name(record.phase))
        .str(" format ")
        .dec(FORMAT.into())
        .str("\n");
    row(out, ROW_PC, &[frame.elr, frame.spsr, frame.sctlr], DIGITS);
    row(out, ROW_CPU, &[frame.hcr, mpidr], DIGITS);
    let mut registers = frame.gpr.iter();
    let mut names = entries(GENERAL);
    while registers.len() > 0 {
        out.str("[handoff]");
        for (name, value) in names.by_ref().zip(registers.by_ref()).take(4) {
            out.str(" ").bytes(name).str(" ").hex(*value, DIGITS);
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
        let mut frame = Arm64Frame {
            vector: 4,
            elr: 0x4020_1234,
            spsr: 0x3c9,
            esr: 0x9600_0044,
            far: 8,
            sctlr: 0x30c5_1835,
            hcr: 0x8000_0000,
            current_el: 8,
            ..Arm64Frame::default()
        };
        for (n, register) in frame.gpr.iter_mut().enumerate() {
            *register = n as u64;
        }
        let record = Arm64Record {
            frame: &frame,
            mpidr: 0x8000_0001,
            phase: crate::abi::PHASE_VERIFY,
            code: &[0x20, 0, 0x3e, 0xd4],
            stack: &[],
        };
        let mut out = Summed::new(String::new());
        write(&mut out, &record);
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(
            lines[0],
            "[handoff] EXCEPTION esr 0x96000044 (data abort) far 0x8 vector 4 (synchronous, SP_ELx) \
             level el2 phase verify format 1"
        );
        assert_eq!(
            lines[1],
            "[handoff] elr 0x0000000040201234 spsr 0x00000000000003c9 sctlr 0x0000000030c51835"
        );
        assert_eq!(
            lines[2],
            "[handoff] hcr 0x0000000080000000 mpidr 0x0000000080000001"
        );
        assert_eq!(
            lines[10],
            "[handoff] x28 0x000000000000001c x29 0x000000000000001d x30 0x000000000000001e sp \
             0x000000000000001f"
        );
        assert_eq!(lines[11], "[handoff] code 20 00 3e d4");
        assert_eq!(lines[12], "[handoff] stack unreadable");
        assert!(lines[13].starts_with("[handoff] END OF DUMP 13 lines crc32 0x"));
        let crc = crc32fast::hash(format!("{}\n", lines[..13].join("\n")).as_bytes());
        assert!(lines[13].ends_with(&format!("{crc:#010x}")));
    }
}
