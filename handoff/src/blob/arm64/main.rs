//! The freestanding root on arm64: assembly, panic handler, memory functions.
//! Everything else is in the `handoff` library.
//!
//! Built by build.rs with plain `rustc` (see docs/adr/0002-blob-build.md).

#![no_std]
#![no_main]

use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::mem::{MaybeUninit, offset_of};
use handoff::abi::{DtHeader, DtParams, PHASE_TARGET, STACK_SIZE};
use handoff::arch::arm64::abi::{
    self, Arm64Area, Arm64EntryState, Arm64Frame, TRAP_LEVELS, TRAP_STACK,
};
use handoff::arch::arm64::{registers, sequence, trap};

/// Placeholder of the area after the code; the host fills it in.
#[repr(transparent)]
pub struct AreaCell(UnsafeCell<MaybeUninit<Arm64Area>>);

// SAFETY: one CPU runs the blob.
unsafe impl Sync for AreaCell {}

/// See [`Arm64Area`].
#[unsafe(export_name = "area")]
#[unsafe(link_section = ".bss.area")]
pub static AREA: AreaCell = AreaCell(UnsafeCell::new(MaybeUninit::uninit()));

const _: () = assert!(
    offset_of!(Arm64EntryState, hcr) == offset_of!(Arm64EntryState, sctlr) + 8,
    "entry.S stores them together"
);

global_asm!(
    include_str!("entry.S"),
    MAGIC = const abi::MAGIC,
    VERSION = const abi::VERSION,
    ENTRY = const offset_of!(Arm64Area, scratch.entry),
    GPR = const offset_of!(Arm64EntryState, gpr),
    CURRENT_EL = const offset_of!(Arm64EntryState, current_el),
    SCTLR = const offset_of!(Arm64EntryState, sctlr),
    VBAR = const offset_of!(Arm64EntryState, vbar),
    MPIDR = const offset_of!(Arm64EntryState, mpidr),
    VA = const offset_of!(Arm64EntryState, va),
    SCTLR_M = const registers::SCTLR_M,
    SCTLR_C = const registers::SCTLR_C,
    CURRENT_EL2 = const registers::CURRENT_EL2,
    E2H_BIT = const registers::HCR_E2H.trailing_zeros(),
    CPACR_FPEN = const registers::CPACR_FPEN,
    SMEN_SHIFT = const registers::CPACR_SMEN.trailing_zeros(),
    TSM_BIT = const registers::CPTR_TSM.trailing_zeros(),
    CPTR_NO_FP_TRAP = const registers::CPTR_NO_FP_TRAP,
    STACK_END = const offset_of!(Arm64Area, scratch.stack) + STACK_SIZE,
    DTB = const offset_of!(DtParams, dtb),
    TARGET = const offset_of!(DtParams, entry),
    PHASE = const offset_of!(Arm64Area, scratch.phase),
    PHASE_TARGET = const PHASE_TARGET,
    run = sym handoff_run,
    leave = sym handoff_leave,
);

global_asm!(
    include_str!("trap.S"),
    LEVEL = const offset_of!(Arm64Area, scratch.trap_level),
    LEVELS = const TRAP_LEVELS,
    STACKS = const offset_of!(Arm64Area, scratch.trap_stacks),
    STACK_SHIFT = const TRAP_STACK.trailing_zeros(),
    FRAME = const size_of::<Arm64Frame>(),
    VECTOR = const offset_of!(Arm64Frame, vector),
    ELR = const offset_of!(Arm64Frame, elr),
    SPSR = const offset_of!(Arm64Frame, spsr),
    ESR = const offset_of!(Arm64Frame, esr),
    FAR = const offset_of!(Arm64Frame, far),
    SCTLR = const offset_of!(Arm64Frame, sctlr),
    HCR = const offset_of!(Arm64Frame, hcr),
    CURRENT_EL = const offset_of!(Arm64Frame, current_el),
    CURRENT_EL2 = const registers::CURRENT_EL2,
    trapped = sym handoff_trapped,
);

extern "C" fn handoff_run(area: *mut Arm64Area, header: *const DtHeader) {
    // SAFETY: entry.S calls this once, in the state that `run` requires.
    unsafe { sequence::run(area, header) }
}

