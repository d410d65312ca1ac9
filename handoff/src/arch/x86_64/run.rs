//! The handoff itself, from the first line of text to the last.
//!
//! State at entry ([`run`]): long mode, CPL 0, interrupts off, our GDT, IDT,
//! TSS and stack loaded, SSE usable, still the old kernel's page tables, which
//! map at least the blob and all loaded segments one to one.
//!
//! Duties: 1. verify the blob itself; 2. switch to our own page tables; 3. start
//! the console; 4. say who entered us; 5. verify every loaded segment; 6. make
//! the low-memory fix-ups; 7. say where we jump. The caller (`exit.S`) then leaves long mode.
//!
//! Nothing here waits without a bound.

// UNSAFETY: physical memory by address, privileged instructions.
#![expect(unsafe_code)]

use super::console::{self, console};
use super::end::end;
use super::{cpu, exit, guard, paging, relocate, selfcheck, state, verify};
use crate::abi::{self, Area, EntryState, FixupRaw, Header, Params, Scratch};
use crate::text::Text;

/// Xen's code selector (xen/arch/x86/include/asm/config.h, `__HYPERVISOR_CS`).
const XEN_CS: u16 = 0xe008;

/// Everything between the old kernel and the drop to protected mode.
///
/// # Safety
///
/// The state at entry given in the module's head; `area` must be the blob's
/// [`Area`], filled in for its address, and nobody else may use it; `header`
/// must be the blob's.
pub unsafe fn run(area: *mut Area, header: *const Header) {
    // SAFETY: the blob's own, in use by nobody.
    let sums = unsafe { selfcheck::check(header, area) };
    let damaged = sums.expected != sums.found;
    // SAFETY: CPL 0 in long mode, so EFER exists; the tables map the low 4 GiB,
    // in which the host placed the blob, one to one.
    let mapped = unsafe {
        // a damaged blob speaks without its tables, if its console can
        let mapped = !damaged || console::only_in_memory(&(*area).params.sinks);
        if mapped {
            let changed = switch_tables(&mut (*area).tables, &mut (*area).scratch);
            if changed && !damaged {
                selfcheck::renew(header, area);
            }
        }
        mapped
    };
    // SAFETY: the caller gives the area to this call alone. The trap handler
    // uses the same memory, but only when it ends the handoff or between two
    // instructions that do not depend on what it changes (counters, `dead`).
    let Area {
        params,
        tables,
        scratch,
    } = unsafe { &mut *area };
    scratch.trap32_top = (&raw const scratch.stack_trap32 as u64 + abi::STACK_SIZE as u64) as u32;

    scratch.phase = abi::PHASE_CONSOLE;
    // SAFETY: our tables are loaded where `mapped` says so, CPL 0.
    unsafe { console::start(params, scratch, mapped) };
    let mut out = console(params, &mut scratch.console_dead);
    // SAFETY: CPL 0; every CPU with long mode has a local APIC base register.
    let apic_base = unsafe { cpu::rdmsr(cpu::MSR_APIC_BASE) };
    let boot_cpu = apic_base & cpu::APIC_BSP != 0;
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
        // it: RAM that nobody else writes any more.
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
    relocate::announce(&mut out, &params.relocate);
    // SAFETY: the host checked that sources, destinations, list pages and ranges to
    // clear are RAM apart from the blob, and mapped them.
    if !unsafe { relocate::relocate(&params.relocate) } {
        out.str("[handoff] relocate: BAD page list\n");
        end(params, &mut scratch.console_dead);
    }

    scratch.phase = abi::PHASE_FIXUPS;
    let not_here = if boot_cpu {
        abi::FIXUP_IF_OTHER_CPU
    } else {
        abi::FIXUP_IF_BOOT_CPU
    };
    for fixup in &params.fixups[..abi::MAX_FIXUPS.min(params.fixup_count as usize)] {
        if fixup.kind & not_here != 0 {
            continue;
        }
        // SAFETY: the planner chose destinations in low RAM or inside the boot
        // information, and sources in firmware tables below 4 GiB.
        unsafe { apply(&mut out, fixup) };
    }

    if params.drill == abi::DRILL_LONG {
        out.str("[handoff] drill: ud2 in long mode\n");
        cpu::undefined();
    }
    if params.drill == abi::DRILL_CALL {
        // SAFETY: the host named code of ours, on a page that it mapped executable.
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
        // SAFETY: CPL 0; after the old kernel nobody uses the debug registers.
        unsafe { guard::watch(&mut out, params.base, &raw const scratch.guard as u64) };
    }
    out.drain();
    if exit::stays_long(params) {
        exit::open(tables);
        // SAFETY: as for `switch_tables`; the same tables, less strict.
        unsafe { load_own(tables) };
    }
}

