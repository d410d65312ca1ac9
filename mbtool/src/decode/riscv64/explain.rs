//! Explains a dump: the situation, then the cause.

use super::causes::{self, has_address};
use super::csr::{PHYSICAL_BITS, mode_name, root};
use crate::decode::address_map::{AddressMap, MappedPlace};
use crate::decode::explain::Explanation;
use crate::decode::found::{DumpSource, FoundDump};
use crate::decode::rules::{Answer, answer};
use disc_v::Instruction;
use handoff::abi::{PHASE_CONSOLE, PHASE_ENTRY, PHASE_RELOCATE, PHASE_TARGET, PHASE_VERIFY};
use handoff::arch::riscv64::dump::read::RiscvDump;

/// Input of the rules.
#[derive(Debug)]
pub struct RiscvRuleInput<'a> {
    /// The dump and what was found with it.
    pub found: &'a FoundDump,
    /// The CPU's state.
    pub dump: &'a RiscvDump,
    /// Locations of segments.
    pub map: &'a AddressMap,
    /// Location of `sepc`.
    pub place: Option<MappedPlace>,
    /// Instruction at `sepc`.
    pub instruction: Option<Instruction>,
    /// True if `sepc` is in code of a symbol file.
    pub in_code: bool,
}

/// A rule and its name.
pub(super) type RiscvRule = (&'static str, fn(&RiscvRuleInput<'_>) -> Answer);

/// Rules about the situation; all that apply are reported.
const SITUATIONS: &[RiscvRule] = &[
    ("satp-switch", satp_switch),
    ("kvm", kvm),
    ("drill", drill),
    ("segment-memory", segment_memory),
    ("handoff-tables", handoff_tables),
    ("handoff-bug", handoff_bug),
    ("jump-to-null", jump_to_null),
    ("jump-to-nowhere", jump_to_nowhere),
    ("before-own-stvec", before_own_stvec),
];

/// Explains a dump.
#[must_use]
pub fn explain(input: &RiscvRuleInput<'_>) -> Vec<Explanation> {
    let ask = |(rule, ask): &RiscvRule| {
        let (meaning, advice) = ask(input)?;
        Some(Explanation {
            rule,
            meaning,
            advice,
        })
    };
    let cause = input.dump.scause.map_or(&[][..], causes::rules);
    SITUATIONS
        .iter()
        .filter_map(ask)
        .chain(cause.iter().filter_map(ask).take(1))
        .collect()
}

impl RiscvRuleInput<'_> {
    /// Formats `addr` with its location, for a sentence.
    pub(super) fn name(&self, addr: u64) -> String {
        match self.map.at(addr) {
            Some(place) => format!("{addr:#x} ({})", place.name),
            None if self.knows_segments() => format!("{addr:#x} (nothing that was loaded)"),
            None => format!("{addr:#x}"),
        }
    }

    /// True if more than the handoff is known: without verification and without a plan nothing names the segments.
    fn knows_segments(&self) -> bool {
        let mut segments = self.map.segments.iter();
        segments.any(|(name, _)| name != "handoff")
    }

    fn in_handoff(&self) -> bool {
        self.place
            .as_ref()
            .is_some_and(|place| place.segment && place.name == "handoff")
    }

    /// The phase, if it is one before the target, or the code is the handoff's.
    fn own_phase(&self) -> Option<u32> {
        let phase = self.dump.phase?;
        (self.found.source == DumpSource::Handoff
            && (phase < PHASE_TARGET || is_after(phase) || self.in_handoff()))
        .then_some(phase)
    }

    /// The guest physical address of a guest-page fault.
    pub(super) fn guest_physical(&self) -> Option<u64> {
        let htval = self.found.details.hypervisor?.htval;
        // 0: the CPU does not tell
        (htval != 0).then(|| htval << 2 | self.dump.stval.unwrap_or(0) & 3)
    }
}

/// Phases with numbers above that of the target that are before it.
const fn is_after(phase: u32) -> bool {
    phase == PHASE_RELOCATE
}

/// Linux turns translation off at a virtual address, and expects the next fetch to fault into `stvec`.
fn satp_switch(input: &RiscvRuleInput<'_>) -> Answer {
    let addr = input.dump.stval?;
    let fetch = input.found.source == DumpSource::KvmHost && input.dump.scause == Some(20);
    // the address was taken as a guest physical one, although it cannot be one
    let physical = input.guest_physical()?;
    if !fetch || physical != addr || addr >> PHYSICAL_BITS == 0 {
        return None;
    }
    answer(
        format!(
            "the guest's kernel turned address translation off (satp = 0) while it ran at a virtual address, as Linux's \
             kexec does, with the next instruction in stvec. With two-stage translation the fetch of {addr:#x} does not \
             fault into stvec: it is a guest-page fault, which traps to the hypervisor, and KVM has no memory there"
        ),
        "a guest's kernel with the kexec trampoline that was posted in 2026 turns translation off on a page that is mapped \
         one to one; or the monitor sets pc to the guest's stvec when KVM_RUN fails in this state; see docs/riscv64.md. No \
         loader in the guest can help: it dies before anything that was loaded runs",
    )
}

