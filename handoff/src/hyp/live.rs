//! Calls of whatever has the vectors of hypervisor mode.
//!
//! One CPU at a time: registers are saved in one area.

// UNSAFETY: assembly.
#![expect(unsafe_code)]

#[cfg(target_arch = "arm")]
pub use super::arm::level;
#[cfg(target_arch = "arm")]
use super::arm::{area, clean, landing, vectors};
#[cfg(target_arch = "aarch64")]
pub use super::arm64::level;
#[cfg(target_arch = "aarch64")]
use super::arm64::{area, clean, landing, vectors};

use super::answer::{HypAnswer, HypException, HypReply, HypVerdict};
use super::calls::{HypCall, HypNumber, UNKNOWN_LARGE, UNKNOWN_SMALL};
use super::era::{HypArch, HypEra};

/// The architecture that this code runs on.
pub const ARCH: HypArch = if cfg!(target_arch = "arm") {
    HypArch::Arm32
} else {
    HypArch::Arm64
};

/// Offsets in the area: registers of the caller, the reply, what the target gets.
pub(super) const SAVED_AT: usize = 0;
pub(super) const REPLY_AT: usize = 0xa0;
pub(super) const TARGET_AT: usize = 0xe0;
/// Its size in bytes.
pub(super) const AREA_SIZE: usize = 0x100;

unsafe extern "C" {
    fn handoff_hyp_call(registers: &[usize; 5], reply: &mut [usize; 6]) -> usize;
    fn handoff_hyp_landing();
}

/// The level that code runs at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HypLevel {
    /// EL1, or SVC mode.
    Kernel,
    /// EL2, or HYP mode.
    Hyp,
}

/// A restart that did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HypRestartFailure {
    /// The call returned.
    Returned(HypAnswer),
    /// This code already runs in hypervisor mode, and not at its physical address.
    Translated,
}

/// What the occupant answered to numbers that no kernel uses.
#[derive(Clone, Copy, Debug)]
pub struct HypProbe {
    /// To [`UNKNOWN_SMALL`].
    pub small: HypReply,
    /// To [`UNKNOWN_LARGE`].
    pub large: HypReply,
    /// To 0 with a vector table; where both others were "not supported".
    pub zero: Option<HypReply>,
    /// What they show.
    pub verdict: HypVerdict,
}

/// Makes a call with registers 0 to 4. Exceptions at the caller's level are caught. All general
/// registers may be lost: those of the caller are kept in memory, with its stack pointer, vector base
/// and interrupt masks.
///
/// # Safety
///
/// Below hypervisor mode, and in SVC mode on arm; the call must not change memory of Rust.
#[must_use]
pub unsafe fn call(registers: [usize; 5]) -> HypReply {
    let mut reply = [0; 6];
    // SAFETY: the caller's promise; all registers are restored.
    let raised = unsafe { handoff_hyp_call(&registers, &mut reply) } != 0;
    let [r0, r1, r2, r3, syndrome, pc] = reply.map(|register| register as u64);
    HypReply {
        registers: [r0, r1, r2, r3],
        exception: raised.then_some(HypException { syndrome, pc }),
    }
}

/// Asks the occupant for calls that no kernel makes, and judges the answers. `offset` is the physical
/// address of this code less its address.
///
/// KVM between 4.12 and 5.9 calls an unknown number as a pointer: only for code that was started by
/// kexec, where the old kernel has removed KVM.
///
/// # Safety
///
/// As [`call`].
#[must_use]
pub unsafe fn probe(offset: usize) -> HypProbe {
    let ask = |number: u64, argument: usize| {
        let sent = number as usize;
        // SAFETY: the caller's promise.
        let reply = unsafe { call([sent, argument, 0, 0, 0]) };
        (HypAnswer::of(ARCH, number, &reply), reply)
    };
    let (small, small_reply) = ask(UNKNOWN_SMALL, 0);
    let (large, large_reply) = ask(UNKNOWN_LARGE, 0);
    let not_a_stub = small == HypAnswer::NotSupported && large == HypAnswer::NotSupported;
    let vectors = vectors().wrapping_add(offset);
    let zero = not_a_stub.then(|| ask(0, vectors));
    HypProbe {
        small: small_reply,
        large: large_reply,
        zero: zero.map(|(_, reply)| reply),
        verdict: HypVerdict::of(small, large, zero.map(|(answer, _)| answer)),
    }
}

/// Makes a call of the newest version without arguments.
///
/// # Safety
///
/// As [`call`]. [`HypCall::ResetVectors`] removes a hypervisor; its number is that of the restart in arm64's stubs of 4.7
/// to 4.11, which would enter address 0. [`HypCall::FinaliseEl2`] changes the level of the caller.
#[must_use]
pub unsafe fn simple(what: HypCall) -> (HypAnswer, HypReply) {
    let number = match what.number(ARCH, newest()) {
        Some(HypNumber::Number(number)) => number,
        _ => UNKNOWN_SMALL,
    };
    // SAFETY: the caller's promise.
    let reply = unsafe { call([number as usize, 0, 0, 0, 0]) };
    (HypAnswer::of(ARCH, number, &reply), reply)
}

/// Sets the vector base of hypervisor mode. Number and answer are 0: an occupant that ignores calls looks like success.
///
/// # Safety
///
/// As [`call`]; `vectors` is the physical address of a table that serves this CPU from then on.
#[must_use]
pub unsafe fn set_vectors(vectors: usize) -> HypAnswer {
    // SAFETY: the caller's promise.
    let reply = unsafe { call([0, vectors, 0, 0, 0]) };
    // the number is 0, as is the answer
    match HypAnswer::of(ARCH, 0, &reply) {
        HypAnswer::Unchanged => HypAnswer::Success,
        answer => answer,
    }
}

/// Enters `target`, a physical address, in hypervisor mode with registers 0 to 2 from `arguments`,
/// translation and caches off, exceptions masked; returns if that fails. The target's registers are
/// read from memory: no register needs to survive the call. `offset` is the physical address of this
/// code less its address.
///
/// # Safety
///
/// As [`call`]; the target's code and data must be cleaned to the point of coherency. arm64's stubs of 4.7 to 4.11 take the
/// number for another call: they return, with the vectors of EL2 at the trampoline's start.
#[must_use]
pub unsafe fn soft_restart(
    target: usize,
    arguments: [usize; 3],
    offset: usize,
) -> HypRestartFailure {
    if level() == HypLevel::Hyp && offset != 0 {
        return HypRestartFailure::Translated;
    }
    let area = area() as *mut u8;
    let [a0, a1, a2] = arguments;
    // SAFETY: the area has this part; nothing else refers to it.
    unsafe {
        area.byte_add(TARGET_AT)
            .cast::<[usize; 4]>()
            .write_volatile([target, a0, a1, a2]);
    }
    clean(area as usize, area as usize + AREA_SIZE);
    let (landing, landing_end) = landing();
    clean(landing, landing_end);
    if level() == HypLevel::Hyp {
        // SAFETY: leaves for the target.
        unsafe { handoff_hyp_landing() };
    }
    // SAFETY: the caller's promise.
    let reply = unsafe { call([1, landing.wrapping_add(offset), a0, a1, a2]) };
    HypRestartFailure::Returned(HypAnswer::of(ARCH, 1, &reply))
}

fn newest() -> HypEra {
    let eras = ARCH.eras();
    match ARCH {
        // the numbers are those of 4.12, of which 5.7 has fewer
        HypArch::Arm32 => HypEra::V4_12,
        HypArch::Arm64 => eras[eras.len() - 1],
    }
}
