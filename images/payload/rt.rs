//! Runtime of a freestanding Rust image: the four memory functions that the
//! compiler calls, and a panic handler.

// UNSAFETY: raw memory routines under the names that LLVM emits calls to.
#![expect(unsafe_code)]

use core::arch::{asm, naked_asm};

/// Copies forward: RDI = destination, RSI = source, RDX = bytes; returns RDI.
///
/// # Safety
///
/// As C `memcpy`.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    naked_asm!("mov rax, rdi", "mov rcx, rdx", "rep movsb", "ret")
}

/// Copies in the direction that keeps overlapping bytes intact.
///
/// # Safety
///
/// As C `memmove`.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    naked_asm!(
        "mov rax, rdi",
        "mov rcx, rdx",
        "mov r8, rdi",
        "sub r8, rsi",
        "cmp r8, rdx", // destination inside the source: backward
        "jb 2f",
        "rep movsb",
        "ret",
        "2: lea rdi, [rdi + rdx - 1]",
        "lea rsi, [rsi + rdx - 1]",
        "std",
        "rep movsb",
        "cld",
        "ret",
    )
}

/// Fills: RDI = destination, ESI = byte, RDX = bytes; returns RDI.
///
/// # Safety
///
/// As C `memset`.
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

/// Compares: 0 when equal, else the difference of the first two bytes that
/// differ.
///
/// # Safety
///
/// As C `memcmp`.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, len: usize) -> i32 {
    naked_asm!(
        "xor eax, eax",
        "mov rcx, rdx",
        "cmp rcx, rcx", // ZF = 1 for an empty comparison
        "repe cmpsb",
        "je 2f",
        "movzx eax, byte ptr [rdi - 1]",
        "movzx ecx, byte ptr [rsi - 1]",
        "sub eax, ecx",
        "2: ret",
    )
}

/// Compares for equality only.
///
/// # Safety
///
/// As C `memcmp`.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, len: usize) -> i32 {
    naked_asm!("jmp {memcmp}", memcmp = sym memcmp)
}

/// Halts. The payload does not panic in normal operation: a missing end marker
/// reports it.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    halt()
}

/// Halts this processor forever.
pub fn halt() -> ! {
    loop {
        // SAFETY: HLT with interrupts off waits; it touches no memory.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) };
    }
}
