//! Makes a dump from a saved frame.

// UNSAFETY: reads frames and the interrupted code's memory by address.
#![expect(unsafe_code)]

use super::abi::{Arm64Area, Arm64Frame};
use super::dump::{Arm64Record, write};
use super::end::end;
use super::registers::SCTLR_M;
use super::syndrome::{CLASS_BRK, class};
use crate::abi::DT_DRILL_CALL;
use crate::addr::PAGE_SIZE;
use crate::console::UNMAPPED;
use crate::devices::console;
use crate::dump::{CODE_BYTES, STACK_WORDS};
use crate::print::Print;

/// Handles an exception. Returns for `brk`, with `ELR` after it.
///
/// # Safety
///
/// `frame` is what `trap.S` saved; `area` is the blob's own.
pub unsafe fn handle(frame: *mut Arm64Frame, area: *mut Arm64Area) {
    // SAFETY: the caller's promise; the interrupted code does not hold values
    // derived from counters and console state across the exception.
    let (
        frame,
        area_at,
        Arm64Area {
            params, scratch, ..
        },
    ) = unsafe { (&mut *frame, area as u64, &mut *area) };
    // an exception within a dump may be caused by a sink
    if scratch.trap_level > 1 {
        scratch.console_dead |= UNMAPPED;
    }
    if scratch.trap_level > 2 {
        scratch.console_dead = !0;
    }
    let mut out = console(params, &mut scratch.console_dead);
    if scratch.trap_level > 1 {
        out.str("\n[handoff] nested exception, esr ")
            .addr(frame.esr)
            .str(", elr ")
            .addr(frame.elr)
            .str("\n");
        end(params, scratch);
    }
    // the handoff itself, and the segments
    let own = area_at + size_of::<Arm64Area>() as u64 - scratch.entry.va;
    let regions = params.regions();
    let translated = frame.sctlr & SCTLR_M != 0;
    let readable = |addr: u64, len: u64| {
        let inside =
            |start: u64, size: u64| addr >= start && size >= len && addr - start <= size - len;
        // a device's memory must be accessed aligned
        (translated || addr.is_multiple_of(8))
            && (inside(scratch.entry.va, own)
                || params.drill == DT_DRILL_CALL && inside(params.drill_addr & !0xfff, PAGE_SIZE)
                || regions
                    .iter()
                    .any(|region| inside(region.start, region.memsz)))
    };
    let mut code = [0; CODE_BYTES];
    let count = if frame.elr.is_multiple_of(4) && readable(frame.elr & !7, 2 * CODE_BYTES as u64) {
        CODE_BYTES
    } else {
        0
    };
    for (n, byte) in code[..count].iter_mut().enumerate() {
        // SAFETY: mapped, as just checked.
        *byte = unsafe { ((frame.elr + n as u64) as *const u8).read_volatile() };
    }
    let sp = frame.gpr[31];
    let mut stack = [0; STACK_WORDS];
    let words = if sp.is_multiple_of(8) && readable(sp, 8 * STACK_WORDS as u64) {
        STACK_WORDS
    } else {
        0
    };
    for (n, word) in stack[..words].iter_mut().enumerate() {
        // SAFETY: as above, and aligned.
        *word = unsafe { ((sp + 8 * n as u64) as *const u64).read_volatile() };
    }
    out.str("\n");
    let record = Arm64Record {
        frame,
        mpidr: scratch.entry.mpidr,
        phase: scratch.phase,
        code: &code[..count],
        stack: &stack[..words],
    };
    write(&mut out, &record);
    out.drain();
    // only a synchronous exception has a syndrome of its own
    if frame.vector & 3 != 0 || class(frame.esr) != CLASS_BRK {
        end(params, scratch);
    }
    frame.elr += 4;
    out.str("[handoff] resumed after brk\n");
}
