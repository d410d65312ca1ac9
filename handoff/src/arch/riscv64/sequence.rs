//! The sequence of the handoff, from its first line of output to the last.
//!
//! State at [`run`]: supervisor mode, interrupts off, `stvec` and stack are the
//! handoff's, floating point registers usable; address translation is off, or
//! maps the handoff one to one.
//!
//! Duties: 1. verify the blob itself; 2. switch to the handoff's page tables; 3. start
//! the console; 4. print how the handoff was entered; 5. verify every loaded segment; 6. move
//! memory; 7. print the jump target. The caller (`entry.S`) then turns translation off.
//!
//! All waits are bounded.

// UNSAFETY: physical memory by address, privileged instructions.
#![expect(unsafe_code)]

use super::abi::{ENTRY_TABLES, RiscvArea, RiscvScratch};
use super::console::console;
use super::end::end;
use super::paging::mode_name;
use super::{cpu, entry, sbi};
use crate::abi::{
    self, DT_DRILL_BREAKPOINT, DT_DRILL_CALL, DT_DRILL_FAULT, DtHeader, DtParams, PageTable,
};
use crate::console::{UNMAPPED, panicked_in};
use crate::dt_steps::{self, PortableEngine};
use crate::print::Print;
use crate::{crc, devices};
use core::mem::offset_of;

/// Returns `satp` for tables that map the trampoline where the handoff runs and
/// one to one; 0 to leave translation as it is.
///
/// # Safety
///
/// `area` and `header` must be the blob's, mapped where it runs.
pub unsafe fn entered(area: *mut RiscvArea, header: *const DtHeader) -> u64 {
    // SAFETY: the caller's promise; nothing else uses the area.
    let (area, header) = unsafe { (&mut *area, &*header) };
    let (params, scratch) = (&area.params, &mut area.scratch);
    let va = header as *const DtHeader as u64;
    scratch.entry.va = va;
    if va == params.base {
        return 0;
    }
    let pool: &mut [PageTable; ENTRY_TABLES] = &mut scratch.entry_tables;
    let physical = |address: u64| address - va + params.base;
    let pool_at = physical(&raw const *pool as u64);
    let page = u64::from(header.pass1);
    entry::tables(
        scratch.entry.satp,
        pool,
        pool_at,
        va + page,
        params.base + page,
    )
    .unwrap_or(0)
}

