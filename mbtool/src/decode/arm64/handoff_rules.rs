//! Situations in the handoff's own time.

use super::abort::{AbortReason, AbortedAccess};
use super::explain::Arm64RuleInput;
use crate::decode::rules::{Answer, answer};
use handoff::abi::{PHASE_CONSOLE, PHASE_ENTRY, PHASE_RELOCATE, PHASE_TARGET, PHASE_VERIFY};
use handoff::arch::arm64::syndrome::CLASS_BRK;

/// Where to report it.
const REPORT: &str = "report it with this output, the whole log and `mbtool plan --json`";
/// Class of SError.
const CLASS_SERROR: u32 = 0x2f;

pub(super) fn drill(input: &Arm64RuleInput<'_>) -> Answer {
    let asked = matches!(input.class(), Some(0 | CLASS_BRK));
    if !input.found.log.drill || !asked || input.own_phase().is_none() {
        return None;
    }
    answer(
        "this failure was asked for with --drill: the handoff's dump reaches this console",
        "load again without --drill",
    )
}

/// The handoff reads or writes a segment, and the bus or the firmware does not allow it.
pub(super) fn segment_memory(input: &Arm64RuleInput<'_>) -> Answer {
    let phase = input.own_phase()?;
    if !matches!(phase, PHASE_VERIFY | PHASE_RELOCATE) {
        return None;
    }
    const CAUSE: &str = "it was loaded into memory of the firmware or of the secure world, or where there is no RAM";
    const ADVICE: &str = "load it elsewhere: Linux lets kexec put segments into memory that only the device tree's \
                          /reserved-memory, or nothing at all, tells apart from RAM";
    if input.class() == Some(CLASS_SERROR) {
        let verb = match phase {
            PHASE_VERIFY => "verified",
            _ => "moved",
        };
        return answer(
            format!(
                "an SError while segments are {verb}: the bus answered an access with an error, later and without an address. \
                 The last `verify` line before the dump names the segment; {CAUSE}"
            ),
            ADVICE,
        );
    }
    let abort = input.abort().filter(|abort| abort.reason.is_of_bus())?;
    let Some(addr) = input.address() else {
        return answer(
            format!(
                "{} in a segment, at an address that the CPU does not tell: {CAUSE}",
                abort.reason.name()
            ),
            ADVICE,
        );
    };
    let what = match input.map.at(addr).filter(|place| place.segment) {
        Some(place) if place.name == "handoff" => return None,
        Some(place) => format!("segment `{}`", place.name),
        // the line about it follows when it is intact
        None => "a segment (the one after the last `verify` line, or see --plan)".to_owned(),
    };
    answer(
        format!("{what} is in memory that the handoff cannot access at {addr:#x}: {CAUSE}"),
        ADVICE,
    )
}

/// A write to the handoff's code, which its tables map read-only; its data is writable.
pub(super) fn handoff_text(input: &Arm64RuleInput<'_>) -> Answer {
    input.own_phase()?;
    let abort = input.abort()?;
    let addr = input.address()?;
    let inside = input
        .map
        .at(addr)
        .is_some_and(|place| place.segment && place.name == "handoff");
    let denied = abort.reason == AbortReason::Permission && abort.access == AbortedAccess::Write;
    if !inside || !denied {
        return None;
    }
    answer(
        format!(
            "a write to {addr:#x} in the handoff's own code and constants, which its page tables map read-only"
        ),
        format!("a wild pointer in the handoff: {REPORT}"),
    )
}

/// The handoff's own tables do not map what it uses.
pub(super) fn handoff_tables(input: &Arm64RuleInput<'_>) -> Answer {
    let phase = input.own_phase()?;
    if phase < PHASE_CONSOLE || phase == PHASE_TARGET || input.is_untranslated() {
        return None;
    }
    if handoff_text(input).is_some() {
        return None;
    }
    let abort = input.abort()?;
    let addr = input.address()?;
    let level = abort
        .level
        .map_or_else(String::new, |level| format!(" at level {level}"));
    let what = match abort.reason {
        AbortReason::Translation | AbortReason::AddressSize => format!("end{level} for"),
        AbortReason::Permission => "do not allow this access to".to_owned(),
        _ => return None,
    };
    answer(
        format!(
            "the handoff's own page tables {what} {}: they map the handoff, its consoles, and the pages of segments and moves, \
             each one to one; only the handoff's code is executable and read-only",
            input.name(addr)
        ),
        REPORT,
    )
}

pub(super) fn handoff_bug(input: &Arm64RuleInput<'_>) -> Answer {
    let phase = input.own_phase()?;
    let told = [drill, segment_memory, handoff_text, handoff_tables];
    if told.iter().any(|rule| rule(input).is_some()) {
        return None;
    }
    let extra = if phase == PHASE_ENTRY {
        "; translation was still off, where every access must be aligned"
    } else {
        ""
    };
    answer(
        format!(
            "the fault is in the handoff's own time, before the image ran: a bug in mbtool{extra}"
        ),
        REPORT,
    )
}
