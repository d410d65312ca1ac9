//! The sequence of the handoff, from its first line of output to the last.
//!
//! State at [`run`]: EL1 or EL2, exceptions masked, vectors and stack are the
//! handoff's, floating point registers usable, PAN off; translation and data cache are off, and
//! no cache has a line of the blob. The code is compiled for aligned accesses only: memory is a
//! device then.
//!
//! Duties: 1. verify the blob itself; 2. turn translation and caches on; 3. start
//! the console; 4. print how the handoff was entered; 5. verify every loaded segment; 6. move
//! memory; 7. print the jump target. The caller (`entry.S`) then turns both off.
//!
//! All waits are bounded.

// UNSAFETY: physical memory by address, privileged instructions.
#![expect(unsafe_code)]

use super::abi::{ARM64_EXIT_XEN, Arm64Area, Arm64Scratch};
use super::digest::Arm64Engine;
use super::end::end;
use super::registers::{HCR_E2H, HCR_RW, Regime, SCTLR_M};
use super::{cache, cpu};
use crate::abi::{
    self, DT_DRILL_BREAKPOINT, DT_DRILL_CALL, DT_DRILL_FAULT, DtHeader, DtParams, PSCI_HVC,
    PSCI_SMC,
};
use crate::console::panicked_in;
use crate::crc;
use crate::devices::{self, console};
use crate::dt_steps::{self, PortableEngine};
use crate::print::Print;
use core::mem::offset_of;

/// Runs all steps between the old kernel and the jump.
///
/// # Safety
///
/// The state at entry given in the module documentation; `area` must be the
/// blob's, filled in for its address, with no other user; `header` must be the
/// blob's.
pub unsafe fn run(area: *mut Arm64Area, header: *const DtHeader) {
    let len = area as usize - header as usize + offset_of!(Arm64Area, scratch);
    // SAFETY: the blob's own, with no other user; `scratch` is not part of it.
    let sums = unsafe {
        crc::init(&mut (*area).scratch.crc);
        let params = &raw mut (*area).params;
        dt_steps::checksum(header.cast(), len, params, &(*area).scratch.crc)
    };
    // SAFETY: the caller gives the area to this call alone. The exception handler
    // uses the same memory, but only when it ends the handoff, or between two
    // instructions that do not depend on its changes.
    let Arm64Area {
        params, scratch, ..
    } = unsafe { &mut *area };
    let intact = sums.0 == sums.1 && header as u64 == params.base;
    let regime = Regime::of(scratch.entry.current_el, scratch.entry.hcr);
    // SAFETY: the tables of an intact blob map it, its console and all segments one to one; the
    // caller's promise about the caches.
    let mapped = intact && unsafe { cpu::translation_on(regime, params.root) };
    scratch.phase = abi::PHASE_CONSOLE;
    // SAFETY: mapped by these tables, or translation is off.
    scratch.console_dead = unsafe { devices::start(&params.sinks) };
    announce_entry(params, scratch, regime);
    let mut out = console(params, &mut scratch.console_dead);
    if intact && !mapped {
        out.str("[handoff] page tables: this CPU has no 4 KiB granule: caches stay off\n");
    }

    scratch.phase = abi::PHASE_VERIFY;
    if dt_steps::refuse(&mut out, sums, header as u64, params) {
        end(params, scratch);
    }
    if params.exit == ARM64_EXIT_XEN && regime == Regime::El1 {
        out.str("[handoff] Xen needs EL2, and this CPU is at EL1: not starting it\n");
        end(params, scratch);
    }
    let engine = Arm64Engine::new(PortableEngine {
        kind: params.verify,
        tables: &scratch.crc,
    });
    // SAFETY: the host checked that every region is a loaded segment, and mapped it: RAM that
    // nothing writes any more.
    if !unsafe { dt_steps::segments(&mut out, params, engine) } {
        end(params, scratch);
    }

    scratch.phase = abi::PHASE_RELOCATE;
    // SAFETY: the host checked that sources, destinations, list pages and ranges to
    // clear are RAM apart from the blob, and mapped them.
    if !unsafe { dt_steps::relocate(&mut out, params, cache::clean) } {
        end(params, scratch);
    }
    // what was verified is what a target without caches reads, whatever the old kernel left in them
    for region in params.regions() {
        cache::clean(region.start, region.memsz);
    }
    cache::sync_code();

    if params.drill == DT_DRILL_BREAKPOINT {
        out.str("[handoff] drill: brk\n");
        cpu::breakpoint();
    }
    if params.drill == DT_DRILL_FAULT {
        out.str("[handoff] drill: udf\n");
        cpu::undefined();
    }
    if params.drill == DT_DRILL_CALL {
        // SAFETY: the address is that of test code, on a page that the host mapped
        // executable.
        unsafe { cpu::call(params.drill_addr) };
    }
    scratch.phase = abi::PHASE_EXIT;
    out.str("[handoff] jump to ")
        .hex(params.entry, 8)
        .str(match params.exit {
            ARM64_EXIT_XEN => " (xen, translation off), ",
            _ => " (linux, translation off), ",
        })
        .bytes(regime.name())
        .str(", dtb ")
        .hex(params.dtb, 8)
        .str("\n");
    out.drain();
}

