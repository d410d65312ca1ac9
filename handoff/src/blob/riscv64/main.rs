//! The freestanding root on riscv64: assembly, panic handler, memory functions.
//! Everything else is in the `handoff` library.
//!
//! Built by build.rs with plain `rustc` (see docs/adr/0002-blob-build.md).

#![no_std]
#![no_main]

use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::mem::{MaybeUninit, offset_of};
use handoff::abi::{DtHeader, PHASE_TARGET, STACK_SIZE};
use handoff::arch::riscv64::abi::{
    self, RiscvArea, RiscvEntryState, RiscvFrame, TRAP_LEVELS, TRAP_STACK,
};
use handoff::arch::riscv64::{registers, sequence, trap};

/// Placeholder of the area after the code; the host fills it in.
#[repr(transparent)]
pub struct AreaCell(UnsafeCell<MaybeUninit<RiscvArea>>);

// SAFETY: one hart runs the blob.
unsafe impl Sync for AreaCell {}

/// See [`RiscvArea`].
#[unsafe(export_name = "area")]
#[unsafe(link_section = ".bss.area")]
pub static AREA: AreaCell = AreaCell(UnsafeCell::new(MaybeUninit::uninit()));

global_asm!(
    include_str!("entry.S"),
    MAGIC = const abi::MAGIC,
    VERSION = const abi::VERSION,
    ENTRY = const offset_of!(RiscvArea, scratch.entry),
    GPR = const offset_of!(RiscvEntryState, gpr),
    STVEC = const offset_of!(RiscvEntryState, stvec),
    SIE = const offset_of!(RiscvEntryState, sie),
    SSTATUS = const offset_of!(RiscvEntryState, sstatus),
    SATP = const offset_of!(RiscvEntryState, satp),
    SSTATUS_SIE = const registers::SSTATUS_SIE,
    SSTATUS_FS = const registers::SSTATUS_FS,
    STACK_END = const offset_of!(RiscvArea, scratch.stack) + STACK_SIZE,
    BASE = const offset_of!(RiscvArea, params.base),
    DTB = const offset_of!(RiscvArea, params.dtb),
    TARGET = const offset_of!(RiscvArea, params.entry),
    PHASE = const offset_of!(RiscvArea, scratch.phase),
    PHASE_TARGET = const PHASE_TARGET,
    entered = sym handoff_entered,
    run = sym handoff_run,
);

global_asm!(
    include_str!("trap.S"),
    LEVEL = const offset_of!(RiscvArea, scratch.trap_level),
    LEVELS = const TRAP_LEVELS,
    T0 = const offset_of!(RiscvArea, scratch.trap_t0),
    STACKS = const offset_of!(RiscvArea, scratch.trap_stacks),
    STACK_SHIFT = const TRAP_STACK.trailing_zeros(),
    FRAME = const size_of::<RiscvFrame>(),
    SEPC = const offset_of!(RiscvFrame, sepc),
    SCAUSE = const offset_of!(RiscvFrame, scause),
    STVAL = const offset_of!(RiscvFrame, stval),
    SATP = const offset_of!(RiscvFrame, satp),
    SSTATUS = const offset_of!(RiscvFrame, sstatus),
    SSTATUS_FS = const registers::SSTATUS_FS,
    trapped = sym handoff_trapped,
);

extern "C" fn handoff_entered(area: *mut RiscvArea, header: *const DtHeader) -> u64 {
    // SAFETY: entry.S passes the blob's own, where it runs.
    unsafe { sequence::entered(area, header) }
}

extern "C" fn handoff_run(area: *mut RiscvArea, header: *const DtHeader) {
    // SAFETY: entry.S calls this once, in the state that `run` requires.
    unsafe { sequence::run(area, header) }
}

