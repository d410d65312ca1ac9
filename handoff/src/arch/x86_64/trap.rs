//! From a saved frame to a dump, for both modes.

// UNSAFETY: reads frames and the interrupted code's memory by address.
#![expect(unsafe_code)]

use super::{cpu, run};
use crate::abi::{self, Area, Frame32, Frame64, Header};
use crate::addr::FOUR_GIB;
use crate::dump::{self, CODE_BYTES, Mode, Record, STACK_WORDS};
use crate::text::Text;

const NMI: u32 = 2;
const BREAKPOINT: u32 = 3;

/// Name of a phase number.
#[must_use]
pub fn phase_name(phase: u32) -> &'static [u8] {
    dump::nth(abi::PHASES, phase).unwrap_or(b"?")
}

/// True for vectors whose frame starts with an error code.
#[must_use]
pub fn has_error_code(vector: u32) -> bool {
    vector < 32 && abi::ERROR_CODE_VECTORS >> vector & 1 == 1
}

/// The vector of a stub, from the return address that its `call` pushed.
fn vector_of(ret: u64, stubs: u64, len: u32) -> u32 {
    (ret.wrapping_sub(stubs) / u64::from(len)).wrapping_sub(1) as u32
}

/// Handles an exception in long mode. Returns for NMI and #BP, to resume.
///
/// # Safety
///
/// `frame` points at what `trap.S` saved on an interrupt stack, followed by
/// the CPU's frame; `area` and `header` are the blob's own.
pub unsafe fn long(frame: *const Frame64, area: *mut Area, header: *const Header) {
    // SAFETY: the three belong to the blob, which is mapped; the frame is as
    // long as the CPU and the stub made it (up to six words behind `Frame64`).
    let (frame, stubs, words) = unsafe {
        let stubs = header as u64 + u64::from((*header).stubs64);
        (
            &*frame,
            stubs,
            frame.add(1).cast::<[u64; 6]>().read_unaligned(),
        )
    };
    let vector = vector_of(frame.ret, stubs, abi::STUB64_LEN);
    // SAFETY: counters and the console state; the interrupted code does not
    // hold values derived from them across the exception.
    let scratch = unsafe { &mut (*area).scratch };
    if vector == NMI {
        scratch.nmi_count += 1;
        return;
    }
    let (error, words) = if has_error_code(vector) {
        (Some(words[0]), &words[1..])
    } else {
        (None, &words[..5])
    };
    let mut gpr = frame.gpr;
    gpr[4] = words[3];
    // SAFETY: CPL 0.
    let now = unsafe { cpu::control_registers() };
    let [ds, es, fs, gs] = cpu::data_selectors();
    let record = Record {
        vector: vector as u8,
        error,
        mode: Mode::Long,
        phase: scratch.phase,
        rip: words[0],
        rflags: words[2],
        gpr,
        sel: [words[1] as u16, ds, es, fs, gs, words[4] as u16],
        cr: [frame.cr[0], now[1], now[2], frame.cr[1]],
        // SAFETY: EFER exists in long mode, CPL 0.
        efer: unsafe { cpu::rdmsr(cpu::MSR_EFER) },
        // SAFETY: CPL 0; neither kernel leaves DR7.GD set.
        dr6: unsafe { cpu::dr6() },
        code: &[],
        stack: &[],
    };
    // SAFETY: as above.
    unsafe { report(&record, area, 8) };
    if vector != BREAKPOINT {
        // SAFETY: the interrupted code does not run again.
        let Area {
            params, scratch, ..
        } = unsafe { &mut *area };
        run::end(params, &mut scratch.console_dead);
    }
}

