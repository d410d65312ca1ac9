//! Prints a record once, with the memory that it points to.

// UNSAFETY: reads the interrupted code's memory by address.
#![expect(unsafe_code)]

use super::console::console;
use super::{cpu, end, machine_check};
use crate::abi::{self, Area, Scratch};
use crate::addr::FOUR_GIB;
use crate::console::UNMAPPED;
use crate::dump::{self, CODE_BYTES, FRAME_LOST, Mode, PREFIX, Record, STACK_WORDS};
use crate::print::Print;

/// #MC.
const MACHINE_CHECK: u8 = 18;

/// Must be called before anything that may fault.
pub fn begin(scratch: &mut Scratch) {
    scratch.dumping += 1;
    if scratch.trap32_level > 1 {
        scratch.dumping = scratch.dumping.max(2); // trap.S itself faulted
    }
}

/// Prints the record with code and stack. A fault within a dump does not
/// return: the first prints one line, a further one nothing.
///
/// `lost`: the CPU's frame did not reach memory, so rip, rflags, cs and the
/// error code of the record are unknown.
///
/// # Safety
///
/// Only the trap handler runs, after [`begin`]; `area` is the blob's own.
pub unsafe fn report(record: &Record<'_>, area: *mut Area, lost: bool) {
    let area_end = area as u64 + size_of::<Area>() as u64;
    // SAFETY: the caller's promise.
    let Area {
        params, scratch, ..
    } = unsafe { &mut *area };
    // before the handoff's page tables are loaded, a sink in memory is not
    // mapped, and a fault within a dump may be caused by a sink
    if scratch.phase == abi::PHASE_ENTRY || scratch.dumping > 1 {
        scratch.console_dead |= UNMAPPED;
    }
    if scratch.dumping > 2 {
        scratch.console_dead = !0;
    }
    let mut out = console(params, &mut scratch.console_dead);
    if scratch.dumping > 1 {
        out.str("\n[handoff] nested exception, vector ")
            .dec(record.vector.into());
        out.str(", rip ").addr(record.rip).str("\n");
        end::end(params, &mut scratch.console_dead);
    }
    // before the handoff's page tables are loaded, only the blob is certain to
    // be mapped
    let mapped = |addr: u64, len: u64| match addr.checked_add(len) {
        Some(end) if scratch.phase == abi::PHASE_ENTRY => addr >= params.base && end <= area_end,
        Some(end) => end <= FOUR_GIB,
        None => false,
    };
    let mut code = [0; CODE_BYTES];
    let readable = if !lost && mapped(record.rip, CODE_BYTES as u64) {
        CODE_BYTES
    } else {
        0
    };
    let code = &mut code[..readable];
    for (n, byte) in code.iter_mut().enumerate() {
        // SAFETY: mapped, as just checked.
        *byte = unsafe { ((record.rip + n as u64) as *const u8).read_volatile() };
    }
    let rsp = record.gpr[4];
    let word = u64::from(record.mode.digits() / 2);
    let mut stack = [0; STACK_WORDS];
    let readable = if mapped(rsp, STACK_WORDS as u64 * word) {
        STACK_WORDS
    } else {
        0
    };
    let stack = &mut stack[..readable];
    for (n, value) in stack.iter_mut().enumerate() {
        let addr = rsp + n as u64 * word;
        // SAFETY: mapped, as just checked.
        *value = unsafe {
            if record.mode == Mode::Long {
                (addr as *const u64).read_unaligned()
            } else {
                (addr as *const u32).read_unaligned().into()
            }
        };
    }
    out.str("\n");
    let record = Record {
        code,
        stack,
        ..*record
    };
    dump::write_with(&mut out, &record, |out| {
        if lost {
            out.str(PREFIX)
                .str(FRAME_LOST)
                .str(": esp was not in memory, so rip is not known\n");
        }
        if scratch.nmi_count > 0 {
            out.str("[handoff] nmi ")
                .dec(scratch.nmi_count.into())
                .str(" resumed\n");
        }
        if record.vector == MACHINE_CHECK && cpu::has_machine_check_banks() {
            // SAFETY: CPL 0, and CPUID reports the registers.
            machine_check::write(out, |msr| unsafe { cpu::rdmsr(msr) });
        }
    });
    out.drain();
}
