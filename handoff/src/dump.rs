//! The exception record and its text form, version 1 (docs/dump-format.md).
//!
//! The writer runs in the blob, the reader ([`read`]) on the host; names, order
//! and widths of the fields are defined here, once.

use crate::abi::phase_name;
use crate::names::{entries, nth};
use crate::print::Print;
use core::ops::{Deref, DerefMut};

#[cfg(not(freestanding))]
pub mod read;

/// Prefix of every line of the handoff.
pub const PREFIX: &str = "[handoff] ";
/// Starts the line of a dump whose stack pointer was not in memory.
pub const FRAME_LOST: &str = "frame lost";
/// First line of a dump starts with this.
pub const BEGIN: &str = "[handoff] EXCEPTION";
/// Last line of a dump starts with this; number of lines and checksum follow.
pub const END: &str = "[handoff] END OF DUMP";
/// Version of the text, at the end of the first line.
pub const FORMAT: u32 = 1;
/// Bytes shown at rip.
pub const CODE_BYTES: usize = 16;
/// Stack words shown.
pub const STACK_WORDS: usize = 8;

/// Names on the line of the instruction pointer.
pub(crate) const ROW_IP: &str = "rip|rflags|cr2";
/// Names on the lines of registers 0-3, 4-7, 8-11, 12-15.
pub(crate) const ROW_GPR0: &str = "rax|rcx|rdx|rbx";
pub(crate) const ROW_GPR4: &str = "rsp|rbp|rsi|rdi";
pub(crate) const ROW_GPR8: &str = "r8 |r9 |r10|r11";
pub(crate) const ROW_GPR12: &str = "r12|r13|r14|r15";
/// Names on the line of segment selectors.
pub(crate) const ROW_SEL: &str = "cs|ds|es|fs|gs|ss";
/// Names on the line of control registers.
pub(crate) const ROW_CR: &str = "cr0|cr3|cr4|efer|dr6";
/// Digits of a selector.
pub(crate) const SEL_DIGITS: u32 = 4;

/// Machine mode at the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// 64-bit.
    Long,
    /// 32-bit protected mode, after the handoff left long mode.
    Protected,
}

impl Mode {
    /// Hex digits of a register.
    #[must_use]
    pub const fn digits(self) -> u32 {
        match self {
            Self::Long => 16,
            Self::Protected => 8,
        }
    }
}

/// Data of one exception. In protected mode the upper halves are zero and
/// `gpr[8..]` are not printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Vector, 0 to 255.
    pub vector: u8,
    /// Error code; `None` where the vector has none.
    pub error: Option<u64>,
    /// Mode of the interrupted code.
    pub mode: Mode,
    /// Index into [`PHASES`](crate::abi::PHASES).
    pub phase: u32,
    /// Instruction pointer.
    pub rip: u64,
    /// Flags.
    pub rflags: u64,
    /// rax rcx rdx rbx rsp rbp rsi rdi r8..r15.
    pub gpr: [u64; 16],
    /// cs ds es fs gs ss.
    pub sel: [u16; 6],
    /// cr0 cr2 cr3 cr4.
    pub cr: [u64; 4],
    /// EFER.
    pub efer: u64,
    /// DR6.
    pub dr6: u64,
    /// Bytes at rip; empty if they cannot be read.
    pub code: &'a [u8],
    /// Words at rsp (8 bytes each in long mode, 4 in protected mode).
    pub stack: &'a [u64],
}

/// Short name of a vector (Intel SDM vol. 3, table 6-1).
#[must_use]
pub fn vector_name(vector: u8) -> &'static [u8] {
    const NAMES: &str = "#DE divide error|#DB debug|NMI|#BP breakpoint|#OF overflow|\
        #BR bound range|#UD invalid opcode|#NM no coprocessor|#DF double fault|\
        coprocessor segment overrun|#TS invalid TSS|#NP segment not present|#SS stack fault|\
        #GP general protection|#PF page fault|reserved|#MF x87 error|#AC alignment check|\
        #MC machine check|#XM SIMD error|#VE virtualization|#CP control protection|reserved|\
        reserved|reserved|reserved|reserved|reserved|#HV hypervisor injection|\
        #VC VMM communication|#SX security|reserved";
    nth(NAMES, vector.into()).unwrap_or(b"interrupt")
}

