//! The exception record of riscv64 and its text form (docs/dump-format.md).

use super::abi::RiscvFrame;
use super::causes::cause_name;
use super::paging::mode_name;
use crate::abi::phase_name;
use crate::dump::{BEGIN, FORMAT, Summed, end, memory, row};
use crate::names::entries;
use crate::print::Print;

#[cfg(not(freestanding))]
pub mod read;

/// Hex digits of a register.
const DIGITS: u32 = 16;
/// Names on the line of the program counter.
pub(crate) const ROW_PC: &str = "sepc|sstatus|satp|hart";
/// Names of x1 to x31 (RISC-V calling convention), in lines of four.
pub(crate) const GENERAL: &str = "ra|sp|gp|tp|t0|t1|t2|s0|s1|a0|a1|a2|a3|a4|a5|a6|a7|s2|s3|s4|s5|s6|\
                                  s7|s8|s9|s10|s11|t3|t4|t5|t6";

/// One exception.
#[derive(Clone, Copy, Debug)]
pub struct RiscvRecord<'a> {
    /// Registers.
    pub frame: &'a RiscvFrame,
    /// Number of the hart.
    pub hart: u64,
    /// Index into [`PHASES`](crate::abi::PHASES).
    pub phase: u32,
    /// Bytes at `sepc`; empty if they cannot be read.
    pub code: &'a [u8],
    /// Words at `sp`; empty if they cannot be read.
    pub stack: &'a [u64],
}

/// Writes the record.
pub fn write<T: Print>(out: &mut Summed<T>, record: &RiscvRecord<'_>) {
    let RiscvRecord { frame, hart, .. } = *record;
    out.start();
    out.str(BEGIN)
        .str(" cause ")
        .addr(frame.scause)
        .str(" (")
        .bytes(cause_name(frame.scause))
        .str(") tval ")
        .addr(frame.stval);
    out.str(" mode ")
        .bytes(mode_name(frame.satp))
        .str(" phase ")
        .bytes(phase_name(record.phase))
        .str(" format ")
        .dec(FORMAT.into())
        .str("\n");
    let values = [frame.sepc, frame.sstatus, frame.satp, hart];
    row(out, ROW_PC, &values, DIGITS);
    let mut registers = frame.gpr[1..].iter();
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
    fn the_text_of_a_guest_page_fault() {
        let mut frame = RiscvFrame {
            sepc: 0xffff_ffc0_0000_0008,
            scause: 0x14,
            stval: 0xffff_ffc0_0000_0008,
            sstatus: 0x8_0000_0100,
            satp: 0x8000_0000_0008_0201,
            ..RiscvFrame::default()
        };
        for (n, register) in frame.gpr.iter_mut().enumerate().skip(1) {
            *register = n as u64;
        }
        let record = RiscvRecord {
            frame: &frame,
            hart: 1,
            phase: crate::abi::PHASE_VERIFY,
            code: &[0x73, 0],
            stack: &[],
        };
        let mut out = Summed::new(String::new());
        write(&mut out, &record);
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(
            lines[0],
            "[handoff] EXCEPTION cause 0x14 (instruction guest-page fault) tval \
             0xffffffc000000008 mode sv39 phase verify format 1"
        );
        assert_eq!(
            lines[1],
            "[handoff] sepc 0xffffffc000000008 sstatus 0x0000000800000100 satp \
             0x8000000000080201 hart 0x0000000000000001"
        );
        assert_eq!(
            lines[2],
            "[handoff] ra 0x0000000000000001 sp 0x0000000000000002 gp 0x0000000000000003 tp \
             0x0000000000000004"
        );
        assert_eq!(
            lines[9],
            "[handoff] t4 0x000000000000001d t5 0x000000000000001e t6 0x000000000000001f"
        );
        assert_eq!(lines[10], "[handoff] code 73 00");
        assert_eq!(lines[11], "[handoff] stack unreadable");
        assert!(lines[12].starts_with("[handoff] END OF DUMP 12 lines crc32 0x"));
        let crc = crc32fast::hash(format!("{}\n", lines[..12].join("\n")).as_bytes());
        assert!(lines[12].ends_with(&format!("{crc:#010x}")));
    }
}