extern "C" fn handoff_trapped(frame: *mut RiscvFrame, area: *mut RiscvArea) {
    // SAFETY: trap.S saved the frame and passes our own area.
    unsafe { trap::handle(frame, area) }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    let area: *mut RiscvArea;
    // SAFETY: takes an address; the code that used the area will not run again.
    unsafe {
        asm!("lla {}, area", out(reg) area, options(nomem, nostack));
        sequence::panicked(area)
    }
}

/// `memcpy` and related functions, which the compiler calls. Naked functions, so that they are
/// not compiled to calls of themselves. Words where both addresses are aligned: verification and
/// moves handle whole pages.
mod mem {
    use core::arch::naked_asm;

    /// C's `memcpy`.
    #[unsafe(naked)]
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
        naked_asm!(
            "mv t0, a0",
            "or t1, a0, a1",
            "andi t1, t1, 7",
            "bnez t1, 3f",
            "li t2, 8",
            "2: bltu a2, t2, 3f",
            "ld t1, 0(a1)",
            "sd t1, 0(t0)",
            "addi a1, a1, 8",
            "addi t0, t0, 8",
            "addi a2, a2, -8",
            "j 2b",
            "3: beqz a2, 4f",
            "lbu t1, 0(a1)",
            "sb t1, 0(t0)",
            "addi a1, a1, 1",
            "addi t0, t0, 1",
            "addi a2, a2, -1",
            "j 3b",
            "4: ret",
        )
    }

    /// C's `memmove`.
    #[unsafe(naked)]
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
        naked_asm!(
            "sub t0, a0, a1",
            "bltu t0, a2, 2f", // `to` inside [from, from + len): backwards
            "j {memcpy}",
            "2: add a1, a1, a2",
            "add t0, a0, a2",
            "or t1, t0, a1",
            "or t1, t1, a2",
            "andi t1, t1, 7",
            "bnez t1, 4f",
            "3: beqz a2, 5f",
            "addi a1, a1, -8",
            "addi t0, t0, -8",
            "ld t1, 0(a1)",
            "sd t1, 0(t0)",
            "addi a2, a2, -8",
            "j 3b",
            "4: beqz a2, 5f",
            "addi a1, a1, -1",
            "addi t0, t0, -1",
            "lbu t1, 0(a1)",
            "sb t1, 0(t0)",
            "addi a2, a2, -1",
            "j 4b",
            "5: ret",
            memcpy = sym memcpy,
        )
    }

    /// C's `memset`.
    #[unsafe(naked)]
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memset(to: *mut u8, byte: i32, len: usize) -> *mut u8 {
        naked_asm!(
            "mv t0, a0",
            "andi a1, a1, 255",
            "slli t1, a1, 8",
            "or t1, t1, a1",
            "slli t2, t1, 16",
            "or t1, t1, t2",
            "slli t2, t1, 32",
            "or t1, t1, t2",
            "andi t2, a0, 7",
            "bnez t2, 3f",
            "li t2, 8",
            "2: bltu a2, t2, 3f",
            "sd t1, 0(t0)",
            "addi t0, t0, 8",
            "addi a2, a2, -8",
            "j 2b",
            "3: beqz a2, 4f",
            "sb a1, 0(t0)",
            "addi t0, t0, 1",
            "addi a2, a2, -1",
            "j 3b",
            "4: ret",
        )
    }

    /// C's `memcmp`.
    #[unsafe(naked)]
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, len: usize) -> i32 {
        naked_asm!(
            "2: beqz a2, 3f",
            "lbu t0, 0(a0)",
            "lbu t1, 0(a1)",
            "addi a0, a0, 1",
            "addi a1, a1, 1",
            "addi a2, a2, -1",
            "beq t0, t1, 2b",
            "sub a0, t0, t1",
            "ret",
            "3: li a0, 0",
            "ret",
        )
    }

    /// BSD's `bcmp`: 0 for equal.
    #[unsafe(naked)]
    #[unsafe(no_mangle)]
    unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, len: usize) -> i32 {
        naked_asm!("j {}", sym memcmp)
    }
}
