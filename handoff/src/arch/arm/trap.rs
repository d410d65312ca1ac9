//! Makes a dump from a saved frame.

// UNSAFETY: reads frames and the interrupted code's memory by address.
#![expect(unsafe_code)]

use super::abi::{Arm32Area, Arm32Frame};
use super::dump::{Arm32Record, write};
use super::end::end;
use super::registers::{CPSR_MODE, MODE_HYP, SCTLR_M, VECTOR_PREFETCH_ABORT, is_breakpoint};
use crate::abi::DT_DRILL_CALL;
use crate::addr::PAGE_SIZE;
use crate::console::UNMAPPED;
use crate::devices::console;
use crate::dump::{CODE_BYTES, STACK_WORDS};
use crate::print::Print;

/// Handles an exception. Returns for `bkpt`, with `pc` after it.
///
/// # Safety
///
/// `frame` is what `trap.S` saved; `area` is the blob's own.
pub unsafe fn handle(frame: *mut Arm32Frame, area: *mut Arm32Area) {
    // SAFETY: the caller's promise; the interrupted code does not hold values
    // derived from counters and console state across the exception.
    let (
        frame,
        area_at,
        Arm32Area {
            params, scratch, ..
        },
    ) = unsafe { (&mut *frame, area as usize as u64, &mut *area) };
    // an exception within a dump may be caused by a sink
    if scratch.trap_level > 1 {
        scratch.console_dead |= UNMAPPED;
    }
    if scratch.trap_level > 2 {
        scratch.console_dead = !0;
    }
    let mut out = console(params, &mut scratch.console_dead);
    if scratch.trap_level > 1 {
        out.str("\n[handoff] nested exception, vector ")
            .dec(frame.vector.into())
            .str(", pc ")
            .addr(frame.pc.into())
            .str("\n");
        end(params, scratch);
    }
    // the handoff itself, and the segments
    let va = u64::from(scratch.entry.va);
    let own = area_at + size_of::<Arm32Area>() as u64 - va;
    let regions = params.regions();
    let translated = frame.sctlr & SCTLR_M != 0;
    let readable = |addr: u64, len: u64| {
        let inside =
            |start: u64, size: u64| addr >= start && size >= len && addr - start <= size - len;
        // a device's memory must be accessed aligned
        (translated || addr.is_multiple_of(8))
            && (inside(va, own)
                || params.drill == DT_DRILL_CALL && inside(params.drill_addr & !0xfff, PAGE_SIZE)
                || regions
                    .iter()
                    .any(|region| inside(region.start, region.memsz)))
    };
    let mut code = [0; CODE_BYTES];
    let pc = u64::from(frame.pc);
    let count = if pc.is_multiple_of(4) && readable(pc & !7, 2 * CODE_BYTES as u64) {
        CODE_BYTES
    } else {
        0
    };
    for (n, byte) in code[..count].iter_mut().enumerate() {
        // SAFETY: mapped, as just checked.
        *byte = unsafe { ((frame.pc + n as u32) as usize as *const u8).read_volatile() };
    }
    let sp = frame.gpr[13];
    let mut stack = [0; STACK_WORDS];
    let words = if sp.is_multiple_of(8) && readable(sp.into(), 4 * STACK_WORDS as u64) {
        STACK_WORDS
    } else {
        0
    };
    for (n, word) in stack[..words].iter_mut().enumerate() {
        // SAFETY: as above, and aligned.
        let value = unsafe { ((sp + 4 * n as u32) as usize as *const u32).read_volatile() };
        *word = value.into();
    }
    out.str("\n");
    let record = Arm32Record {
        frame,
        mpidr: scratch.entry.mpidr,
        phase: scratch.phase,
        code: &code[..count],
        stack: &stack[..words],
    };
    write(&mut out, &record);
    out.drain();
    let hyp = frame.cpsr & CPSR_MODE == MODE_HYP;
    if frame.vector != VECTOR_PREFETCH_ABORT || !is_breakpoint(hyp, frame.syndrome) {
        end(params, scratch);
    }
    frame.pc += 4;
    out.str("[handoff] resumed after bkpt\n");
}