/// Prints who entered the handoff, and the state found.
fn announce_entry(params: &DtParams, scratch: &mut Arm64Scratch, regime: Regime) {
    let entry = scratch.entry;
    let mut out = console(params, &mut scratch.console_dead);
    out.str("\n[handoff] mbtool ")
        .str(env!("CARGO_PKG_VERSION"))
        .str(" at ")
        .addr(params.base)
        .str(", entered at ")
        .addr(entry.va)
        .str(" in ")
        .bytes(regime.name())
        .str(if entry.sctlr & SCTLR_M == 0 {
            " with translation off"
        } else {
            " with translation on"
        })
        .str(" on cpu ")
        .addr(entry.mpidr)
        .str(match params.psci {
            PSCI_SMC => ", psci by smc",
            PSCI_HVC => ", psci by hvc",
            _ => ", no psci",
        })
        .str("\n[handoff] entry sctlr ")
        .addr(entry.sctlr)
        .str(" hcr ")
        .addr(entry.hcr)
        .str(" vbar ")
        .addr(entry.vbar);
    let names = crate::names::entries(super::dump::GENERAL);
    for (name, value) in names.zip(&entry.gpr) {
        if *value != 0 {
            out.str(" ").bytes(name).str(" ").addr(*value);
        }
    }
    out.str("\n");
}

/// Prepares the exit to Xen, after translation was turned off: clears `HCR_EL2.E2H`. Ends the handoff
/// if the CPU does not have EL2 without it.
///
/// # Safety
///
/// Translation and caches are off; `area` is the blob's own.
pub unsafe fn leave(area: *mut Arm64Area) {
    // SAFETY: the caller's promise; the sequence has ended.
    let Arm64Area {
        params, scratch, ..
    } = unsafe { &mut *area };
    if params.exit != ARM64_EXIT_XEN {
        return;
    }
    // SAFETY: the sequence checked that this is EL2; translation is off.
    let hcr = unsafe { cpu::plain_el2(HCR_RW) };
    if hcr & HCR_E2H != 0 {
        let mut out = console(params, &mut scratch.console_dead);
        out.str("[handoff] Xen needs EL2 without E2H, and hcr is ")
            .addr(hcr)
            .str(" on this CPU: not starting it\n");
        end(params, scratch);
    }
}

/// A Rust panic in the blob: reported like a fault.
///
/// # Safety
///
/// `area` is the blob's own; never returns to the interrupted code.
pub unsafe fn panicked(area: *mut Arm64Area) -> ! {
    // SAFETY: the code that used the area before will not run again.
    let Arm64Area {
        params, scratch, ..
    } = unsafe { &mut *area };
    let mut out = console(params, &mut scratch.console_dead);
    panicked_in(&mut out, scratch.phase);
    end(params, scratch)
}
