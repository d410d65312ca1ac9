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

use super::abi::{
    DRILL_BREAKPOINT, DRILL_CALL, DRILL_FAULT, ENTRY_TABLES, RiscvArea, RiscvHeader, RiscvParams,
    RiscvScratch,
};
use super::console::{self, console};
use super::end::end;
use super::paging::mode_name;
use super::{cpu, entry, moves, sbi};
use crate::abi::{self, PageTable};
use crate::console::{UNMAPPED, panicked_in};
use crate::crc::{self, CrcTables};
use crate::print::Print;
use crate::relocate;
use crate::sha256;
use crate::verify::{self, DigestEngine, crc_digest};
use core::mem::offset_of;

/// Digests of this CPU: portable code.
#[derive(Clone, Copy)]
struct PortableEngine<'a> {
    kind: u32,
    tables: &'a CrcTables,
}

impl DigestEngine for PortableEngine<'_> {
    fn kind(&self) -> u32 {
        self.kind
    }

    fn name(&self) -> &'static [u8] {
        if self.kind == abi::VERIFY_SHA256 {
            b"sha256 (portable)"
        } else {
            b"crc32 (portable)"
        }
    }

    fn digest(&self, bytes: &[u8]) -> [u8; abi::DIGEST_LEN] {
        if self.kind == abi::VERIFY_SHA256 {
            return sha256::sha256(bytes, sha256::compress);
        }
        crc_digest(crc::crc32(self.tables, bytes))
    }
}

/// Returns `satp` for tables that map the trampoline where the handoff runs and
/// one to one; 0 to leave translation as it is.
///
/// # Safety
///
/// `area` and `header` must be the blob's, mapped where it runs.
pub unsafe fn entered(area: *mut RiscvArea, header: *const RiscvHeader) -> u64 {
    // SAFETY: the caller's promise; nothing else uses the area.
    let (area, header) = unsafe { (&mut *area, &*header) };
    let (params, scratch) = (&area.params, &mut area.scratch);
    let va = header as *const RiscvHeader as u64;
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
pub unsafe fn run(area: *mut RiscvArea, header: *const RiscvHeader) {
    // SAFETY: the blob's own, with no other user.
    let (expected, found) = unsafe { checksum(area, header) };
    // SAFETY: the caller gives the area to this call alone. The trap handler
    // uses the same memory, but only when it ends the handoff, or between two
    // instructions that do not depend on its changes.
    let RiscvArea {
        params, scratch, ..
    } = unsafe { &mut *area };
    let placed = header as u64 == params.base;
    let damaged = expected != found;
    // SAFETY: the tables of an intact blob map it, its console and all segments
    // one to one.
    let now = unsafe {
        if damaged || !placed {
            0
        } else {
            cpu::set_satp(params.satp)
        }
    };
    scratch.phase = abi::PHASE_CONSOLE;
    if placed || scratch.entry.satp == 0 {
        // SAFETY: mapped by these tables, or translation is off.
        unsafe { console::start(params, scratch) };
    } else {
        scratch.console_dead = UNMAPPED;
    }
    announce_entry(params, scratch, now);
    let mut out = console(params, &mut scratch.console_dead);

    scratch.phase = abi::PHASE_VERIFY;
    if damaged {
        out.str("[handoff] handoff itself is damaged: expected ")
            .hex(expected.into(), 8)
            .str(", found ");
        out.hex(found.into(), 8).str("\n");
    }
    if !placed {
        out.str("[handoff] runs at ")
            .addr(header as u64)
            .str(", but was made for ")
            .addr(params.base)
            .str("\n");
    }
    if damaged || !placed {
        end(params, &mut scratch.console_dead);
    }
    if params.verify != abi::VERIFY_NONE {
        let engine = PortableEngine {
            kind: params.verify,
            tables: &scratch.crc,
        };
        // SAFETY: the host checked that every region is a loaded segment, and mapped
        // it: RAM that nothing writes any more.
        let bad = unsafe { verify::segments(&mut out, params.regions(), engine, |_, _| {}) };
        if bad > 0 {
            out.str("[handoff] ")
                .dec(bad.into())
                .str(" segment(s) damaged: not starting it\n");
            end(params, &mut scratch.console_dead);
        }
    }

    scratch.phase = abi::PHASE_RELOCATE;
    relocate::announce(&mut out, &params.relocate);
    // SAFETY: the host checked that sources, destinations, list pages and ranges to
    // clear are RAM apart from the blob, and mapped them.
    if !unsafe { moves::relocate(&params.relocate) } {
        out.str("[handoff] relocate: BAD page list\n");
        end(params, &mut scratch.console_dead);
    }
    cpu::fence_i();

    if params.drill == DRILL_BREAKPOINT {
        out.str("[handoff] drill: ebreak\n");
        cpu::breakpoint();
    }
    if params.drill == DRILL_FAULT {
        out.str("[handoff] drill: unimp\n");
        cpu::illegal();
    }
    if params.drill == DRILL_CALL {
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
fn announce_entry(params: &RiscvParams, scratch: &mut RiscvScratch, now: u64) {
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
    if now != params.satp {
        out.str("[handoff] page tables: this CPU does not take satp ")
            .addr(params.satp)
            .str(": translation stays off\n");
    }
}

/// Returns the expected and the computed checksum of the blob; fills in
/// `RiscvScratch::crc`.
///
/// # Safety
///
/// As for [`run`].
unsafe fn checksum(area: *mut RiscvArea, header: *const RiscvHeader) -> (u32, u32) {
    let len = area as usize - header as usize + offset_of!(RiscvArea, scratch);
    // SAFETY: the caller's promise; the slice ends before `scratch`, and
    // `checksum` is not written while it is used.
    unsafe {
        crc::init(&mut (*area).scratch.crc);
        let expected = (*area).params.checksum;
        (*area).params.checksum = 0;
        let bytes = core::slice::from_raw_parts(header.cast::<u8>(), len);
        let found = crc::crc32(&(*area).scratch.crc, bytes);
        (*area).params.checksum = expected;
        (expected, found)
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
