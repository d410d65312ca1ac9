//! A monitor that plays firmware, or hypervisor, for tests of the handoff on arm64: enters EL1, EL2, or EL2
//! with E2H, at an address from its configuration; answers calls of EL1; reports what arrives, and powers
//! off.

#![no_std]
#![no_main]

use core::arch::{asm, global_asm};

/// Where the configuration is loaded.
const CONFIGURATION: *const Configuration = 0x407f_0000 as *const _;
/// PL011 of QEMU's virt machine.
const UART: *mut u32 = 0x900_0000 as *mut u32;
/// PSCI: switch off, reset.
const SYSTEM_OFF: u64 = 0x8400_0008;
const SYSTEM_RESET: u64 = 0x8400_0009;

/// `HCR_EL2`: AArch64 at EL1, EL2 as a host.
const HCR_RW: u64 = 1 << 31;
const HCR_TGE: u64 = 1 << 27;
const HCR_E2H: u64 = 1 << 34;
/// Virtual interrupts go to EL1: FMO, IMO, AMO.
const HCR_ROUTES: u64 = 7 << 3;

/// What to enter, and how; written by the test.
#[repr(C)]
#[derive(Clone, Copy)]
struct Configuration {
    /// Where.
    entry: u64,
    /// 1: EL1, 2: EL2, 3: EL2 with E2H.
    level: u64,
    /// 1: with translation and caches on, one to one.
    translated: u64,
    /// Bits of `HCR_EL2` for EL1: pending virtual interrupts.
    pending: u64,
}

global_asm!(
    include_str!("start.S"),
    start = sym start,
    called = sym called,
    arrived = sym arrived,
);

unsafe extern "C" {
    fn enter(entry: u64, by_eret: u64) -> !;
}

/// Identity map of 4 GiB: devices, memory.
#[repr(C, align(4096))]
struct Table([u64; 512]);
static mut TABLE: Table = Table([0; 512]);

/// Prints text. `core::fmt` is not used: `core` was compiled for memory with unaligned accesses.
fn text(text: &str) {
    for byte in text.bytes() {
        // SAFETY: QEMU's UART accepts a byte at any time.
        unsafe { UART.write_volatile(byte.into()) };
    }
}

/// Prints a name, and a number as core's `{:#x}`.
fn field(name: &str, value: u64) {
    text(name);
    text(" 0x");
    let digits = (16 - value.leading_zeros() / 4).max(1);
    for place in (0..digits).rev() {
        let digit = (value >> (4 * place) & 15) as u8;
        let byte = if digit < 10 { b'0' } else { b'a' - 10 } + digit;
        // SAFETY: as above.
        unsafe { UART.write_volatile(byte.into()) };
    }
    text(" ");
}

macro_rules! read {
    ($register:literal) => {{
        let value: u64;
        // SAFETY: reads a register of the level that runs.
        unsafe { asm!(concat!("mrs {}, ", $register), out(reg) value) };
        value
    }};
}

macro_rules! set {
    ($register:literal, $value:expr) => {{
        let value: u64 = $value;
        // SAFETY: the monitor owns the machine.
        unsafe { asm!(concat!("msr ", $register, ", {}"), "isb", in(reg) value) }
    }};
}

fn configuration() -> Configuration {
    // SAFETY: the test loads it.
    unsafe { CONFIGURATION.read() }
}

/// Ends QEMU: by `smc` on a machine with EL2, else by `hvc`; at EL1 below the monitor, through it.
fn off() -> ! {
    // SAFETY: ends QEMU; a call that is not answered as expected falls through to the next one.
    unsafe {
        if read!("CurrentEL") == 8 {
            asm!("smc #0", in("x0") SYSTEM_OFF, options(noreturn));
        }
        asm!("hvc #0", in("x0") SYSTEM_OFF, options(noreturn));
    }
}

extern "C" fn start() -> ! {
    let c = configuration();
    let hyp = read!("CurrentEL") == 8;
    if c.level > 1 && !hyp {
        text("MONITOR without EL2\n");
        off();
    }
    if c.level == 3 {
        set!("hcr_el2", HCR_E2H | HCR_TGE | HCR_RW);
        set!("cpacr_el1", 3 << 20); // CPTR_EL2 has this layout now
    } else if hyp {
        set!("hcr_el2", HCR_RW | HCR_ROUTES | c.pending);
    }
    if hyp && c.level == 1 {
        set!("sctlr_el1", 0x30d0_0800);
    }
    if c.translated != 0 {
        translate(c.level);
    }
    // the monitor's vectors remain where EL1 is entered
    if c.level > 1 {
        set!("vbar_el2", 0x1234_5800);
    } else {
        set!("vbar_el1", 0x1234_5800);
    }
    // a CPU with SME is in streaming mode, which has no SIMD
    if c.level == 2 && read!("id_aa64pfr1_el1") >> 24 & 15 != 0 {
        set!("s3_3_c4_c2_2", 1);
    }
    // SAFETY: enters what the test loaded.
    unsafe { enter(c.entry, (hyp && c.level == 1).into()) }
}

/// Turns translation and caches of a level on.
fn translate(level: u64) {
    let table = &raw mut TABLE;
    for (n, attributes) in [(0_u64, 0x401_u64), (1, 0x705)] {
        // SAFETY: memory of the monitor.
        unsafe { (&raw mut (*table).0[n as usize]).write_volatile(n << 30 | attributes) };
    }
    let mair = 0xff00;
    // 4 GiB, 4 KiB pages, inner shareable, write-back
    let tcr = 0x3520 | 1 << 23;
    match level {
        1 => {
            set!("mair_el1", mair);
            set!("tcr_el1", tcr);
            set!("ttbr0_el1", table as u64);
            set!("sctlr_el1", read!("sctlr_el1") | 0x1005);
        }
        _ => {
            set!("mair_el2", mair);
            set!("tcr_el2", if level == 2 { tcr | 1 << 31 } else { tcr });
            set!("ttbr0_el2", table as u64);
            set!("sctlr_el2", read!("sctlr_el2") | 0x1005);
        }
    }
}

/// A call of EL1, or an exception of EL2.
extern "C" fn called(
    x0: u64,
    x1: u64,
    x2: u64,
    x3: u64,
    vector: u64,
    esr: u64,
    elr: u64,
    far: u64,
) -> ! {
    if vector == 8 && esr >> 26 == 0x16 {
        if x0 == SYSTEM_OFF {
            off();
        }
        text("\nMONITOR ");
        field(if x0 == SYSTEM_RESET { "reset" } else { "call" }, x0);
        field("x1", x1);
        field("x2", x2);
        field("x3", x3);
        text("\n");
        off();
    }
    text("\nMONITOR ");
    field("vector", vector);
    field("esr", esr);
    field("elr", elr);
    field("far", far);
    text("\n");
    off()
}

/// The target of a handoff: `at` has the exception level in its low bits.
extern "C" fn arrived(
    x0: u64,
    x1: u64,
    x2: u64,
    x3: u64,
    at: u64,
    sctlr: u64,
    hcr: u64,
    daif: u64,
) -> ! {
    text("\nTARGET ");
    field("level", at & 3);
    field("at", at & !3);
    field("mmu", sctlr & 1);
    field("cache", sctlr >> 2 & 1);
    field("hcr", hcr);
    field("daif", daif);
    for (name, value) in [("x0", x0), ("x1", x1), ("x2", x2), ("x3", x3)] {
        field(name, value);
    }
    text("\n");
    off()
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    text("\nMONITOR panic\n");
    off()
}