/// Runs all steps between the old kernel and the jump.
///
/// # Safety
///
/// The state at entry given in the module documentation; `area` must be the
/// blob's, filled in for its address, with no other user; `header` must be the
/// blob's.
pub unsafe fn run(area: *mut RiscvArea, header: *const DtHeader) {
    let len = area as usize - header as usize + offset_of!(RiscvArea, scratch);
    // SAFETY: the blob's own, with no other user; `scratch` is not part of it.
    let sums = unsafe {
        crc::init(&mut (*area).scratch.crc);
        let params = &raw mut (*area).params;
        dt_steps::checksum(header.cast(), len, params, &(*area).scratch.crc)
    };
    // SAFETY: the caller gives the area to this call alone. The trap handler
    // uses the same memory, but only when it ends the handoff, or between two
    // instructions that do not depend on its changes.
    let RiscvArea {
        params, scratch, ..
    } = unsafe { &mut *area };
    let placed = header as u64 == params.base;
    let damaged = sums.0 != sums.1;
    // SAFETY: the tables of an intact blob map it, its console and all segments
    // one to one.
    let now = unsafe {
        if damaged || !placed {
            0
        } else {
            cpu::set_satp(params.root)
        }
    };
    scratch.phase = abi::PHASE_CONSOLE;
    if placed || scratch.entry.satp == 0 {
        // SAFETY: mapped by these tables, or translation is off.
        scratch.console_dead = unsafe { devices::start(&params.sinks) };
    } else {
        scratch.console_dead = UNMAPPED;
    }
    announce_entry(params, scratch, now);
    let mut out = console(params, &mut scratch.console_dead);

    scratch.phase = abi::PHASE_VERIFY;
    if dt_steps::refuse(&mut out, sums, header as u64, params) {
        end(params, &mut scratch.console_dead);
    }
    let engine = PortableEngine {
        kind: params.verify,
        tables: &scratch.crc,
    };
    // SAFETY: the host checked that every region is a loaded segment, and mapped it: RAM that
    // nothing writes any more.
    if !unsafe { dt_steps::segments(&mut out, params, engine) } {
        end(params, &mut scratch.console_dead);
    }

    scratch.phase = abi::PHASE_RELOCATE;
    // SAFETY: the host checked that sources, destinations, list pages and ranges to
    // clear are RAM apart from the blob, and mapped them.
    if !unsafe { dt_steps::relocate(&mut out, params, |_, _| {}) } {
        end(params, &mut scratch.console_dead);
    }
    cpu::fence_i();

    if params.drill == DT_DRILL_BREAKPOINT {
        out.str("[handoff] drill: ebreak\n");
        cpu::breakpoint();
    }
    if params.drill == DT_DRILL_FAULT {
        out.str("[handoff] drill: unimp\n");
        cpu::illegal();
    }
    if params.drill == DT_DRILL_CALL {
        // SAFETY: the address is that of test code, on a page that the host mapped
        // executable.
        unsafe { cpu::call(params.drill_addr) };
    }
    scratch.phase = abi::PHASE_EXIT;
    out.str("[handoff] jump to ")
        .hex(params.entry, 8)
        .str(" (translation off), hart ")
        .dec(scratch.entry.gpr[10])
        .str(", dtb ")
        .hex(params.dtb, 8)
        .str("\n");
    out.drain();
}

/// Prints who entered the handoff, and the state found.
fn announce_entry(params: &DtParams, scratch: &mut RiscvScratch, now: u64) {
    let entry = scratch.entry;
    let mut out = console(params, &mut scratch.console_dead);
    out.str("\n[handoff] mbtool ")
        .str(env!("CARGO_PKG_VERSION"))
        .str(" at ")
        .addr(params.base)
        .str(", entered at ")
        .addr(entry.va)
        .str(" in mode ")
        .bytes(mode_name(entry.satp))
        .str(" on hart ")
        .dec(entry.gpr[10]);
    let firmware = sbi::firmware();
    out.str(", sbi ")
        .dec(firmware.interface >> 24 & 0x7f)
        .str(".")
        .dec(firmware.interface & 0xff_ffff)
        .str(" implementation ")
        .dec(firmware.implementation)
        .str(" version ")
        .addr(firmware.version)
        .str("\n[handoff] entry satp ");
    out.addr(entry.satp)
        .str(" sstatus ")
        .addr(entry.sstatus)
        .str(" stvec ")
        .addr(entry.stvec)
        .str(" sie ")
        .addr(entry.sie);
    let names = crate::names::entries(super::dump::GENERAL);
    for (name, value) in names.zip(&entry.gpr[1..]) {
        if *value != 0 {
            out.str(" ").bytes(name).str(" ").addr(*value);
        }
    }
    out.str("\n");
    if now != params.root {
        out.str("[handoff] page tables: this CPU does not take satp ")
            .addr(params.root)
            .str(": translation stays off\n");
    }
}

/// A Rust panic in the blob: reported like a fault.
///
/// # Safety
///
/// `area` is the blob's own; never returns to the interrupted code.
pub unsafe fn panicked(area: *mut RiscvArea) -> ! {
    // SAFETY: the code that used the area before will not run again.
    let RiscvArea {
        params, scratch, ..
    } = unsafe { &mut *area };
    let mut out = console(params, &mut scratch.console_dead);
    panicked_in(&mut out, scratch.phase);
    end(params, &mut scratch.console_dead)
}
