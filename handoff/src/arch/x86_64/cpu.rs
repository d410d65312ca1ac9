//! One function per instruction.

// UNSAFETY: privileged instructions.
#![expect(unsafe_code)]

use core::arch::asm;
use core::arch::x86_64::{__cpuid, __cpuid_count};

/// Reads an I/O port.
///
/// # Safety
///
/// CPL 0, and the device at `port` must tolerate the read.
pub unsafe fn inb(port: u16) -> u8 {
    let value;
    // SAFETY: the caller's promise; no memory is touched.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack)) };
    value
}

/// Writes an I/O port.
///
/// # Safety
///
/// CPL 0, and the device at `port` must not write memory that Rust owns.
pub unsafe fn outb(port: u16, value: u8) {
    // SAFETY: the caller's promise.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack)) };
}

/// Reads a model specific register.
///
/// # Safety
///
/// CPL 0, and the register must exist.
pub unsafe fn rdmsr(msr: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: the caller's promise.
    unsafe {
        asm!("rdmsr", in("ecx") msr, out("eax") low, out("edx") high, options(nomem, nostack));
    }
    u64::from(high) << 32 | u64::from(low)
}

/// Writes a model specific register.
///
/// # Safety
///
/// CPL 0, and the new value must keep this code running.
pub unsafe fn wrmsr(msr: u32, value: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("wrmsr", in("ecx") msr, in("eax") value as u32, in("edx") (value >> 32) as u32,
             options(nostack));
    }
}

/// Reads CR0, CR2, CR3 and CR4.
///
/// # Safety
///
/// CPL 0.
#[must_use]
pub unsafe fn control_registers() -> [u64; 4] {
    let (cr0, cr2, cr3, cr4);
    // SAFETY: CPL 0 by the caller's promise; reading changes nothing.
    unsafe {
        asm!("mov {}, cr0", "mov {}, cr2", "mov {}, cr3", "mov {}, cr4",
             out(reg) cr0, out(reg) cr2, out(reg) cr3, out(reg) cr4, options(nomem, nostack));
    }
    [cr0, cr2, cr3, cr4]
}

/// Reads DR6.
///
/// # Safety
///
/// CPL 0, and DR7.GD clear: otherwise the access itself is a #DB.
#[must_use]
pub unsafe fn dr6() -> u64 {
    let dr6;
    // SAFETY: by the caller's promise; reading changes nothing.
    unsafe { asm!("mov {}, dr6", out(reg) dr6, options(nomem, nostack)) };
    dr6
}

/// Loads CR3.
///
/// # Safety
///
/// CPL 0, and the tables at `root` must map this code, its stack and its data
/// where they are.
pub unsafe fn load_cr3(root: u64) {
    // SAFETY: the caller's promise.
    unsafe { asm!("mov cr3, {}", in(reg) root, options(nostack)) };
}

/// Reads ds, es, fs, gs.
#[must_use]
pub fn data_selectors() -> [u16; 4] {
    let (ds, es, fs, gs): (u16, u16, u16, u16);
    // SAFETY: reading selectors is allowed at any privilege and changes nothing.
    unsafe {
        asm!("mov {:x}, ds", "mov {:x}, es", "mov {:x}, fs", "mov {:x}, gs",
             out(reg) ds, out(reg) es, out(reg) fs, out(reg) gs, options(nomem, nostack));
    }
    [ds, es, fs, gs]
}

/// True when the CPU has the no-execute bit.
#[must_use]
pub fn has_nx() -> bool {
    __cpuid(0x8000_0000).eax >= 0x8000_0001 && __cpuid(0x8000_0001).edx & 1 << 20 != 0
}

/// True when the CPU has PCLMULQDQ.
#[must_use]
pub fn has_clmul() -> bool {
    __cpuid(1).ecx & 1 << 1 != 0
}

/// True when the CPU has the SHA extensions, SSSE3 and SSE4.1.
#[must_use]
pub fn has_sha() -> bool {
    const SSE: u32 = 1 << 9 | 1 << 19;
    __cpuid(0).eax >= 7 && __cpuid(1).ecx & SSE == SSE && __cpuid_count(7, 0).ebx & 1 << 29 != 0
}

/// Bits of a physical address (CPUID leaf 0x80000008), 36 if unknown.
#[must_use]
pub fn physical_bits() -> u32 {
    match __cpuid(0x8000_0000).eax {
        0x8000_0008.. => __cpuid(0x8000_0008).eax & 0xff,
        _ => 36,
    }
}

