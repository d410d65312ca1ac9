//! The freestanding root: assembly, panic handler, memory functions. Everything
//! else is in the `handoff` library, where tests on the host can use it.
//!
//! Built by build.rs with plain `rustc` for the host target (see
//! docs/adr/0002-blob-build.md).

#![no_std]
#![no_main]

use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::mem::{MaybeUninit, offset_of};
use handoff::abi::{self, Area, BlobHeader, Frame32, Frame64, STACK_SIZE};
use handoff::arch::x86_64::descriptors::TSS_AVAILABLE;
use handoff::arch::x86_64::{registers, sequence, trap};

/// Placeholder of the area after the code; the host fills it in.
#[repr(transparent)]
pub struct AreaCell(UnsafeCell<MaybeUninit<Area>>);

// SAFETY: one CPU runs the blob.
unsafe impl Sync for AreaCell {}

/// See [`Area`].
#[unsafe(export_name = "area")]
#[unsafe(link_section = ".bss.area")]
pub static AREA: AreaCell = AreaCell(UnsafeCell::new(MaybeUninit::uninit()));

/// Offset in the area of the type byte of the TSS descriptor.
const TSS_TYPE: usize = type_byte(abi::SEL_TSS);

/// Returns the offset in the area of the type byte of a descriptor.
const fn type_byte(selector: u16) -> usize {
    offset_of!(Area, tables.gdt) + selector as usize + 5
}

const fn end_of(stack: usize) -> usize {
    stack + STACK_SIZE
}

global_asm!(
    include_str!("entry.S"),
    MAGIC = const abi::MAGIC,
    VERSION = const abi::VERSION,
    GPR = const offset_of!(Area, scratch.entry.gpr),
    ENTRY_GDTR = const offset_of!(Area, scratch.entry.gdtr),
    ENTRY_IDTR = const offset_of!(Area, scratch.entry.idtr),
    ENTRY_SEL = const offset_of!(Area, scratch.entry.sel),
    ENTRY_RFLAGS = const offset_of!(Area, scratch.entry.rflags),
    ENTRY_CR = const offset_of!(Area, scratch.entry.cr),
    ENTRY_EFER = const offset_of!(Area, scratch.entry.efer),
    GDTR = const offset_of!(Area, tables.gdtr),
    IDTR64 = const offset_of!(Area, tables.idtr64),
    SEL_DATA = const abi::SEL_DATA,
    SEL_TSS = const abi::SEL_TSS,
    EFER_FFXSR = const registers::EFER_FFXSR,
    SEL_CODE64 = const abi::SEL_CODE64,
    STACK_END = const end_of(offset_of!(Area, scratch.stack)),
    CR0_KEEP = const registers::CR0_KEEP,
    CR0_SET = const registers::CR0_SET,
    CR4_KEEP = const registers::CR4_KEEP,
    CR4_SET = const registers::CR4_SET,
    MSR_EFER = const registers::MSR_EFER,
    ENTRY_BASE = const offset_of!(Area, scratch.entry.base),
    MSR_FS_BASE = const registers::MSR_FS_BASE as i32,
    TSS_TYPE = const TSS_TYPE,
    TSS_AVAILABLE = const TSS_AVAILABLE,
    EXIT = const offset_of!(Area, params.exit),
    EXIT_LINUX64 = const abi::EXIT_LINUX64,
    run = sym handoff_run,
);