/// What is left to do when a target returned: exchanged memory goes back, and
/// it is said. The caller (`return.S`) then restores the state at entry.
///
/// # Safety
///
/// As for [`run`]; our GDT, IDT, TSS, stack and page tables are loaded again.
pub unsafe fn returned(area: *mut Area) {
    // SAFETY: the target is done, the area is this call's again.
    let Area {
        params,
        tables,
        scratch,
    } = unsafe { &mut *area };
    exit::close(tables);
    scratch.phase = abi::PHASE_RETURN;
    if params.guard != 0 {
        // SAFETY: as for `watch`.
        unsafe { guard::disarm() };
    }
    let mut out = console(params, &mut scratch.console_dead);
    out.str("[handoff] target returned, rax ")
        .addr(scratch.returned_rax);
    out.str("\n");
    // the list was walked before, so it has an end
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

/// Loads our page tables, without NX where the CPU has none; true when that
/// changed them.
///
/// # Safety
///
/// CPL 0 in long mode; `tables` maps code, stack and data where they are.
unsafe fn switch_tables(tables: &mut abi::Tables, scratch: &mut Scratch) -> bool {
    scratch.efer = 1 << 8; // LME
    let nx = cpu::has_nx();
    if nx {
        scratch.efer |= cpu::EFER_NXE as u32;
        // SAFETY: the CPU has NX, so the bit may be set.
        unsafe { cpu::wrmsr(cpu::MSR_EFER, cpu::rdmsr(cpu::MSR_EFER) | cpu::EFER_NXE) };
    } else {
        for entry in tables.pool.0.as_flattened_mut() {
            *entry &= !paging::NX;
        }
    }
    // SAFETY: the caller's promise.
    unsafe { load_own(tables) };
    !nx
}

/// Loads the root of our tables for the paging mode that is on.
///
/// # Safety
///
/// As for [`switch_tables`].
unsafe fn load_own(tables: &abi::Tables) {
    // SAFETY: reading control registers at CPL 0, then the caller's promise.
    unsafe {
        let la57 = cpu::control_registers()[3] & 1 << 12 != 0;
        cpu::load_cr3(if la57 { tables.cr3_la57 } else { tables.cr3 });
    }
}

/// True when Xen jumped here.
const fn from_xen(entry: &EntryState) -> bool {
    entry.sel[0] == XEN_CS
}

fn banner(out: &mut impl Text, params: &Params, entry: &EntryState, bsp: bool) {
    let idt_limit = entry.idtr[0] & 0xffff;
    let who = match (entry.sel[0], entry.gdtr[0] & 0xffff, idt_limit) {
        (XEN_CS, ..) => "xen",
        (0x10, 0, 0) => "linux (before 6.16)",
        (0x10, 0x1f, 0xff) => "linux (6.16 or later)",
        _ => "an unknown kernel",
    };
    out.str("\n[handoff] mbtool ")
        .str(env!("CARGO_PKG_VERSION"))
        .str(" at ")
        .addr(params.base);
    out.str(", entered by ").str(who).str(" in long mode on ");
    out.str(if bsp {
        "the boot CPU"
    } else {
        "an application CPU"
    });
    out.str(", apic id ").dec(cpu::apic_id().into()).str(", ");
    for byte in cpu::vendor() {
        out.byte(if byte.is_ascii_graphic() { byte } else { b'?' });
    }
    out.str(" ").hex(cpu::signature().into(), 8).str("\n");
}

/// Makes one change.
///
/// # Safety
///
/// Source and destination must be mapped, and the destination must be memory
/// that nobody else uses.
unsafe fn apply(out: &mut impl Text, fixup: &FixupRaw) {
    let FixupRaw {
        kind,
        len,
        to,
        from,
    } = *fixup;
    let to_bytes = to as *mut u8;
    match kind & !(abi::FIXUP_IF_BOOT_CPU | abi::FIXUP_IF_OTHER_CPU) {
        abi::FIXUP_STORE16 => {
            // SAFETY: the caller's promise; 0x413 is odd, hence unaligned.
            unsafe { (to as *mut u16).write_unaligned(from as u16) };
            out.str("[handoff] low memory: word ")
                .addr(to)
                .str(" = ")
                .hex(from, 4)
                .str("\n");
        }
        abi::FIXUP_ZERO => {
            // SAFETY: the caller's promise.
            unsafe { cpu::clear(to, len.into()) };
            out.str("[handoff] low memory: clear ")
                .addr(to)
                .str("-")
                .addr(to + u64::from(len));
            out.str("\n");
        }
        abi::FIXUP_COPY_RSDP => {
            // SAFETY: the caller's promise: `len` mapped bytes at `from`.
            let rsdp = unsafe { core::slice::from_raw_parts(from as *const u8, len as usize) };
            out.str("[handoff] acpi: rsdp ").addr(from);
            if !rsdp_is_good(rsdp) {
                out.str(" has no signature or a bad checksum: NOT copied, expect no ACPI\n");
                return;
            }
            // SAFETY: the caller's promise; the two cannot overlap, one is firmware's.
            unsafe { cpu::copy(to_bytes, rsdp.as_ptr(), rsdp.len()) };
            out.str(" copied to ").addr(to).str("\n");
        }
        _ => {
            out.str("[handoff] unknown fix-up: skipped\n");
        }
    }
}

/// ACPI 6.5, 5.2.5.3: signature, checksum of 20 bytes, and of all 36.
fn rsdp_is_good(bytes: &[u8]) -> bool {
    let sum = |bytes: &[u8]| bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    bytes.len() >= 20 && bytes.starts_with(b"RSD PTR ") && sum(&bytes[..20]) == 0 && sum(bytes) == 0
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
    out.str("[handoff] PANIC in phase ")
        .bytes(abi::phase_name(scratch.phase))
        .str("\n");
    end(params, &mut scratch.console_dead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_checksummed_rsdp_is_copied() {
        let mut rsdp = *b"RSD PTR \0BOCHS \0\0\0\0\0";
        rsdp[8] = 0u8.wrapping_sub(rsdp.iter().fold(0, |sum, byte| sum.wrapping_add(*byte)));
        assert!(rsdp_is_good(&rsdp));
        rsdp[16] ^= 1;
        assert!(!rsdp_is_good(&rsdp));
        assert!(!rsdp_is_good(&rsdp[..8]));
    }
}