fn kvm(input: &RiscvRuleInput<'_>) -> Answer {
    if input.found.source != DumpSource::KvmHost || satp_switch(input).is_some() {
        return None;
    }
    answer(
        "KVM cannot run the guest any further, and its monitor gets an error from KVM_RUN",
        "registers and cause are those of the guest; the monitor's own output may show more of its state",
    )
}

fn drill(input: &RiscvRuleInput<'_>) -> Answer {
    let asked = matches!(input.dump.scause, Some(2 | 3));
    if !input.found.log.drill || !asked || input.own_phase().is_none() {
        return None;
    }
    answer(
        "this failure was asked for with --drill: the handoff's dump reaches this console",
        "load again without --drill",
    )
}

/// The handoff reads or writes a segment, and cannot.
fn segment_memory(input: &RiscvRuleInput<'_>) -> Answer {
    let phase = input.own_phase()?;
    let addr = input.dump.stval?;
    let access = matches!(input.dump.scause, Some(5 | 7));
    if !access || !matches!(phase, PHASE_VERIFY | PHASE_RELOCATE) {
        return None;
    }
    let place = input.map.at(addr)?;
    if !place.segment || place.name == "handoff" {
        return None;
    }
    answer(
        format!(
            "segment `{}` is in memory that the handoff cannot access at {addr:#x}: it was loaded into the firmware's \
             protected memory, or where there is no RAM",
            place.name
        ),
        "load it elsewhere: Linux lets kexec put segments into memory that only the device tree's /reserved-memory, or \
         nothing at all, tells apart from RAM",
    )
}

/// The handoff's own tables do not map what it uses.
fn handoff_tables(input: &RiscvRuleInput<'_>) -> Answer {
    let phase = input.own_phase()?;
    let fault = matches!(input.dump.scause, Some(12 | 13 | 15));
    let addr = input.dump.stval?;
    let root = input.dump.satp.and_then(root)?;
    if !fault || phase < PHASE_CONSOLE || phase == PHASE_TARGET {
        return None;
    }
    let mode = input.dump.mode.and_then(mode_name).unwrap_or("?");
    answer(
        format!(
            "the handoff's own page tables ({mode}, root at {root:#x}) do not allow this access to {}: they map the \
             handoff, its consoles, and the GiB around segments and moves; only the handoff's code is executable and \
             read-only",
            input.name(addr)
        ),
        "report it with this output, the whole log and `mbtool plan --json`",
    )
}

fn handoff_bug(input: &RiscvRuleInput<'_>) -> Answer {
    let phase = input.own_phase()?;
    let told = drill(input).is_some()
        || segment_memory(input).is_some()
        || handoff_tables(input).is_some();
    if told {
        return None;
    }
    let extra = if phase == PHASE_ENTRY {
        "; it was still on the old kernel's page tables, or with translation off"
    } else {
        ""
    };
    answer(
        format!(
            "the fault is in the handoff's own time, before the image ran: a bug in mbtool{extra}"
        ),
        "report it with this output, the whole log and `mbtool plan --json`",
    )
}

fn jump_to_null(input: &RiscvRuleInput<'_>) -> Answer {
    if input.dump.sepc? >= 0x1000 {
        return None;
    }
    answer(
        "the program jumped to address 0 or close to it: a call through a null pointer, or a return on an empty stack",
        "see ra; the stack may still hold the caller's return address",
    )
}

fn jump_to_nowhere(input: &RiscvRuleInput<'_>) -> Answer {
    let sepc = input.dump.sepc?;
    let off = input.dump.satp.and_then(root).is_none();
    let known = input.found.source == DumpSource::Handoff && off && input.knows_segments();
    let outside = input.place.as_ref().is_none_or(|place| !place.segment);
    if sepc < 0x1000 || !known || !outside || input.in_code || input.own_phase().is_some() {
        return None;
    }
    answer(
        format!("sepc is {}: not code that was loaded", input.name(sepc)),
        "a wild jump or an overwritten return address: see ra and the stack; if the program moved itself, give its address \
         with --symbols FILE@ADDR",
    )
}

fn before_own_stvec(input: &RiscvRuleInput<'_>) -> Answer {
    let phase = input.dump.phase?;
    if input.found.source != DumpSource::Handoff || phase != PHASE_TARGET || input.in_handoff() {
        return None;
    }
    let how = match input.dump.mode {
        Some(0) => ", with translation off",
        Some(_) => ", with its own page tables",
        None => "",
    };
    let data = input.dump.scause.is_some_and(has_address);
    answer(
        format!("the image itself failed, before it set stvec{how}"),
        if data {
            "the handoff does not run any more at this point: give the image's symbols to find the location, and compare \
             stval with the image's segments"
        } else {
            "the handoff does not run any more at this point: give the image's symbols to find the location"
        },
    )
}
