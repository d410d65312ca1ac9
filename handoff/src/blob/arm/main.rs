//! The freestanding root on 32-bit ARM: assembly, panic handler, memory functions.
//! Everything else is in the `handoff` library.
//!
//! Built by build.rs with plain `rustc` (see docs/adr/0002-blob-build.md).

#![no_std]
#![no_main]

use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::mem::{MaybeUninit, offset_of};
use handoff::abi::{DtHeader, DtParams, PHASE_TARGET, STACK_SIZE};
use handoff::arch::arm::abi::{
    self, Arm32Area, Arm32EntryState, Arm32Frame, TRAP_LEVELS, TRAP_STACK,
};
use handoff::arch::arm::{registers, sequence, trap};

/// Placeholder of the area after the code; the host fills it in.
#[repr(transparent)]
pub struct AreaCell(UnsafeCell<MaybeUninit<Arm32Area>>);

// SAFETY: one CPU runs the blob.
unsafe impl Sync for AreaCell {}

/// See [`Arm32Area`].
#[unsafe(export_name = "area")]
#[unsafe(link_section = ".bss.area")]
pub static AREA: AreaCell = AreaCell(UnsafeCell::new(MaybeUninit::uninit()));

const _: () = assert!(
    offset_of!(Arm32EntryState, gpr) == 0 && offset_of!(Arm32Frame, gpr) == 0,
    "the assembly stores r0 to r12, sp, lr from offset 0 on"
);

global_asm!(
    include_str!("entry.S"),
    MAGIC = const abi::MAGIC,
    VERSION = const abi::VERSION,
    ENTRY = const offset_of!(Arm32Area, scratch.entry),
    CPSR = const offset_of!(Arm32EntryState, cpsr),
    SCTLR = const offset_of!(Arm32EntryState, sctlr),
    VBAR = const offset_of!(Arm32EntryState, vbar),
    MPIDR = const offset_of!(Arm32EntryState, mpidr),
    VA = const offset_of!(Arm32EntryState, va),
    CPSR_MODE = const registers::CPSR_MODE,
    MODE_HYP = const registers::MODE_HYP,
    SCTLR_M = const registers::SCTLR_M,
    SCTLR_C = const registers::SCTLR_C,
    STACK_END = const offset_of!(Arm32Area, scratch.stack) + STACK_SIZE,
    DTB = const offset_of!(DtParams, dtb),
    TARGET = const offset_of!(DtParams, entry),
    PHASE = const offset_of!(Arm32Area, scratch.phase),
    PHASE_TARGET = const PHASE_TARGET,
    run = sym handoff_run,
);

global_asm!(
    include_str!("trap.S"),
    LEVEL = const offset_of!(Arm32Area, scratch.trap_level),
    LEVELS = const TRAP_LEVELS,
    STACKS = const offset_of!(Arm32Area, scratch.trap_stacks),
    STACK_SHIFT = const TRAP_STACK.trailing_zeros(),
    FRAME = const size_of::<Arm32Frame>(),
    VECTOR = const offset_of!(Arm32Frame, vector),
    PC = const offset_of!(Arm32Frame, pc),
    CPSR = const offset_of!(Arm32Frame, cpsr),
    SYNDROME = const offset_of!(Arm32Frame, syndrome),
    FAR = const offset_of!(Arm32Frame, far),
    SCTLR = const offset_of!(Arm32Frame, sctlr),
    CPSR_MODE = const registers::CPSR_MODE,
    MODE_HYP = const registers::MODE_HYP,
    trapped = sym handoff_trapped,
);

extern "C" fn handoff_run(area: *mut Arm32Area, header: *const DtHeader) {
    // SAFETY: entry.S calls this once, in the state that `run` requires.
    unsafe { sequence::run(area, header) }
}

extern "C" fn handoff_trapped(frame: *mut Arm32Frame, area: *mut Arm32Area) {
    // SAFETY: trap.S saved the frame and passes our own area.
    unsafe { trap::handle(frame, area) }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    let area: *mut Arm32Area;
    // SAFETY: takes an address; the code that used the area will not run again.
    unsafe {
        asm!(
            "movw {0}, #:lower16:(area - (1f + 8))",
            "movt {0}, #:upper16:(area - (1f + 8))",
            "1: add {0}, pc, {0}",
            out(reg) area, options(nomem, nostack)
        );
        sequence::panicked(area)
    }
}

