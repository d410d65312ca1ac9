//! Makes a dump from a saved frame, for both modes.

// UNSAFETY: reads frames and the interrupted code's memory by address.
#![expect(unsafe_code)]

use super::registers::MSR_EFER;
use super::report::{begin, report};
use super::{cpu, end};
use crate::abi::{self, Area, Frame32, Frame64, Scratch, has_error_code};
use crate::dump::{Mode, Record};

const NMI: u32 = 2;
const BREAKPOINT: u32 = 3;
const DOUBLE_FAULT: u32 = 8;

/// The vector of a stub, from the return address that its `call` pushed.
fn vector_of(ret: u64, stubs: u64) -> u32 {
    (ret.wrapping_sub(stubs) / abi::STUB64_LEN as u64).wrapping_sub(1) as u32
}

/// Handles an exception in long mode. Returns for NMI and #BP, to resume.
///
/// # Safety
///
/// `frame` points at the frame that `trap.S` saved on an interrupt stack, followed by
/// the CPU's frame; `area` is the blob's own.
pub unsafe fn long(frame: *const Frame64, area: *mut Area) {
    // SAFETY: the two belong to the blob, which is mapped; the frame is as
    // long as the CPU and the stub made it (up to six words behind `Frame64`).
    let (frame, stubs, words_at, words) = unsafe {
        let stubs = &raw const (*area).tables.stubs64 as u64;
        let words = frame.add(1).cast::<[u64; 6]>();
        (&*frame, stubs, words as u64, words.read_unaligned())
    };
    let vector = vector_of(frame.ret, stubs);
    // SAFETY: counters and the console state; the interrupted code does not
    // hold values derived from them across the exception.
    let scratch = unsafe { &mut (*area).scratch };
    if vector == NMI {
        scratch.nmi_count += 1;
        return;
    }
    begin(scratch);
    // an interrupt stack ends on a multiple of 16: six words, or five
    let (error, words) = if words_at.is_multiple_of(16) {
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
        efer: unsafe { cpu::rdmsr(MSR_EFER) },
        // SAFETY: CPL 0; neither kernel leaves DR7.GD set.
        dr6: unsafe { cpu::dr6() },
        code: &[],
        stack: &[],
    };
    // SAFETY: as above.
    unsafe {
        report(&record, area, false);
        end_or_resume(vector == BREAKPOINT, area);
    }
}

/// Ends the handoff after a dump, or prepares for the next one.
///
/// # Safety
///
/// Only the trap handler runs; `area` is the blob's own.
unsafe fn end_or_resume(resume: bool, area: *mut Area) {
    // SAFETY: the caller's promise.
    let Area {
        params, scratch, ..
    } = unsafe { &mut *area };
    if !resume {
        end::end(params, &mut scratch.console_dead);
    }
    scratch.dumping = 0;
}

/// The frame of a fault in protected mode.
struct PushedFrame {
    error: Option<u32>,
    /// `None`: the frame did not reach memory.
    at: Option<At>,
    esp: u32,
}

/// EIP, CS, EFLAGS.
struct At(u32, u32, u32);

impl At {
    /// Returns a frame from three words of a stack, if the CPU can have pushed
    /// them: EFLAGS has bit 1 set and bits 3, 5, 15 and 22 to 31 clear, always.
    /// A hole in the memory map reads as all zeros or all ones.
    fn new(eip: u32, cs: u32, eflags: u32) -> Option<Self> {
        (eflags & 0xffc0_802a == 2).then_some(Self(eip, cs, eflags))
    }

    /// Reads a frame at `esp`, after the error code if the vector has one.
    fn pushed(vector: u32, esp: u32, read: impl Fn(u32) -> u32) -> PushedFrame {
        let word = |n: u32| read(esp.wrapping_add(4 * n));
        let at = |n: u32| Self::new(word(n), word(n + 1), word(n + 2));
        let without = PushedFrame {
            error: None,
            at: at(0),
            esp: esp.wrapping_add(12),
        };
        // `int 13` pushes no error code; all error codes fit in 16 bits, and
        // code below 64 KiB is unlikely to execute it
        if !has_error_code(vector) || word(0) > 0xffff && without.at.is_some() {
            return without;
        }
        PushedFrame {
            error: Some(word(0)),
            at: at(1),
            esp: esp.wrapping_add(16),
        }
    }
}

