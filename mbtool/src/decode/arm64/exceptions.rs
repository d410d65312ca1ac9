//! Rules about other exceptions than aborts.

use super::explain::Arm64RuleInput;
use super::syndrome::system_access;
use super::sysreg::spelled;
use crate::decode::found::DumpSource;
use crate::decode::rules::{Answer, answer};
use handoff::arch::arm64::registers::Regime;
use handoff::arch::arm64::syndrome::class;

/// Comments of `brk`, and who uses them.
const COMMENTS: [(u64, u64, &str); 8] = [
    (
        0x1,
        0x1,
        "Xen's BUG(), ASSERT() and WARN(), or `abort` of LLVM and Rust",
    ),
    (0x3e8, 0x3e8, "`__builtin_trap` of GCC"),
    (
        0x100,
        0x100,
        "Linux's own fault (a probe, or a kernel that must not come here)",
    ),
    (0x400, 0x401, "Linux's kgdb"),
    (0x800, 0x800, "Linux's BUG() or WARN()"),
    (0x900, 0x9ff, "Linux's KASAN"),
    (0x5500, 0x55ff, "Linux's UBSAN"),
    (
        0x8000,
        0x83ff,
        "Linux's control-flow integrity: an indirect call to a function of another type",
    ),
];

impl Arm64RuleInput<'_> {
    fn word(&self) -> Option<u32> {
        self.instruction
            .as_ref()
            .map(|instruction| instruction.word)
    }

    fn text(&self) -> &str {
        self.instruction
            .as_ref()
            .map_or("", |instruction| instruction.text.as_str())
    }
}

pub(super) fn udf(input: &Arm64RuleInput<'_>) -> Answer {
    let word = input.word().filter(|word| word >> 16 == 0)?;
    let what = if word == 0 {
        "the program stopped itself (udf), or runs through memory of zeroes"
    } else {
        "the program stopped itself (udf): an assertion, or a path that must not be reached"
    };
    answer(
        what,
        "look at the condition before this place in its source; zeroes that are not in the file mean that code was not loaded, \
         or was overwritten",
    )
}

pub(super) fn undefined_call(input: &Arm64RuleInput<'_>) -> Answer {
    let word = input.word()?;
    let (name, above) = match word & 0xffe0_001f {
        0xd400_0002 => (
            "hvc",
            "there is no EL2 above this code, or it disables hvc (HCR_EL2.HCD, SCR_EL3.HCE)",
        ),
        0xd400_0003 => ("smc", "there is no EL3, or it disables smc (SCR_EL3.SMD)"),
        _ => return None,
    };
    answer(
        format!("{} is undefined here: {above}", input.text()),
        format!(
            "firmware is called by the other instruction than {name}, or is not there: see `method` of /psci in the device tree \
             (`mbtool dtb`)"
        ),
    )
}

pub(super) fn undefined_register(input: &Arm64RuleInput<'_>) -> Answer {
    let text = input.text();
    if !text.starts_with("mrs ") && !text.starts_with("msr ") {
        return None;
    }
    let level = match input.dump.regime {
        Some(regime) if regime == Regime::El1 as u32 => " at EL1",
        Some(_) => " at EL2",
        None => "",
    };
    answer(
        format!("`{text}`: this register does not exist on this CPU, or not{level}"),
        "a register of a higher exception level, of VHE (..._el12), or of an extension that the CPU does not have (ID_AA64*_EL1): \
         code that expects another level or another CPU",
    )
}

pub(super) fn undefined(input: &Arm64RuleInput<'_>) -> Answer {
    let what = match &input.instruction {
        None => "the CPU met an instruction that it does not have, or data; the dump does not show the bytes at elr".to_owned(),
        Some(instruction) if instruction.invalid => {
            "the bytes at elr are no instruction: the program runs through data".to_owned()
        }
        Some(instruction) => format!(
            "the bytes at elr are an instruction that this CPU does not have at this level: {}",
            instruction.text
        ),
    };
    answer(
        what,
        "compare them with the file; if they differ, something overwrote the code (or the instruction cache was not cleaned after \
         it was written); else the image is built for a CPU with more features (-march), or execution got here by a wild jump",
    )
}

pub(super) fn wait(input: &Arm64RuleInput<'_>) -> Answer {
    let by = match input.dump.regime {
        Some(regime) if regime == Regime::El1 as u32 => "SCTLR_EL1.nTWI and nTWE of EL1",
        _ => "HCR_EL2.TWI and TWE",
    };
    answer(
        format!("a lower level waits (wfi, wfe), and {by} trap that"),
        "the level above is meant to schedule something else; early code must not set these bits",
    )
}

pub(super) fn fp_trap(input: &Arm64RuleInput<'_>) -> Answer {
    let (unit, bits) = match input.class()? {
        0x07 => ("floating point, SIMD or SVE", "FPEN"),
        0x19 => ("SVE", "ZEN"),
        _ => ("SME", "SMEN"),
    };
    let register = match input.dump.regime {
        Some(regime) if regime == Regime::El1 as u32 => "CPACR_EL1, or CPTR_EL2 of the level above",
        Some(regime) if regime == Regime::El2 as u32 => "CPTR_EL2 (TFP, TZ, TSM)",
        _ => "CPACR_EL1 or CPTR_EL2",
    };
    answer(
        format!(
            "an instruction of {unit} ({}) while {register} traps it",
            match input.text() {
                "" => "not in the dump",
                text => text,
            }
        ),
        format!(
            "switch the unit on first ({bits}), or build early code without it (-mgeneral-regs-only); compilers use its registers \
             for memcpy"
        ),
    )
}