global_asm!(
    include_str!("return.S"),
    SCRATCH_EFER = const offset_of!(Area, scratch.efer),
    RETURNED_RAX = const offset_of!(Area, scratch.returned_rax),
    GPR = const offset_of!(Area, scratch.entry.gpr),
    ENTRY_GDTR = const offset_of!(Area, scratch.entry.gdtr),
    ENTRY_IDTR = const offset_of!(Area, scratch.entry.idtr),
    ENTRY_SEL = const offset_of!(Area, scratch.entry.sel),
    ENTRY_RFLAGS = const offset_of!(Area, scratch.entry.rflags),
    ENTRY_CR = const offset_of!(Area, scratch.entry.cr),
    ENTRY_EFER = const offset_of!(Area, scratch.entry.efer),
    SEL_TO_BASE = const offset_of!(Area, scratch.entry.base) - offset_of!(Area, scratch.entry.sel),
    GDTR = const offset_of!(Area, tables.gdtr),
    IDTR64 = const offset_of!(Area, tables.idtr64),
    CR3 = const offset_of!(Area, tables.cr3),
    CR3_LA57 = const offset_of!(Area, tables.cr3_la57),
    TSS_TYPE = const TSS_TYPE,
    STACK_END = const end_of(offset_of!(Area, scratch.stack)),
    SEL_DATA = const abi::SEL_DATA,
    SEL_TSS = const abi::SEL_TSS,
    SEL_CODE64 = const abi::SEL_CODE64,
    CR0_LONG = const registers::CR0_LONG,
    CR0_LONG_NO_WP = const registers::CR0_LONG_NO_WP,
    CR4_KEEP = const registers::CR4_KEEP,
    CR4_SET = const registers::CR4_SET,
    CR4_LA57 = const registers::CR4_LA57,
    MSR_EFER = const registers::MSR_EFER,
    MSR_FS_BASE = const registers::MSR_FS_BASE as i32,
    returned = sym handoff_returned,
);

global_asm!(
    include_str!("trap.S"),
    CR4_SSE = const registers::CR4_SSE,
    CR0_CLEAR = const registers::CR0_CLEAR,
    CR4_LONG = const registers::CR4_LONG,
    CR0_LONG = const registers::CR0_LONG,
    MSR_EFER = const registers::MSR_EFER,
    VECTOR_DF_TASK = const abi::VECTOR_DF_TASK,
    LEVEL = const offset_of!(Area, scratch.trap32_level),
    LEVELS = const abi::TRAP32_LEVELS,
    LEVEL_SIZE = const abi::TRAP32_LEVEL_SIZE,
    TOP = const offset_of!(Area, scratch.trap32_top),
    GDTR = const offset_of!(Area, tables.gdtr),
    IDTR64 = const offset_of!(Area, tables.idtr64),
    IDTR_BOTH = const offset_of!(Area, tables.idtr_both),
    CR3 = const offset_of!(Area, tables.cr3),
    SCRATCH_EFER = const offset_of!(Area, scratch.efer),
    IST_FAULT_END = const end_of(offset_of!(Area, scratch.ist_fault)),
    TSS_TYPE = const TSS_TYPE,
    TSS32_TYPE = const type_byte(abi::SEL_TSS32),
    SEL_DATA = const abi::SEL_DATA,
    SEL_TSS = const abi::SEL_TSS,
    SEL_TSS32 = const abi::SEL_TSS32,
    SEL_CODE32 = const abi::SEL_CODE32,
    SEL_CODE64 = const abi::SEL_CODE64,
    FRAME_IDTR = const offset_of!(Frame32, idtr),
    FRAME_GDTR = const offset_of!(Frame32, gdtr),
    FRAME_TR = const offset_of!(Frame32, tr),
    FRAME_EFER = const offset_of!(Frame32, efer),
    FRAME_CR = const offset_of!(Frame32, cr),
    FRAME_SS = const offset_of!(Frame32, sel) + 16,
    FRAME_GPR = const offset_of!(Frame32, gpr),
    long = sym handoff_long,
    protected = sym handoff_protected,
);