/// The initial APIC id (CPUID leaf 1).
#[must_use]
pub fn apic_id() -> u32 {
    __cpuid(1).ebx >> 24
}

/// The CPU vendor's twelve characters.
#[must_use]
pub fn vendor() -> [u8; 12] {
    let leaf = __cpuid(0);
    let mut name = [0; 12];
    name[..4].copy_from_slice(&leaf.ebx.to_le_bytes());
    name[4..8].copy_from_slice(&leaf.edx.to_le_bytes());
    name[8..].copy_from_slice(&leaf.ecx.to_le_bytes());
    name
}

/// Family, model and stepping word (CPUID leaf 1, EAX).
#[must_use]
pub fn signature() -> u32 {
    __cpuid(1).eax
}

/// Copies bytes upwards.
///
/// # Safety
///
/// `len` bytes must be readable at `from` and writable at `to`; where the two
/// overlap, `to` must not lie above `from`.
pub unsafe fn copy(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller's promise; the direction flag is clear in Rust code.
    unsafe {
        asm!("rep movsb", inout("rdi") to => _, inout("rsi") from => _, inout("rcx") len => _,
             options(nostack, preserves_flags));
    }
}

/// Fills memory with zeroes.
///
/// # Safety
///
/// `len` bytes must be writable at `to`, which may be address 0.
#[inline(never)]
pub unsafe fn clear(to: u64, len: u64) {
    // SAFETY: the caller's promise; the direction flag is clear in Rust code.
    unsafe {
        asm!("rep stosq", "mov ecx, edx", "rep stosb",
             inout("rdi") to => _, inout("rcx") len / 8 => _, in("edx") len as u32 & 7,
             in("rax") 0u64, options(nostack, preserves_flags));
    }
}

/// Compares `words` words of 8 bytes at `a` with those at `b`.
///
/// # Safety
///
/// They must be readable; either may lie at address 0.
#[must_use]
pub unsafe fn same(a: u64, b: u64, words: u64) -> bool {
    let differ: u8;
    // SAFETY: the caller's promise; the direction flag is clear in Rust code.
    unsafe {
        asm!("cmp eax, eax", "repe cmpsq", "setne al", // equal, should there be no word
             inout("rsi") a => _, inout("rdi") b => _, inout("rcx") words => _,
             out("al") differ, options(nostack, readonly));
    }
    differ == 0
}

/// Raises #UD.
pub fn undefined() {
    // SAFETY: the exception is intended; its handler ends the handoff.
    unsafe { asm!("ud2", options(nomem, nostack)) };
}

/// Calls code at `addr`, which may change any register but rsp.
///
/// # Safety
///
/// Code that returns must be there, and leave memory of Rust alone.
pub unsafe fn call(addr: u64) {
    // SAFETY: the caller's promise; rbx and rbp, which cannot be named as
    // clobbered, are saved here.
    unsafe {
        asm!("push rbx", "push rbp", "call rax", "pop rbp", "pop rbx",
             inout("rax") addr => _, out("r12") _, out("r13") _, out("r14") _, out("r15") _,
             clobber_abi("sysv64"));
    }
}

/// True when the CPU has machine check banks (CPUID leaf 1, EDX bit 14).
#[must_use]
pub fn has_machine_check_banks() -> bool {
    __cpuid(1).edx & 1 << 14 != 0
}

/// Stops this CPU forever.
pub fn halt() -> ! {
    loop {
        // SAFETY: CPL 0 in the blob; nothing runs after it.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) };
    }
}

/// Resets the machine: port 0xcf9, keyboard controller, triple fault.
pub fn reset() -> ! {
    // SAFETY: the machine is to be reset; each step is bounded, and the last
    // one (an exception with an empty IDT) cannot be refused by the CPU.
    unsafe {
        outb(0xcf9, 0x02);
        outb(0xcf9, 0x06);
        for _ in 0..65536 {
            if inb(0x64) & 2 == 0 {
                break;
            }
        }
        outb(0x64, 0xfe);
        for _ in 0..65536 {
            inb(0x80);
        }
        let empty = [0u64; 2];
        asm!("lidt [{}]", "int3", in(reg) &raw const empty, options(nostack));
    }
    halt()
}