pub(super) fn authentication_trap(_: &Arm64RuleInput<'_>) -> Answer {
    answer(
        "an instruction of pointer authentication, or access to its keys, traps to EL2 (HCR_EL2.APK, API clear)",
        "the level above must set both bits before the kernel below uses pointer authentication",
    )
}

pub(super) fn authentication(_: &Arm64RuleInput<'_>) -> Answer {
    answer(
        "a signed pointer is not valid: a return address or a function pointer was overwritten, or signed with other keys",
        "see the stack; keys that change within a call (a new kernel's, after a soft restart) have the same effect",
    )
}

pub(super) fn branch_target(_: &Arm64RuleInput<'_>) -> Answer {
    answer(
        "an indirect jump to a place without a landing pad (bti) on a guarded page",
        "a wild function pointer, or code without BTI on a page that is mapped as guarded (GP)",
    )
}

pub(super) fn illegal_state(_: &Arm64RuleInput<'_>) -> Answer {
    answer(
        "PSTATE.IL is set: an exception return to a level or mode that does not exist here (SPSR)",
        "see the code that wrote SPSR before the last eret: a mode of EL2 at EL1, EL1 of 32 bits without HCR_EL2.RW clear, or a \
         damaged SPSR",
    )
}

pub(super) fn call(input: &Arm64RuleInput<'_>) -> Answer {
    let esr = input.dump.esr?;
    let number = esr & 0xffff;
    let (name, meant) = match class(esr) {
        0x11 | 0x15 => (
            "svc",
            "a system call, which no code of a kernel makes itself",
        ),
        0x12 | 0x16 => (
            "hvc",
            "a call of a hypervisor: of the hyp-stub, KVM, Xen, or PSCI with the method hvc",
        ),
        _ => (
            "smc",
            "a call of the firmware that the level above traps (HCR_EL2.TSC)",
        ),
    };
    answer(
        format!("{name} #{number:#x}: {meant}; it arrived at vectors that do not handle it"),
        match name {
            "hvc" => {
                "at EL2 hvc goes to EL2's own vectors: code that was written for EL1 runs at EL2, or the vectors that answer it (the \
                 old kernel's) are gone"
            }
            _ => "see x0 for the number of the call, and which level is meant to answer it",
        },
    )
}

pub(super) fn system_register(input: &Arm64RuleInput<'_>) -> Answer {
    let (encoding, read) = system_access(input.dump.esr?)?;
    let verb = match (encoding.0, read) {
        (1, _) => "the instruction",
        (_, true) => "a read of",
        (_, false) => "a write to",
    };
    answer(
        format!(
            "{verb} {} traps: a register that the level above keeps to itself or emulates",
            spelled(encoding)
        ),
        "at EL2 see the trap bits of HCR_EL2, HSTR_EL2, MDCR_EL2, CPTR_EL2, CNTHCTL_EL2, HFG*_EL2 and ICC_SRE_EL2.Enable; a kernel \
         that starts must find them clear (booting.rst)",
    )
}

pub(super) fn misaligned_fetch(input: &Arm64RuleInput<'_>) -> Answer {
    answer(
        format!(
            "a jump to {}, which is no multiple of 4",
            input.name(input.dump.elr.or(input.dump.far)?)
        ),
        "a wild jump, or an overwritten return address: see x30 and the stack",
    )
}

pub(super) fn misaligned_stack(input: &Arm64RuleInput<'_>) -> Answer {
    let sp = input.dump.register("sp");
    answer(
        format!(
            "an access through sp{}, which is no multiple of 16 (SCTLR.SA)",
            sp.map_or_else(String::new, |sp| format!(" ({})", input.name(sp)))
        ),
        "see the code that set sp, or assembly that pushes single registers",
    )
}

pub(super) fn floating_point(_: &Arm64RuleInput<'_>) -> Answer {
    answer(
        "a floating point exception, which FPCR enables",
        "a new kernel starts with FPCR as the old one left it: clear it before the first floating point instruction",
    )
}

pub(super) fn serror(input: &Arm64RuleInput<'_>) -> Answer {
    let who = match input.found.source {
        DumpSource::Handoff => {
            ". The access can be one of the old kernel: it is reported when PSTATE.A is cleared for the first time"
        }
        _ => "",
    };
    answer(
        format!(
            "an SError: a write (or a read ahead) reached the bus long ago and was answered with an error; elr is where it was \
             reported, not where it was caused{who}"
        ),
        "a device that was used without its clock or power, memory of the secure world, or a hardware error: see the firmware's \
         own log, and which drivers touched devices last",
    )
}

pub(super) fn debug(input: &Arm64RuleInput<'_>) -> Answer {
    let what = match input.class()? {
        0x30 | 0x31 => "a hardware breakpoint",
        0x32 | 0x33 => "a software step",
        _ => "a watchpoint",
    };
    answer(
        format!("{what} of the old kernel or of a debugger is still set (MDSCR_EL1, DBG*_EL1)"),
        "clear MDSCR_EL1 and the registers of breakpoints, or keep PSTATE.D set until the new kernel has its vectors",
    )
}

pub(super) fn breakpoint(input: &Arm64RuleInput<'_>) -> Answer {
    let comment = input.dump.esr? & 0xffff;
    let found = COMMENTS
        .iter()
        .find(|(first, last, _)| (*first..=*last).contains(&comment));
    let by = found.map_or_else(String::new, |(.., by)| format!(": used by {by}"));
    let resumed = match input.found.source {
        DumpSource::Handoff => ", which the handoff dumps and resumes",
        _ => "",
    };
    answer(
        format!("a breakpoint (brk #{comment:#x}{by}){resumed}"),
        "nothing is wrong if you set it; else look at the condition before this place in its source",
    )
}