extern "C" fn handoff_leave(area: *mut Arm64Area) {
    // SAFETY: entry.S calls this once, after it turned translation off.
    unsafe { sequence::leave(area) }
}

extern "C" fn handoff_trapped(frame: *mut Arm64Frame, area: *mut Arm64Area) {
    // SAFETY: trap.S saved the frame and passes our own area.
    unsafe { trap::handle(frame, area) }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    let area: *mut Arm64Area;
    // SAFETY: takes an address; the code that used the area will not run again.
    unsafe {
        asm!("adrp {0}, area", "add {0}, {0}, :lo12:area", out(reg) area, options(nomem, nostack));
        sequence::panicked(area)
    }
}

/// `memcpy` and related functions, which the compiler calls. Naked functions, so that they are
/// not compiled to calls of themselves. Words where both addresses are aligned: other accesses to
/// memory that is a device fault.
mod mem {
    use core::arch::naked_asm;

    /// C's `memcpy`.
    #[unsafe(naked)]
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
        naked_asm!(
            "mov x3, x0",
            "orr x4, x0, x1",
            "tst x4, #7",
            "b.ne 4f",
            "2: cmp x2, #16",
            "b.lo 3f",
            "ldp x4, x5, [x1], #16",
            "stp x4, x5, [x3], #16",
            "sub x2, x2, #16",
            "b 2b",
            "3: cmp x2, #8",
            "b.lo 4f",
            "ldr x4, [x1], #8",
            "str x4, [x3], #8",
            "sub x2, x2, #8",
            "4: cbz x2, 5f",
            "ldrb w4, [x1], #1",
            "strb w4, [x3], #1",
            "sub x2, x2, #1",
            "b 4b",
            "5: ret",
        )
    }

    /// C's `memmove`.
    #[unsafe(naked)]
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
        naked_asm!(
            "sub x3, x0, x1",
            "cmp x3, x2",
            "b.hs {memcpy}", // `to` is not inside [from, from + len)
            "add x1, x1, x2",
            "add x3, x0, x2",
            "orr x4, x3, x1",
            "tst x4, #7",
            "b.ne 4f",
            "2: cmp x2, #16",
            "b.lo 4f",
            "ldp x4, x5, [x1, #-16]!",
            "stp x4, x5, [x3, #-16]!",
            "sub x2, x2, #16",
            "b 2b",
            "4: cbz x2, 5f",
            "ldrb w4, [x1, #-1]!",
            "strb w4, [x3, #-1]!",
            "sub x2, x2, #1",
            "b 4b",
            "5: ret",
            memcpy = sym memcpy,
        )
    }

    /// C's `memset`.
    #[unsafe(naked)]
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memset(to: *mut u8, byte: i32, len: usize) -> *mut u8 {
        naked_asm!(
            "mov x3, x0",
            "and x1, x1, #255",
            "orr x1, x1, x1, lsl #8",
            "orr x1, x1, x1, lsl #16",
            "orr x1, x1, x1, lsl #32",
            "tst x0, #7",
            "b.ne 4f",
            "2: cmp x2, #16",
            "b.lo 4f",
            "stp x1, x1, [x3], #16",
            "sub x2, x2, #16",
            "b 2b",
            "4: cbz x2, 5f",
            "strb w1, [x3], #1",
            "sub x2, x2, #1",
            "b 4b",
            "5: ret",
        )
    }

    /// C's `memcmp`.
    #[unsafe(naked)]
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, len: usize) -> i32 {
        naked_asm!(
            "2: cbz x2, 3f",
            "ldrb w3, [x0], #1",
            "ldrb w4, [x1], #1",
            "sub x2, x2, #1",
            "cmp w3, w4",
            "b.eq 2b",
            "sub w0, w3, w4",
            "ret",
            "3: mov w0, #0",
            "ret",
        )
    }

    /// BSD's `bcmp`: 0 for equal.
    #[unsafe(naked)]
    #[unsafe(no_mangle)]
    unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, len: usize) -> i32 {
        naked_asm!("b {}", sym memcmp)
    }
}
