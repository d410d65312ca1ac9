//! The sequence of the handoff, from its first line of output to the last.
//!
//! State at entry ([`run`]): long mode, CPL 0, interrupts off, the handoff's
//! GDT, IDT, TSS and stack loaded, SSE usable, still the old kernel's page
//! tables, which map at least the blob and all loaded segments one to one.
//!
//! Duties: 1. verify the blob itself; 2. switch to the handoff's page tables; 3. start the console;
//! 4. print the kernel that entered the handoff; 5. verify every loaded segment; 6. move memory and
//! make the low-memory fix-ups; 7. print the jump target. The caller (`exit.S`) then leaves long
//! mode.
//!
//! All waits are bounded.

// UNSAFETY: physical memory by address, privileged instructions.
#![expect(unsafe_code)]

use super::banner::{banner, from_xen};
use super::console::{self, console};
use super::end::end;
use super::registers::{APIC_BSP, MSR_APIC_BASE};
use super::{cpu, exit, fixups, relocate, selfcheck, state, table_root, verify, watchpoints};
use crate::abi::{self, Area, BlobHeader};
use crate::console::panicked_in;
use crate::print::Print;

/// Runs all steps between the old kernel and the switch to protected mode.
///
/// # Safety
///
/// The state at entry given in the module documentation; `area` must be the
/// blob's [`Area`], filled in for its address, with no other user; `header`
/// must be the blob's.
pub unsafe fn run(area: *mut Area, header: *const BlobHeader) {
    // SAFETY: the blob's own, with no other user.
    let sums = unsafe { selfcheck::check(header, area) };
    let damaged = sums.expected != sums.found;
    // SAFETY: CPL 0 in long mode, so EFER exists; the tables map the low 4 GiB,
    // in which the host placed the blob, one to one.
    let mapped = unsafe {
        // a damaged blob prints without its page tables, if it has a console behind I/O
        // ports
        let mapped = !damaged || console::only_in_memory(&(*area).params.sinks);
        if mapped {
            let changed = table_root::switch(&mut (*area).tables, &mut (*area).scratch);
            if changed && !damaged {
                selfcheck::renew(header, area);
            }
        }
        mapped
    };
    // SAFETY: the caller gives the area to this call alone. The trap handler
    // uses the same memory, but only when it ends the handoff, or between two
    // instructions that do not depend on its changes (counters, `dead`).
    let Area {
        params,
        tables,
        scratch,
    } = unsafe { &mut *area };
    scratch.trap32_top = (&raw const scratch.stack_trap32 as u64 + abi::STACK_SIZE as u64) as u32;

    scratch.phase = abi::PHASE_CONSOLE;
    // SAFETY: the handoff's tables are loaded if `mapped` is set, CPL 0.
    unsafe { console::start(params, scratch, mapped) };
    let mut out = console(params, &mut scratch.console_dead);
    // SAFETY: CPL 0; every CPU with long mode has a local APIC base register.
    let apic_base = unsafe { cpu::rdmsr(MSR_APIC_BASE) };
    let boot_cpu = apic_base & APIC_BSP != 0;
    banner(&mut out, params, &scratch.entry, boot_cpu);

    state::print(&mut out, &scratch.entry);

    scratch.phase = abi::PHASE_VERIFY;
    if damaged {
        out.str("[handoff] handoff itself is damaged: expected ")
            .hex(sums.expected.into(), 8)
            .str(", found ");
        out.hex(sums.found.into(), 8).str("\n");
        end(params, &mut scratch.console_dead);
    }
    if params.verify != abi::VERIFY_NONE {
        // SAFETY: the host checked that every region is a loaded segment, and mapped
        // it: RAM that nothing writes any more.
        let bad =
            unsafe { verify::segments(&mut out, params, &scratch.crc, from_xen(&scratch.entry)) };
        if bad > 0 {
            out.str("[handoff] ")
                .dec(bad.into())
                .str(" segment(s) damaged: not starting it\n");
            end(params, &mut scratch.console_dead);
        }
    }

    scratch.phase = abi::PHASE_RELOCATE;
    crate::relocate::announce(&mut out, &params.relocate);
    // SAFETY: the host checked that sources, destinations, list pages and ranges to
    // clear are RAM apart from the blob, and mapped them.
    if !unsafe { relocate::relocate(&params.relocate) } {
        out.str("[handoff] relocate: BAD page list\n");
        end(params, &mut scratch.console_dead);
    }

    scratch.phase = abi::PHASE_FIXUPS;
    // SAFETY: the planner chose destinations in low RAM or inside the boot
    // information, and sources in firmware tables below 4 GiB.
    unsafe { fixups::apply_all(&mut out, params, boot_cpu) };

    if params.drill == abi::DRILL_LONG {
        out.str("[handoff] drill: ud2 in long mode\n");
        cpu::undefined();
    }
    if params.drill == abi::DRILL_CALL {
        // SAFETY: the address is that of test code, on a page that the host mapped
        // executable.
        unsafe { cpu::call(params.drill_addr.into()) };
    }
    scratch.phase = abi::PHASE_EXIT;
    if scratch.nmi_count > 0 {
        out.str("[handoff] ")
            .dec(scratch.nmi_count.into())
            .str(" NMI(s) resumed\n");
    }
    if params.drill == abi::DRILL_PROTECTED {
        out.str("[handoff] drill: ud2 in protected mode\n");
    }
    exit::announce(&mut out, params);
    if params.guard != 0 {
        // SAFETY: CPL 0; no code uses the debug registers after the old kernel.
        unsafe { watchpoints::watch(&mut out, params.base, &raw const scratch.guard as u64) };
    }
    out.drain();
    if exit::stays_long(params) {
        exit::open(tables);
        // SAFETY: as for `table_root::switch`; the same tables, less strict.
        unsafe { table_root::load(tables) };
    }
}

/// Ends a call, after the target has returned: prints that, and exchanges memory back. The caller
/// (`return.S`) then restores the state at entry.
///
/// # Safety
///
/// As for [`run`]; our GDT, IDT, TSS, stack and page tables are loaded again.
pub unsafe fn returned(area: *mut Area) {
    // SAFETY: the target has returned, so only this call uses the area.
    let Area {
        params,
        tables,
        scratch,
    } = unsafe { &mut *area };
    exit::close(tables);
    scratch.phase = abi::PHASE_RETURN;
    if params.guard != 0 {
        // SAFETY: as for `watch`.
        unsafe { watchpoints::disarm() };
    }
    let mut out = console(params, &mut scratch.console_dead);
    out.str("[handoff] target returned, rax ")
        .addr(scratch.returned_rax);
    out.str("\n");
    // the list was walked before, so its end is known
    if params.relocate.swap != 0 {
        // SAFETY: the same moves as in `run`.
        let ended = unsafe { relocate::relocate(&params.relocate) };
        if !ended {
            out.str("[handoff] relocate: BAD page list\n");
            end(params, &mut scratch.console_dead);
        }
    }
    out.drain();
}

/// A Rust panic in the blob: reported like a fault.
///
/// # Safety
///
/// As for [`run`]; never returns to the interrupted code.
pub unsafe fn panicked(area: *mut Area) -> ! {
    // SAFETY: the code that used the area before will not run again.
    let Area {
        params, scratch, ..
    } = unsafe { &mut *area };
    let mut out = console(params, &mut scratch.console_dead);
    panicked_in(&mut out, scratch.phase);
    end(params, &mut scratch.console_dead)
}