/// Handles an exception in protected mode, after the way back to long mode.
///
/// # Safety
///
/// `frame` points at what the 32-bit half of `trap.S` saved, and the rest as
/// for [`long`]; our own page tables are loaded.
pub unsafe fn protected(frame: *const Frame32, area: *mut Area, header: *const Header) -> ! {
    // SAFETY: frame, header and area belong to the blob; an address of 32 bits
    // is always mapped by our own tables.
    let (frame, header, params, scratch) =
        unsafe { (&*frame, &*header, &(*area).params, &mut (*area).scratch) };
    let base = params.base;
    // the stub swapped the interrupted ESP into `trap32_esp`
    let mut esp = scratch.trap32_esp;
    let stubs = base + u64::from(header.stubs32);
    let exceptions = stubs + u64::from(abi::EXCEPTIONS * abi::STUB32_LEN);
    let vector = if (stubs..=exceptions).contains(&u64::from(frame.ret)) {
        vector_of(frame.ret.into(), stubs, abi::STUB32_LEN)
    } else {
        // SAFETY: as above.
        let ret = unsafe { word32(esp) };
        esp = esp.wrapping_add(4);
        abi::EXCEPTIONS + vector_of(ret.into(), base + u64::from(header.soft32), abi::SOFT32_LEN)
    };
    // SAFETY: as above.
    let mut pop = || unsafe {
        let word = word32(esp);
        esp = esp.wrapping_add(4);
        word
    };
    let error = has_error_code(vector).then(&mut pop).map(u64::from);
    let (eip, cs, eflags) = (pop(), pop(), pop());
    let [edi, esi, ebp, _, ebx, edx, ecx, eax] = frame.gpr;
    let mut gpr = [0; 16];
    for (slot, value) in gpr.iter_mut().zip([eax, ecx, edx, ebx, esp, ebp, esi, edi]) {
        *slot = value.into();
    }
    let [ds, es, fs, gs, ss] = frame.sel.map(|sel| sel as u16);
    let record = Record {
        vector: vector as u8,
        error,
        mode: Mode::Protected,
        phase: scratch.phase,
        rip: eip.into(),
        rflags: eflags.into(),
        gpr,
        sel: [cs as u16, ds, es, fs, gs, ss],
        cr: frame.cr.map(u64::from),
        efer: frame.efer.into(),
        // SAFETY: CPL 0; neither kernel leaves DR7.GD set.
        dr6: unsafe { cpu::dr6() },
        code: &[],
        stack: &[],
    };
    // SAFETY: as above; the interrupted code does not run again.
    unsafe {
        report(&record, area, 4);
        run::end(&(*area).params, &mut (*area).scratch.console_dead)
    }
}

/// Reads a word at any 32-bit address.
///
/// # Safety
///
/// Our own page tables must be loaded: they map the low 4 GiB.
unsafe fn word32(addr: u32) -> u32 {
    let mut bytes = [0; 4];
    for (n, byte) in bytes.iter_mut().enumerate() {
        // SAFETY: mapped, by the caller's promise; wraps inside 32 bits.
        *byte = unsafe { (addr.wrapping_add(n as u32) as u64 as *const u8).read_volatile() };
    }
    u32::from_le_bytes(bytes)
}

/// Prints the record with code and stack, once.
///
/// # Safety
///
/// As for [`long`].
unsafe fn report(record: &Record<'_>, area: *mut Area, word: u64) {
    // SAFETY: only the trap handler runs now.
    let Area {
        params, scratch, ..
    } = unsafe { &mut *area };
    let mut out = run::console(params, &mut scratch.console_dead);
    if scratch.dumping != 0 {
        out.str("\n[handoff] nested exception, vector ")
            .dec(record.vector.into());
        out.str(", rip ").addr(record.rip).str("\n");
        run::end(params, &mut scratch.console_dead);
    }
    scratch.dumping = 1;
    // before our own tables are loaded only the blob is sure to be mapped
    let blob_end = params.base + size_of::<Area>() as u64;
    let mapped = |addr: u64, len: u64| match addr.checked_add(len) {
        Some(end) if scratch.phase == abi::PHASE_ENTRY => addr >= params.base && end <= blob_end,
        Some(end) => end <= FOUR_GIB,
        None => false,
    };
    let mut code = [0; CODE_BYTES];
    let readable = if mapped(record.rip, CODE_BYTES as u64) {
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
            if word == 8 {
                (addr as *const u64).read_unaligned()
            } else {
                (addr as *const u32).read_unaligned().into()
            }
        };
    }
    out.str("\n");
    dump::write(
        &mut out,
        &Record {
            code,
            stack,
            ..*record
        },
    );
    out.drain();
    scratch.dumping = 0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_stubs() {
        assert_eq!(vector_of(0x1005, 0x1000, 5), 0);
        assert_eq!(vector_of(0x1000 + 256 * 5, 0x1000, 5), 255);
        assert!(has_error_code(14) && !has_error_code(6) && !has_error_code(46));
    }
}
