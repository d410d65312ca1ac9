//! Rules about what QEMU and KVM show of a CPU.

use super::{Answer, RuleInput, answer, vectors};
use crate::decode::found::DumpSource;
use handoff::dump::Mode;
use x86_64::registers::rflags::RFlags;

/// An exception whose delivery failed, twice.
pub(crate) fn triple_fault(input: &RuleInput<'_>) -> Answer {
    let details = &input.found.details;
    let first = details.chain.first()?;
    let gate = match input.dump().mode {
        Some(Mode::Long) => 16,
        _ => 8,
    };
    let needed = (u64::from(first.vector) + 1) * gate - 1;
    let name = vectors::name(first.vector);
    let (why, advice) = match details.idt {
        Some((base, limit)) if limit < needed => (
            format!(
                ": the interrupt descriptor table (base {base:#x}, limit {limit:#x}) has no gate for vector {}",
                first.vector
            ),
            "the first exception is the cause; a program that loads no table of its own keeps the handoff's, which reports it",
        ),
        _ => (
            String::new(),
            "the first exception is the cause; for the others see the stack, the interrupt descriptor table and its segments",
        ),
    };
    answer(
        format!(
            "{name} could not be delivered{why}; then the CPU gave up (triple fault), which resets the machine"
        ),
        advice,
    )
}

/// QEMU's report that KVM cannot go on.
pub(crate) fn kvm(input: &RuleInput<'_>) -> Answer {
    if input.found.source != DumpSource::Kvm {
        return None;
    }
    let said = |text: &str| {
        input
            .found
            .details
            .message
            .iter()
            .any(|line| line.contains(text))
    };
    if said("Suberror: 1") {
        return answer(
            "KVM had to emulate the instruction at rip and cannot: the program runs through data or through memory that is not \
             there, or uses an instruction in a mode in which KVM emulates all",
            "is rip where code was loaded? compare it with --plan; QEMU without KVM (-accel tcg -d int) shows the way there",
        );
    }
    if said("Suberror: 3") {
        return answer(
            "an exception while KVM delivered an event: mostly an interrupt descriptor table or a stack in memory that is not \
             there",
            "see rsp, and the base of the table (IDT); QEMU without KVM (-accel tcg -d int) shows the exceptions",
        );
    }
    if said("entry failed") {
        return answer(
            "the CPU refused the guest's state: segments, control registers or page tables that contradict each other",
            "see cr0, cr4, efer and the segments; a CPU without unrestricted guest mode does not take all of real mode",
        );
    }
    answer(
        "KVM cannot run the guest any further",
        "see the host's kernel log; QEMU without KVM (-accel tcg -d int,cpu_reset) shows what the guest did",
    )
}

/// A CPU at `hlt`.
pub(crate) fn halted(input: &RuleInput<'_>) -> Answer {
    if !input.found.details.halted || !input.found.details.chain.is_empty() {
        return None;
    }
    let flags = RFlags::from_bits_retain(input.dump().rflags?);
    if flags.contains(RFlags::INTERRUPT_FLAG) {
        return answer(
            "the CPU waits for an interrupt (hlt): it is idle",
            "if nothing happens any more, see which interrupt it waits for, and the other CPUs (`info registers -a`)",
        );
    }
    answer(
        "the CPU stopped for good: hlt with interrupts off",
        "the program itself did it: see the code before rip, and the calls",
    )
}
