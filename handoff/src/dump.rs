//! The exception record and its text form (docs/handoff-abi.md).

use crate::abi::PHASES;
use crate::text::Text;

/// First line of a dump starts with this.
pub const BEGIN: &str = "[handoff] EXCEPTION";
/// Last line of a dump.
pub const END: &str = "[handoff] END OF DUMP";
/// Bytes shown at rip.
pub const CODE_BYTES: usize = 16;
/// Stack words shown.
pub const STACK_WORDS: usize = 8;

/// Machine mode at the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// 64-bit.
    Long,
    /// 32-bit protected mode, after the handoff left long mode.
    Protected,
}

/// Everything known of one exception. In protected mode the upper halves are
/// zero and `gpr[8..]` are not shown.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Vector, 0 to 255.
    pub vector: u8,
    /// Error code; `None` where the vector has none.
    pub error: Option<u64>,
    /// Mode of the interrupted code.
    pub mode: Mode,
    /// Index into [`PHASES`].
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
    /// Bytes at rip; empty where they cannot be read.
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

/// Entry `n` of a list separated by bars. A string has no pointers in it, as an
/// array of strings would, so it needs no relocation.
#[must_use]
pub fn nth(list: &'static str, n: u32) -> Option<&'static [u8]> {
    entries(list).nth(n as usize)
}

/// The entries of a list separated by bars.
fn entries(list: &'static str) -> impl Iterator<Item = &'static [u8]> {
    list.as_bytes().split(|byte| *byte == b'|')
}

/// Writes the record.
pub fn write(out: &mut impl Text, r: &Record<'_>) {
    let long = r.mode == Mode::Long;
    let width = if long { 16 } else { 8 };
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
        .bytes(nth(PHASES, r.phase).unwrap_or(b"?"))
        .str("\n");

    row(out, "rip|rflags|cr2", &[r.rip, r.rflags, r.cr[1]], width);
    let (low, high) = r.gpr.split_at(8);
    row(out, "rax|rcx|rdx|rbx", &low[..4], width);
    row(out, "rsp|rbp|rsi|rdi", &low[4..], width);
    if long {
        row(out, "r8 |r9 |r10|r11", &high[..4], width);
        row(out, "r12|r13|r14|r15", &high[4..], width);
    }
    row(out, "cs|ds|es|fs|gs|ss", &r.sel.map(u64::from), 4);
    row(
        out,
        "cr0|cr3|cr4|efer",
        &[r.cr[0], r.cr[2], r.cr[3], r.efer],
        width,
    );
    out.str("[handoff] code");
    for byte in r.code {
        out.str(" ").digits((*byte).into(), 2);
    }
    out.str(if r.code.is_empty() {
        " unreadable\n[handoff] stack"
    } else {
        "\n[handoff] stack"
    });
    for word in r.stack {
        out.str(" ").hex(*word, width);
    }
    out.str(if r.stack.is_empty() {
        " unreadable\n"
    } else {
        "\n"
    })
    .str(END)
    .str("\n");
}

fn row(out: &mut impl Text, names: &'static str, values: &[u64], digits: u32) {
    out.str("[handoff]");
    for (name, value) in entries(names).zip(values) {
        out.str(" ").bytes(name).str(" ").hex(*value, digits);
    }
    out.str("\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_page_fault() {
        let record = Record {
            vector: 14,
            error: Some(2),
            mode: Mode::Long,
            phase: 2,
            rip: 0x1234,
            rflags: 0x46,
            gpr: core::array::from_fn(|n| n as u64),
            sel: [0x10, 0x18, 0x18, 0x18, 0x18, 0x18],
            cr: [0x8000_0033, 0xdead_beef, 0x1000, 0x20],
            efer: 0xd01,
            code: &[0x0f, 0x0b],
            stack: &[7],
        };
        let mut text = String::new();
        write(&mut text, &record);
        assert_eq!(
            text,
            "[handoff] EXCEPTION vector 14 (#PF page fault) error 0x2 mode long phase verify\n\
             [handoff] rip 0x0000000000001234 rflags 0x0000000000000046 cr2 0x00000000deadbeef\n\
             [handoff] rax 0x0000000000000000 rcx 0x0000000000000001 rdx 0x0000000000000002 rbx 0x0000000000000003\n\
             [handoff] rsp 0x0000000000000004 rbp 0x0000000000000005 rsi 0x0000000000000006 rdi 0x0000000000000007\n\
             [handoff] r8  0x0000000000000008 r9  0x0000000000000009 r10 0x000000000000000a r11 0x000000000000000b\n\
             [handoff] r12 0x000000000000000c r13 0x000000000000000d r14 0x000000000000000e r15 0x000000000000000f\n\
             [handoff] cs 0x0010 ds 0x0018 es 0x0018 fs 0x0018 gs 0x0018 ss 0x0018\n\
             [handoff] cr0 0x0000000080000033 cr3 0x0000000000001000 cr4 0x0000000000000020 efer 0x0000000000000d01\n\
             [handoff] code 0f 0b\n\
             [handoff] stack 0x0000000000000007\n\
             [handoff] END OF DUMP\n"
        );
        let short = Record {
            mode: Mode::Protected,
            code: &[],
            stack: &[],
            error: None,
            ..record
        };
        let mut text = String::new();
        write(&mut text, &short);
        assert!(text.contains("[handoff] code unreadable\n[handoff] stack unreadable\n"));
        assert!(text.contains("rip 0x00001234 ") && !text.contains("r8 "));
    }
}
