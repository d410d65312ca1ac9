//! Rules about memory that could not be accessed.

use super::abort::{AbortReason, AbortedAccess};
use super::explain::{Arm64RuleInput, is_null, is_virtual};
use crate::decode::rules::{Answer, answer};

const fn verb(access: AbortedAccess) -> &'static str {
    match access {
        AbortedAccess::Fetch => "a jump to",
        AbortedAccess::Read => "a read of",
        AbortedAccess::Write => "a write to",
    }
}

/// The access and its address, for a sentence.
fn accessed(input: &Arm64RuleInput<'_>) -> Option<String> {
    let access = input.abort()?.access;
    let addr = input.address()?;
    Some(format!("{} {}", verb(access), input.name(addr)))
}

pub(super) fn lower_level(input: &Arm64RuleInput<'_>) -> Answer {
    if !input.abort()?.lower {
        return None;
    }
    let access = accessed(input).unwrap_or_else(|| "an access".to_owned());
    answer(
        format!(
            "{access} by code of a lower exception level, a guest or a program, that traps to this one"
        ),
        "at EL2: the second stage of translation (HCR_EL2.VM, VTTBR_EL2) does not map it, or TGE routes all exceptions here; at \
         EL1: the program's own page tables",
    )
}

pub(super) fn virtual_address(input: &Arm64RuleInput<'_>) -> Answer {
    let addr = input.address()?;
    if !input.is_untranslated() || !is_virtual(addr) {
        return None;
    }
    answer(
        format!(
            "{} {addr:#x}, a virtual address, while translation is off",
            verb(input.abort()?.access)
        ),
        "code or a pointer of the old kernel, or one that the new kernel computed before it turned its tables on; literals and \
         jump tables of code that was linked for a virtual address have the same effect",
    )
}

pub(super) fn external(input: &Arm64RuleInput<'_>) -> Answer {
    let abort = input.abort().filter(|abort| abort.reason.is_of_bus())?;
    if matches!(
        abort.reason,
        AbortReason::Parity | AbortReason::ParityOnWalk
    ) {
        return answer(
            "the memory reported an error (parity or ECC), the program is not at fault",
            "see the firmware's and the board's own log for the part to replace",
        );
    }
    let access = accessed(input)
        .unwrap_or_else(|| "an access, whose address the CPU does not tell (FnV),".to_owned());
    let walk = match abort.reason {
        AbortReason::ExternalOnWalk => " or of its page table",
        _ => "",
    };
    answer(
        format!(
            "{access}{walk}: no RAM or device answers there, it has no clock or power, or the firmware protects it (secure \
             memory)"
        ),
        "compare it with /memory and /reserved-memory of the device tree (`mbtool dtb`) and with `reserved` in /proc/iomem; a \
         device of which the old kernel turned the clock off answers this way, too",
    )
}

pub(super) fn device_alignment(input: &Arm64RuleInput<'_>) -> Answer {
    let abort = input.abort()?;
    if abort.reason != AbortReason::Alignment || !input.is_untranslated() {
        return None;
    }
    answer(
        format!(
            "{} that is not aligned, or `dc zva`, while translation is off: all memory is device memory then, and accesses to it \
             must be aligned to their size",
            accessed(input)?
        ),
        "build code that runs before the page tables for aligned accesses only (-mstrict-align, and no memcpy or memset of a C \
         library), or turn translation on first",
    )
}

pub(super) fn alignment(input: &Arm64RuleInput<'_>) -> Answer {
    let abort = input.abort()?;
    let kind = match abort.reason {
        AbortReason::Alignment => {
            "is not aligned to its size: SCTLR.A is set, the page is mapped as a device, or it is an exclusive, atomic or \
             acquire/release access"
        }
        AbortReason::UnsupportedAtomic => {
            "is exclusive or atomic, and that memory has no such accesses: a device, or memory without caches"
        }
        _ => return None,
    };
    answer(
        format!("{} {kind}", accessed(input)?),
        "a wild pointer, or memory mapped with the wrong attributes (MAIR index of the descriptor)",
    )
}

pub(super) fn null_pointer(input: &Arm64RuleInput<'_>) -> Answer {
    let addr = input.address()?;
    let mapped = matches!(
        input.abort()?.reason,
        AbortReason::Translation | AbortReason::Permission | AbortReason::AddressSize
    );
    if !is_null(addr) || !mapped {
        return None;
    }
    answer(
        format!(
            "{} {addr:#x}: a null pointer, with the offset of a field",
            verb(input.abort()?.access)
        ),
        "see which register is zero at elr",
    )
}

pub(super) fn page_fault(input: &Arm64RuleInput<'_>) -> Answer {
    let abort = input.abort()?;
    let level = abort
        .level
        .map_or_else(String::new, |level| format!(" at level {level}"));
    let (what, advice) = match abort.reason {
        AbortReason::Translation => (
            format!("which the page tables do not map: the walk ends{level}"),
            "a wild pointer or jump, memory that these tables leave out, or an address outside of what TCR lets TTBR0 and TTBR1 \
             translate",
        ),
        AbortReason::AddressSize => (
            format!("which{level} leads to an address that is larger than the CPU or TCR allows"),
            "a wild pointer, or a damaged page table; with translation off the address itself is too large",
        ),
        AbortReason::AccessFlag => (
            "whose descriptor has no access flag".to_owned(),
            "tables for early code must set AF themselves: only some CPUs do (TCR.HA)",
        ),
        _ => return None,
    };
    answer(format!("{}, {what}", accessed(input)?), advice)
}

pub(super) fn permission(input: &Arm64RuleInput<'_>) -> Answer {
    let abort = input.abort()?;
    if abort.reason != AbortReason::Permission {
        return None;
    }
    let needs = match abort.access {
        AbortedAccess::Fetch => "not executable (PXN, XN, or writable with SCTLR.WXN)",
        AbortedAccess::Read => "not readable at this level (or user memory with PSTATE.PAN)",
        AbortedAccess::Write => "not writable",
    };
    answer(
        format!("{}, which the page tables map as {needs}", accessed(input)?),
        "a write into code or constants, a jump into data, or a kernel that uses a program's memory outside of its copy \
         functions",
    )
}

pub(super) fn other(input: &Arm64RuleInput<'_>) -> Answer {
    let abort = input.abort()?;
    let access = accessed(input).unwrap_or_else(|| "an access".to_owned());
    let advice = match abort.reason {
        AbortReason::TlbConflict => {
            "page tables were changed while they were in use: break-before-make, or a TLB that still has the old kernel's entries"
        }
        AbortReason::Granule => {
            "the memory is another world's (realm, secure, root): see the firmware's memory map"
        }
        AbortReason::TagCheck => {
            "a pointer whose tag is not that of the memory: a use after free, or an overflow"
        }
        _ => "see the manual for the status code",
    };
    answer(format!("{access}: {}", abort.reason.name()), advice)
}