global_asm!(
    include_str!("exit.S"),
    SEL_CODE32 = const abi::SEL_CODE32,
    SEL_DATA = const abi::SEL_DATA,
    IDTR32 = const offset_of!(Area, tables.idtr32),
    IDTR_BOTH = const offset_of!(Area, tables.idtr_both),
    TSS32_TYPE = const type_byte(abi::SEL_TSS32),
    SEL_TSS32 = const abi::SEL_TSS32,
    PHASE = const offset_of!(Area, scratch.phase),
    PHASE_PROTECTED = const abi::PHASE_PROTECTED,
    PHASE_TARGET = const abi::PHASE_TARGET,
    MSR_EFER = const registers::MSR_EFER,
    CR0_PROTECTED = const registers::CR0_PROTECTED,
    CR4 = const offset_of!(Area, params.cr4),
    CR4_PROTECTED = const registers::CR4_PROTECTED,
    TARGET_STACK_END = const end_of(offset_of!(Area, scratch.stack_target)),
    DRILL = const offset_of!(Area, params.drill),
    DRILL_PROTECTED = const abi::DRILL_PROTECTED,
    ENTRY = const offset_of!(Area, params.entry),
    MBI = const offset_of!(Area, params.mbi),
    EAX = const offset_of!(Area, params.eax),
    RSI = const offset_of!(Area, params.rsi),
    EXIT = const offset_of!(Area, params.exit),
    EXIT_RETURN = const abi::EXIT_RETURN,
    CR4_KEEP = const registers::CR4_KEEP,
);

extern "C" fn handoff_run(area: *mut Area, header: *const BlobHeader) {
    // SAFETY: entry.S calls this once, in the state that `run` requires.
    unsafe { sequence::run(area, header) }
}

extern "C" fn handoff_returned(area: *mut Area) {
    // SAFETY: return.S calls this in the state that `returned` requires.
    unsafe { sequence::returned(area) }
}

extern "C" fn handoff_long(frame: *const Frame64, area: *mut Area) {
    // SAFETY: trap.S saved the frame and passes our own area.
    unsafe { trap::long(frame, area) }
}

extern "C" fn handoff_protected(frame: *const Frame32, area: *mut Area) {
    // SAFETY: as above, with our page tables loaded.
    unsafe { trap::protected(frame, area) }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    let area: *mut Area;
    // SAFETY: takes an address; the code that used the area will not run again.
    unsafe {
        asm!("lea {}, [rip + area]", out(reg) area, options(nomem, nostack));
        sequence::panicked(area)
    }
}

/// `memcpy` and related functions, which the compiler calls. Naked functions
/// with `rep` instructions, so that they are not compiled to calls of
/// themselves.
mod mem {
    use core::arch::naked_asm;

    /// C's `memcpy`.
    #[unsafe(naked)]
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
        naked_asm!("mov rax, rdi", "mov rcx, rdx", "rep movsb", "ret")
    }

    /// C's `memmove`.
    #[unsafe(naked)]
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
        naked_asm!(
            "mov rax, rdi",
            "mov rcx, rdx",
            "mov r8, rdi",
            "sub r8, rsi",
            "cmp r8, rdx", // `to` inside [from, from + len): backwards
            "jb 2f",
            "rep movsb",
            "ret",
            "2: lea rdi, [rdi + rcx - 1]",
            "lea rsi, [rsi + rcx - 1]",
            "std",
            "rep movsb",
            "cld",
            "ret",
        )
    }

    /// C's `memset`.
    #[unsafe(naked)]
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memset(to: *mut u8, byte: i32, len: usize) -> *mut u8 {
        naked_asm!(
            "mov r8, rdi",
            "mov eax, esi",
            "mov rcx, rdx",
            "rep stosb",
            "mov rax, r8",
            "ret"
        )
    }

    /// C's `memcmp`.
    #[unsafe(naked)]
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, len: usize) -> i32 {
        naked_asm!(
            "xor eax, eax",
            "mov rcx, rdx",
            "cmp rcx, rcx", // equal, should there be nothing to compare
            "repe cmpsb",
            "je 2f",
            "movzx eax, byte ptr [rdi - 1]",
            "movzx ecx, byte ptr [rsi - 1]",
            "sub eax, ecx",
            "2: ret",
        )
    }

    /// BSD's `bcmp`: 0 for equal.
    #[unsafe(naked)]
    #[unsafe(no_mangle)]
    unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, len: usize) -> i32 {
        naked_asm!("jmp {}", sym memcmp)
    }
}
