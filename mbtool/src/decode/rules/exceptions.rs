//! Rules that depend on the instruction, the error code and the registers.

use super::{Answer, RuleInput, answer};
use crate::decode::bits;
use crate::decode::disasm::{self, VectorExtension};
use handoff::dump::Mode;
use iced_x86::Mnemonic;
use x86_64::registers::control::{Cr0Flags, Cr4Flags};
use x86_64::structures::idt::PageFaultErrorCode;

pub(crate) fn ud2(input: &RuleInput<'_>) -> Answer {
    if !input.stops_itself() {
        return None;
    }
    answer(
        "the program stopped itself (ud2): an assertion, BUG() or a path that must not be reached",
        "look at the condition before this place in its source",
    )
}

pub(crate) fn sse_off(input: &RuleInput<'_>) -> Answer {
    let instruction = input.instruction?;
    let dump = input.dump();
    let vector = disasm::vector(&instruction)?;
    let cr0 = Cr0Flags::from_bits_retain(dump.cr[0]?);
    let cr4 = Cr4Flags::from_bits_retain(dump.cr[3]?);
    let off = match () {
        () if cr0.contains(Cr0Flags::EMULATE_COPROCESSOR) => "CR0.EM is set",
        () if !cr4.contains(Cr4Flags::OSFXSR) => "CR4.OSFXSR is 0",
        () if vector == VectorExtension::Avx && !cr4.contains(Cr4Flags::OSXSAVE) => {
            "CR4.OSXSAVE is 0"
        }
        () => return None,
    };
    answer(
        format!(
            "an SSE or AVX instruction while {off}: these units are switched off at this point"
        ),
        "build early code without them (-mno-sse -mno-avx), or switch them on first",
    )
}

pub(crate) fn undefined(input: &RuleInput<'_>) -> Answer {
    let shown = input
        .dump()
        .code
        .as_ref()
        .is_some_and(|code| !code.is_empty());
    let bytes = match &input.instruction {
        Some(_) => "the bytes at rip are an instruction that this CPU or mode does not have",
        None if !shown => {
            "the CPU met ud2, an instruction that it does not have, or data; the dump does not show \
             the bytes at rip"
        }
        None => "the bytes at rip are no instruction: the program runs through data",
    };
    answer(
        bytes,
        "compare them with the file; if they differ, something overwrote the code, else find how execution got here",
    )
}

pub(crate) fn gp_selector(input: &RuleInput<'_>) -> Answer {
    let code = input.dump().error?? & 0xffff_ffff;
    if code == 0 {
        return None;
    }
    let parts = bits::error_code(13, code).join(", ");
    answer(
        format!("a segment or gate that cannot be used: {parts}"),
        "the GDT or IDT in use is not the one that the code expects: was it overwritten, or not loaded yet?",
    )
}

pub(crate) fn gp_canonical(input: &RuleInput<'_>) -> Answer {
    let bad = |addr: u64| {
        input.dump().mode == Some(Mode::Long) && !(-1..=0).contains(&(addr as i64 >> 47))
    };
    let access = input.accesses.iter().find(|access| bad(access.addr))?;
    answer(
        format!(
            "{:#x} is no address: bits 48 to 63 differ from bit 47",
            access.addr
        ),
        "a pointer that was overwritten or never set; see which register it came from",
    )
}

pub(crate) fn gp_msr(input: &RuleInput<'_>) -> Answer {
    let instruction = input.instruction?;
    if !matches!(instruction.mnemonic(), Mnemonic::Rdmsr | Mnemonic::Wrmsr) {
        return None;
    }
    let msr = input.dump().gpr[1]? & 0xffff_ffff;
    answer(
        format!(
            "model specific register {msr:#x} does not exist on this CPU, or does not take that value"
        ),
        "a hypervisor or another CPU model: check CPUID before the access",
    )
}

pub(crate) fn gp(_: &RuleInput<'_>) -> Answer {
    answer(
        "a privileged or forbidden operation: a bad value for a control register, a misaligned SSE operand, a \
         port or instruction that is not allowed",
        "look at the instruction at rip and at its operands",
    )
}

pub(crate) fn page_fault(input: &RuleInput<'_>) -> Answer {
    let dump = input.dump();
    let code = PageFaultErrorCode::from_bits_retain(dump.error??);
    let cr2 = dump.cr[1]?;
    let at = input.name(cr2);
    if code.contains(PageFaultErrorCode::MALFORMED_TABLE) {
        return answer(
            format!(
                "a page table entry on the way to {at} has a reserved bit set: damaged page tables"
            ),
            "something overwrote the tables at cr3, or NX is used without EFER.NXE",
        );
    }
    if code.contains(PageFaultErrorCode::INSTRUCTION_FETCH) {
        let what = if code.contains(PageFaultErrorCode::PROTECTION_VIOLATION) {
            "not executable (NX)"
        } else {
            "not mapped"
        };
        return answer(
            format!("the program jumped to {at}, which is {what}"),
            "a wild jump, or code where only data was expected; the stack may hold the caller",
        );
    }
    let verb = if code.contains(PageFaultErrorCode::CAUSED_BY_WRITE) {
        "write to"
    } else {
        "read of"
    };
    if code.contains(PageFaultErrorCode::PROTECTION_VIOLATION) {
        return answer(
            format!(
                "a {verb} {at} that its page does not allow: read-only, or user and supervisor mixed"
            ),
            "a write into code or constants, or a missing permission in the page tables",
        );
    }
    if cr2 < 0x1000 {
        return answer(
            format!("a {verb} {cr2:#x}: a null pointer, with the offset of a field"),
            "see which register is zero at rip",
        );
    }
    answer(
        format!("a {verb} {at}, which is not mapped"),
        "a wild pointer, or memory that these page tables leave out (devices, memory above 4 GiB)",
    )
}

pub(crate) fn no_unit(input: &RuleInput<'_>) -> Answer {
    let traps = Cr0Flags::EMULATE_COPROCESSOR | Cr0Flags::TASK_SWITCHED;
    let cr0 = input.dump().cr[0]? & traps.bits();
    answer(
        format!(
            "floating point or SSE while CR0 has {}",
            bits::of("cr0", cr0)?.join(" and ")
        ),
        "build early code without floating point, or clear EM and TS first",
    )
}
