//! The rules of each exception class.

use super::explain::{Arm64Rule, Arm64RuleInput};
use super::syndrome::is_interrupt;
use super::{aborts, exceptions};
use crate::decode::rules::{Answer, answer};

/// Returns the rules of a class (`None` for an interrupt or a lost one), specific ones first.
pub(super) fn rules(class: Option<u32>, vector: Option<u64>) -> &'static [Arm64Rule] {
    if is_interrupt(vector) {
        return &[("interrupt", interrupt)];
    }
    let Some(class) = class else {
        return &[];
    };
    match class {
        0x00 => &[
            ("udf", exceptions::udf),
            ("undefined-call", exceptions::undefined_call),
            ("undefined-register", exceptions::undefined_register),
            ("undefined-instruction", exceptions::undefined),
        ],
        0x01 => &[("trapped-wait", exceptions::wait)],
        0x07 | 0x19 | 0x1d => &[("fp-trap", exceptions::fp_trap)],
        0x09 => &[(
            "pointer-authentication-trap",
            exceptions::authentication_trap,
        )],
        0x0d => &[("branch-target", exceptions::branch_target)],
        0x0e => &[("illegal-state", exceptions::illegal_state)],
        0x11 | 0x12 | 0x13 | 0x15 | 0x16 | 0x17 => &[("call", exceptions::call)],
        0x18 => &[("system-register", exceptions::system_register)],
        0x1c => &[("pointer-authentication", exceptions::authentication)],
        0x20 | 0x21 | 0x24 | 0x25 => &[
            ("lower-level", aborts::lower_level),
            ("virtual-address", aborts::virtual_address),
            ("external-abort", aborts::external),
            ("device-alignment", aborts::device_alignment),
            ("alignment", aborts::alignment),
            ("null-pointer", aborts::null_pointer),
            ("page-fault", aborts::page_fault),
            ("permission", aborts::permission),
            ("abort", aborts::other),
        ],
        0x22 => &[("misaligned-fetch", exceptions::misaligned_fetch)],
        0x26 => &[("misaligned-stack", exceptions::misaligned_stack)],
        0x2c => &[("floating-point", exceptions::floating_point)],
        0x2f => &[("serror", exceptions::serror)],
        0x30..=0x35 => &[("debug", exceptions::debug)],
        0x3c => &[("breakpoint", exceptions::breakpoint)],
        _ => &[("other-class", other)],
    }
}

fn interrupt(input: &Arm64RuleInput<'_>) -> Answer {
    let kind = match input.dump.vector? & 3 {
        1 => "IRQ",
        _ => "FIQ",
    };
    answer(
        format!(
            "an unexpected {kind}: a device, a timer or another CPU of the old kernel still raises it, and PSTATE does not mask \
             it. An interrupt has no syndrome: esr and far are of an earlier exception"
        ),
        "the handoff masks all of them (DAIF); they must stay masked until the new kernel has set its vectors and the interrupt \
         controller",
    )
}

fn other(input: &Arm64RuleInput<'_>) -> Answer {
    let class = input.class()?;
    answer(
        format!("class {class:#x} is none that code at this level raises as a rule"),
        "a newer extension than this mbtool knows, code of 32 bits, or a damaged dump: see the manual for the class",
    )
}