/// Forwards text, and computes its number of lines and CRC-32.
///
/// The CRC is computed bit by bit: a dump is short, and must not depend on
/// tables that may not be initialized at a fault. The blob prints all text
/// through this type, so that there is only one copy of its code.
#[derive(Debug)]
pub struct Summed<T> {
    out: T,
    crc: u32,
    lines: u32,
}

impl<T> Summed<T> {
    /// Forwards to `out`.
    pub const fn new(out: T) -> Self {
        Self {
            out,
            crc: !0,
            lines: 0,
        }
    }

    /// Starts to count anew.
    pub(crate) const fn start(&mut self) {
        (self.crc, self.lines) = (!0, 0);
    }
}

impl<T> Deref for Summed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.out
    }
}

impl<T> DerefMut for Summed<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.out
    }
}

impl<T: Print> Print for Summed<T> {
    fn byte(&mut self, byte: u8) {
        self.crc = crc_byte(self.crc, byte);
        self.lines += u32::from(byte == b'\n');
        self.out.byte(byte);
    }
}

/// Adds a byte to a CRC-32 (IEEE 802.3) that started as `!0` and ends inverted.
pub(crate) fn crc_byte(crc: u32, byte: u8) -> u32 {
    let mut crc = crc ^ u32::from(byte);
    for _ in 0..8 {
        crc = crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
    }
    crc
}

/// Writes the record.
pub fn write<T: Print>(out: &mut Summed<T>, record: &Record<'_>) {
    write_with(out, record, |_| {});
}

/// Writes the record and, before its last line, the lines of `more`: each starts with
/// [`PREFIX`] and a keyword that no other line has.
pub fn write_with<T: Print>(
    out: &mut Summed<T>,
    record: &Record<'_>,
    more: impl FnOnce(&mut Summed<T>),
) {
    out.start();
    body(out, record);
    more(out);
    end(out);
}

/// Writes the last line: number and checksum of the lines since
/// [`Summed::start`].
pub(crate) fn end<T: Print>(out: &mut Summed<T>) {
    let (crc, lines) = (!out.crc, out.lines);
    out.str(END)
        .str(" ")
        .dec(lines.into())
        .str(" lines crc32 ")
        .hex(crc.into(), 8)
        .str("\n");
}

/// All lines but the last.
fn body(out: &mut impl Print, r: &Record<'_>) {
    let long = r.mode == Mode::Long;
    let width = r.mode.digits();
    out.str(BEGIN)
        .str(" vector ")
        .dec(r.vector.into())
        .str(" (")
        .bytes(vector_name(r.vector));
    out.str(") error ");
    match r.error {
        Some(code) => out.addr(code),
        None => out.str("none"),
    };
    out.str(" mode ")
        .str(if long { "long" } else { "protected" });
    out.str(" phase ")
        .bytes(phase_name(r.phase))
        .str(" format ")
        .dec(FORMAT.into())
        .str("\n");

    row(out, ROW_IP, &[r.rip, r.rflags, r.cr[1]], width);
    let (low, high) = r.gpr.split_at(8);
    row(out, ROW_GPR0, &low[..4], width);
    row(out, ROW_GPR4, &low[4..], width);
    if long {
        row(out, ROW_GPR8, &high[..4], width);
        row(out, ROW_GPR12, &high[4..], width);
    }
    row(out, ROW_SEL, &r.sel.map(u64::from), SEL_DIGITS);
    row(
        out,
        ROW_CR,
        &[r.cr[0], r.cr[2], r.cr[3], r.efer, r.dr6],
        width,
    );
    memory(out, r.code, r.stack, width);
}

/// Writes the lines of code and stack.
pub(crate) fn memory(out: &mut impl Print, code: &[u8], stack: &[u64], width: u32) {
    out.str("[handoff] code");
    for byte in code {
        out.str(" ").digits((*byte).into(), 2);
    }
    out.str(if code.is_empty() {
        " unreadable\n[handoff] stack"
    } else {
        "\n[handoff] stack"
    });
    for word in stack {
        out.str(" ").hex(*word, width);
    }
    out.str(if stack.is_empty() {
        " unreadable\n"
    } else {
        "\n"
    });
}

/// Writes a line of names and values.
pub(crate) fn row(out: &mut impl Print, names: &'static str, values: &[u64], digits: u32) {
    out.str("[handoff]");
    for (name, value) in entries(names).zip(values) {
        out.str(" ").bytes(name).str(" ").hex(*value, digits);
    }
    out.str("\n");
}

#[cfg(test)]
mod tests;