/// Handles an exception in protected mode, after the switch to long mode.
/// Returns for #BP, to resume.
///
/// # Safety
///
/// `frame` points at the frame that the 32-bit half of `trap.S` saved; `area` is the
/// blob's own; our own page tables are loaded.
pub unsafe fn protected(frame: *const Frame32, area: *mut Area) {
    // SAFETY: frame and area belong to the blob.
    let (saved, params, tables, scratch) = unsafe {
        let area = &mut *area;
        (&*frame, &area.params, &area.tables, &mut area.scratch)
    };
    begin(scratch);
    let [edi, esi, ebp, _, ebx, edx, ecx, eax] = saved.gpr;
    let [ds, es, fs, gs, ss] = saved.sel;
    let (vector, origin, regs, sel) = if saved.vector == abi::VECTOR_DF_TASK {
        let target = abi::target_tss(params.exit, &raw const tables.tss32 as u32);
        // SAFETY: our own tables map every address of 32 bits.
        let target = |n| unsafe { word32(target + 4 * n) };
        let (origin, regs, sel) = double_fault(frame, &tables.tss_df, target, scratch);
        (DOUBLE_FAULT, origin, regs, sel)
    } else {
        let vector = saved.vector & 0xff; // a sign extended byte
        // SAFETY: our own tables map every address of 32 bits.
        let origin = At::pushed(vector, saved.esp, |addr| unsafe { word32(addr) });
        let regs = [eax, ecx, edx, ebx, origin.esp, ebp, esi, edi];
        (vector, origin, regs, [ds, es, fs, gs, ss])
    };
    let lost = origin.at.is_none();
    let At(eip, cs, eflags) = origin.at.unwrap_or(At(0, 0, 0));
    let mut gpr = [0; 16];
    for (slot, value) in gpr.iter_mut().zip(regs) {
        *slot = value.into();
    }
    let [ds, es, fs, gs, ss] = sel.map(|sel| sel as u16);
    let record = Record {
        vector: vector as u8,
        error: origin.error.map(u64::from),
        mode: Mode::Protected,
        phase: scratch.phase,
        rip: eip.into(),
        rflags: eflags.into(),
        gpr,
        sel: [cs as u16, ds, es, fs, gs, ss],
        cr: saved.cr.map(u64::from),
        efer: saved.efer[0].into(),
        // SAFETY: CPL 0; neither kernel leaves DR7.GD set.
        dr6: unsafe { cpu::dr6() },
        code: &[],
        stack: &[],
    };
    // SAFETY: the caller's promise.
    unsafe {
        report(&record, area, lost);
        end_or_resume(vector == BREAKPOINT && !lost, area);
    }
}

/// Returns the state after the task gate of #DF: the interrupted registers in the TSS
/// of the target, and possibly an error code on the handler's stack. If the target has
/// loaded another TSS, its registers are unknown.
fn double_fault(
    frame: *const Frame32,
    handler: &[u32; 26],
    target: impl Fn(u32) -> u32,
    scratch: &Scratch,
) -> (PushedFrame, [u32; 8], [u32; 5]) {
    let stack_end = &raw const scratch.ist_df as u64 + abi::STACK_SIZE as u64;
    let pushed = stack_end.wrapping_sub(frame as u64 + size_of::<Frame32>() as u64);
    let [eip, eflags, eax, ecx, edx, ebx, esp, ebp, esi, edi] = words(&target, 8);
    let [es, cs, ss, ds, fs, gs] = words(&target, 18);
    let ours = handler[0] & 0xffff == abi::SEL_TSS32.into(); // back link
    let origin = PushedFrame {
        error: (pushed == 4).then_some(0),
        at: if ours { At::new(eip, cs, eflags) } else { None },
        esp,
    };
    let regs = [eax, ecx, edx, ebx, esp, ebp, esi, edi];
    (origin, regs, [ds, es, fs, gs, ss])
}

/// Reads `N` words from number `first` on.
fn words<const N: usize>(read: impl Fn(u32) -> u32, first: u32) -> [u32; N] {
    let mut words = [0; N];
    for (n, word) in words.iter_mut().enumerate() {
        *word = read(first + n as u32);
    }
    words
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_stubs() {
        assert_eq!(vector_of(0x1005, 0x1000), 0);
        assert_eq!(vector_of(0x1000 + 256 * 5, 0x1000), 255);
        assert!(has_error_code(14) && !has_error_code(6) && !has_error_code(46));
    }

    #[test]
    fn frames_with_and_without_error_code_and_none_at_all() {
        let read = |stack: [u32; 4]| {
            move |addr: u32| {
                let n = addr.wrapping_sub(0xffff_fff8) / 4; // wraps around
                stack[n as usize]
            }
        };
        let pushed = |vector, stack| {
            let PushedFrame { error, at, esp } = At::pushed(vector, 0xffff_fff8, read(stack));
            (error, at.map(|At(eip, cs, eflags)| (eip, cs, eflags)), esp)
        };
        let frame = Some((0x20_0000, 8, 0x46));
        assert_eq!(pushed(6, [0x20_0000, 8, 0x46, 0]), (None, frame, 4));
        assert_eq!(
            pushed(13, [0x10, 0x20_0000, 8, 0x46]),
            (Some(0x10), frame, 8)
        );
        assert_eq!(pushed(13, [0x20_0000, 8, 0x46, 2]), (None, frame, 4));
        assert_eq!(pushed(6, [0; 4]), (None, None, 4));
        assert_eq!(pushed(14, [!0; 4]), (Some(!0), None, 8));
    }
}