/// Named by tables of the compiler; the blob does not unwind.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// `memcpy` and related functions, which the compiler calls, by C's names and by those of the ARM EABI (run-time ABI,
/// 4.3.4). Naked functions, so that they are not compiled to calls of themselves. Words where both addresses are
/// aligned: other accesses to memory that is a device fault.
mod mem {
    use core::arch::{global_asm, naked_asm};

    /// C's `memcpy`.
    #[unsafe(naked)]
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
        naked_asm!(
            "mov r12, r0",
            "orr r3, r0, r1",
            "tst r3, #3",
            "bne 4f",
            "2: subs r2, r2, #4",
            "blo 3f",
            "ldr r3, [r1], #4",
            "str r3, [r12], #4",
            "b 2b",
            "3: add r2, r2, #4",
            "4: cmp r2, #0",
            "bxeq lr",
            "ldrb r3, [r1], #1",
            "strb r3, [r12], #1",
            "sub r2, r2, #1",
            "b 4b",
        )
    }

    /// C's `memmove`.
    #[unsafe(naked)]
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
        naked_asm!(
            "sub r3, r0, r1",
            "cmp r3, r2",
            "bhs {memcpy}", // `to` is not inside [from, from + len)
            "add r1, r1, r2",
            "add r12, r0, r2",
            "orr r3, r12, r1",
            "tst r3, #3",
            "bne 4f",
            "2: subs r2, r2, #4",
            "blo 3f",
            "ldr r3, [r1, #-4]!",
            "str r3, [r12, #-4]!",
            "b 2b",
            "3: add r2, r2, #4",
            "4: cmp r2, #0",
            "bxeq lr",
            "ldrb r3, [r1, #-1]!",
            "strb r3, [r12, #-1]!",
            "sub r2, r2, #1",
            "b 4b",
            memcpy = sym memcpy,
        )
    }

    /// C's `memset`.
    #[unsafe(naked)]
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memset(to: *mut u8, byte: i32, len: usize) -> *mut u8 {
        naked_asm!(
            "mov r12, r0",
            "and r1, r1, #255",
            "orr r1, r1, r1, lsl #8",
            "orr r1, r1, r1, lsl #16",
            "tst r0, #3",
            "bne 4f",
            "2: subs r2, r2, #4",
            "blo 3f",
            "str r1, [r12], #4",
            "b 2b",
            "3: add r2, r2, #4",
            "4: cmp r2, #0",
            "bxeq lr",
            "strb r1, [r12], #1",
            "sub r2, r2, #1",
            "b 4b",
        )
    }

    /// C's `memcmp`.
    #[unsafe(naked)]
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, len: usize) -> i32 {
        naked_asm!(
            "mov r12, r0",
            "2: cmp r2, #0",
            "moveq r0, #0",
            "bxeq lr",
            "ldrb r0, [r12], #1",
            "ldrb r3, [r1], #1",
            "sub r2, r2, #1",
            "subs r0, r0, r3",
            "beq 2b",
            "bx lr",
        )
    }

    /// BSD's `bcmp`: 0 for equal.
    #[unsafe(naked)]
    #[unsafe(no_mangle)]
    unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, len: usize) -> i32 {
        naked_asm!("b {}", sym memcmp)
    }

    // memset and memclr of the EABI have length before byte, or no byte
    global_asm!(
        ".section .text.aeabi, \"ax\"",
        ".irp name, __aeabi_memcpy, __aeabi_memcpy4, __aeabi_memcpy8",
        ".global \\name",
        "\\name:",
        ".endr",
        "b {memcpy}",
        ".irp name, __aeabi_memmove, __aeabi_memmove4, __aeabi_memmove8",
        ".global \\name",
        "\\name:",
        ".endr",
        "b {memmove}",
        ".irp name, __aeabi_memset, __aeabi_memset4, __aeabi_memset8",
        ".global \\name",
        "\\name:",
        ".endr",
        "mov r3, r1",
        "mov r1, r2",
        "mov r2, r3",
        "b {memset}",
        ".irp name, __aeabi_memclr, __aeabi_memclr4, __aeabi_memclr8",
        ".global \\name",
        "\\name:",
        ".endr",
        "mov r2, r1",
        "mov r1, #0",
        "b {memset}",
        ".global __aeabi_unwind_cpp_pr0, __aeabi_unwind_cpp_pr1",
        "__aeabi_unwind_cpp_pr0:",
        "__aeabi_unwind_cpp_pr1:",
        "bx lr",
        memcpy = sym memcpy,
        memmove = sym memmove,
        memset = sym memset,
    );
}
