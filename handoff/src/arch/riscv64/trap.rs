//! Makes a dump from a saved frame.

// UNSAFETY: reads frames and the interrupted code's memory by address.
#![expect(unsafe_code)]

use super::abi::{RiscvArea, RiscvFrame};
use super::console::console;
use super::dump::{RiscvRecord, write};
use super::end::end;
use super::registers::CAUSE_BREAKPOINT;
use crate::abi::{DT_DRILL_CALL, PHASE_ENTRY};
use crate::addr::PAGE_SIZE;
use crate::console::UNMAPPED;
use crate::dump::{CODE_BYTES, STACK_WORDS};
use crate::print::Print;

/// Handles a trap. Returns for `ebreak`, with `sepc` after it.
///
/// # Safety
///
/// `frame` is what `trap.S` saved; `area` is the blob's own.
pub unsafe fn handle(frame: *mut RiscvFrame, area: *mut RiscvArea) {
    // SAFETY: the caller's promise; the interrupted code does not hold values
    // derived from counters and console state across the trap.
    let (
        frame,
        area_at,
        RiscvArea {
            params, scratch, ..
        },
    ) = unsafe { (&mut *frame, area as u64, &mut *area) };
    // before the handoff's tables are loaded, memory sinks may not be mapped;
    // a trap within a dump may be caused by a sink
    if scratch.phase == PHASE_ENTRY && frame.satp != 0 || scratch.trap_level > 1 {
        scratch.console_dead |= UNMAPPED;
    }
    if scratch.trap_level > 2 {
        scratch.console_dead = !0;
    }
    let mut out = console(params, &mut scratch.console_dead);
    if scratch.trap_level > 1 {
        out.str("\n[handoff] nested exception, cause ")
            .addr(frame.scause)
            .str(", sepc ")
            .addr(frame.sepc)
            .str("\n");
        end(params, &mut scratch.console_dead);
    }
    // the handoff itself, and in its later phases the segments
    let own = area_at + size_of::<RiscvArea>() as u64 - scratch.entry.va;
    let regions = params.regions();
    let readable = |addr: u64, len: u64| {
        let inside =
            |start: u64, size: u64| addr >= start && size >= len && addr - start <= size - len;
        inside(params.base, own)
            || params.drill == DT_DRILL_CALL && inside(params.drill_addr & !0xfff, PAGE_SIZE)
            || inside(scratch.entry.va, own) && scratch.phase == PHASE_ENTRY
            || scratch.phase != PHASE_ENTRY
                && regions
                    .iter()
                    .any(|region| inside(region.start, region.memsz))
    };
    let mut code = [0; CODE_BYTES];
    let count = if readable(frame.sepc, CODE_BYTES as u64) {
        CODE_BYTES
    } else {
        0
    };
    for (n, byte) in code[..count].iter_mut().enumerate() {
        // SAFETY: mapped, as just checked.
        *byte = unsafe { ((frame.sepc + n as u64) as *const u8).read_volatile() };
    }
    let sp = frame.gpr[2];
    let mut stack = [0; STACK_WORDS];
    let words = if readable(sp, 8 * STACK_WORDS as u64) {
        STACK_WORDS
    } else {
        0
    };
    for (n, word) in stack[..words].iter_mut().enumerate() {
        // SAFETY: as above.
        *word = unsafe { ((sp + 8 * n as u64) as *const u64).read_unaligned() };
    }
    out.str("\n");
    let record = RiscvRecord {
        frame,
        hart: scratch.entry.gpr[10],
        phase: scratch.phase,
        code: &code[..count],
        stack: &stack[..words],
    };
    write(&mut out, &record);
    out.drain();
    if frame.scause != CAUSE_BREAKPOINT {
        end(params, &mut scratch.console_dead);
    }
    // SAFETY: the instruction was just executed, and all that is executable is readable.
    let instruction = unsafe { (frame.sepc as *const u16).read_volatile() };
    // 16 bits, unless both low bits are set
    frame.sepc += if instruction & 3 == 3 { 4 } else { 2 };
    out.str("[handoff] resumed after ebreak\n");
}
