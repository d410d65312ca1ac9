//! A monitor that plays firmware, or hypervisor, for tests of the handoff on 32-bit ARM: enters Hyp or Supervisor
//! mode at an address from its configuration; answers calls; reports what arrives, and powers off.

#![no_std]
#![no_main]

use core::arch::{asm, global_asm};

/// Where the configuration is loaded.
const CONFIGURATION: *const Configuration = 0x407f_0000 as *const _;
/// PL011 of QEMU's virt machine.
const UART: *mut u32 = 0x900_0000 as *mut u32;
/// PSCI: switch off, reset.
const SYSTEM_OFF: u32 = 0x8400_0008;
const SYSTEM_RESET: u32 = 0x8400_0009;
/// Hyp mode.
const HYP: u32 = 0x1a;
/// HCR: virtual interrupts go to Supervisor mode (FMO, IMO, AMO).
const HCR_ROUTES: u32 = 7 << 3;
/// Address that the vector base register has at the entry.
const VBAR: u32 = 0x1234_5800;

/// What to enter, and how; written by the test.
#[repr(C)]
#[derive(Clone, Copy)]
struct Configuration {
    /// Where.
    entry: u64,
    /// 1: Supervisor mode, 2: Hyp mode.
    level: u64,
    /// 1: with translation and caches on, one to one.
    translated: u64,
    /// Bits of HCR: pending virtual interrupts.
    pending: u64,
}

global_asm!(
    include_str!("start.S"),
    start = sym start,
    called = sym called,
    unexpected = sym unexpected,
    arrived = sym arrived,
);

unsafe extern "C" {
    fn enter(entry: u32, by_eret: u32) -> !;
}

/// Identity map of 4 GiB: devices, memory, in long descriptors.
#[repr(C, align(4096))]
struct Table([u64; 4]);
static mut TABLE: Table = Table([0; 4]);

/// Prints text. `core::fmt` is not used: `core` was compiled for memory with unaligned accesses.
fn text(text: &str) {
    for byte in text.bytes() {
        // SAFETY: QEMU's UART accepts a byte at any time.
        unsafe { UART.write_volatile(byte.into()) };
    }
}

/// Prints a name, and a number as core's `{:#x}`.
fn field(name: &str, value: u32) {
    text(name);
    text(" 0x");
    let digits = (8 - value.leading_zeros() / 4).max(1);
    for place in (0..digits).rev() {
        let digit = (value >> (4 * place) & 15) as u8;
        let byte = if digit < 10 { b'0' } else { b'a' - 10 } + digit;
        // SAFETY: as above.
        unsafe { UART.write_volatile(byte.into()) };
    }
    text(" ");
}

fn mode() -> u32 {
    let cpsr: u32;
    // SAFETY: reads a register.
    unsafe { asm!("mrs {}, cpsr", out(reg) cpsr) };
    cpsr & 0x1f
}

fn configuration() -> Configuration {
    // SAFETY: the test loads it.
    unsafe { CONFIGURATION.read() }
}

/// Ends QEMU: by `smc` on a machine with Hyp mode, else by `hvc`; below the monitor, through it.
fn off() -> ! {
    // SAFETY: ends QEMU; a call that is not answered as expected falls through to the next one.
    unsafe {
        if mode() == HYP {
            asm!(".arch_extension sec", "smc #0", in("r0") SYSTEM_OFF, options(noreturn));
        }
        asm!(".arch_extension virt", "hvc #0", in("r0") SYSTEM_OFF, options(noreturn));
    }
}

extern "C" fn start() -> ! {
    let c = configuration();
    let hyp = mode() == HYP;
    if c.level > 1 && !hyp {
        text("MONITOR without Hyp mode\n");
        off();
    }
    if hyp {
        let hcr = HCR_ROUTES | c.pending as u32;
        // SAFETY: the monitor owns the machine.
        unsafe { asm!("mcr p15, 4, {}, c1, c1, 0", "isb", in(reg) hcr) };
    }
    if c.translated != 0 {
        translate(c.level > 1);
    }
    // SAFETY: the monitor owns the machine; its vectors remain where Supervisor mode is entered.
    unsafe {
        if c.level > 1 {
            asm!("mcr p15, 4, {}, c12, c0, 0", in(reg) VBAR);
        } else {
            asm!("mcr p15, 0, {}, c12, c0, 0", in(reg) VBAR);
        }
        enter(c.entry as u32, (hyp && c.level == 1).into())
    }
}

/// Turns translation and caches of Hyp or Supervisor mode on.
fn translate(hyp: bool) {
    let table = &raw mut TABLE;
    for (n, attributes) in [(0_u64, 0x401_u64), (1, 0x705)] {
        // SAFETY: memory of the monitor.
        unsafe { (&raw mut (*table).0[n as usize]).write_volatile(n << 30 | attributes) };
    }
    let (mair, ttbcr) = (0xff00_u32, 0x8080_3500_u32);
    // SAFETY: the monitor owns the machine.
    unsafe {
        if hyp {
            asm!(
                "mcr p15, 4, {0}, c10, c2, 0",
                "mcr p15, 4, {1}, c2, c0, 2",
                "mcrr p15, 4, {2}, {3}, c2",
                "isb",
                "mrc p15, 4, {0}, c1, c0, 0",
                "orr {0}, {0}, #0x1000",
                "orr {0}, {0}, #5",
                "mcr p15, 4, {0}, c1, c0, 0",
                "isb",
                inout(reg) mair => _, in(reg) ttbcr, in(reg) table, in(reg) 0
            );
        } else {
            asm!(
                "mcr p15, 0, {1}, c2, c0, 2",
                "isb",
                "mcr p15, 0, {0}, c10, c2, 0",
                "mcrr p15, 0, {2}, {3}, c2",
                "isb",
                "mrc p15, 0, {0}, c1, c0, 0",
                "orr {0}, {0}, #0x1000",
                "orr {0}, {0}, #5",
                "mcr p15, 0, {0}, c1, c0, 0",
                "isb",
                inout(reg) mair => _, in(reg) ttbcr, in(reg) table, in(reg) 0
            );
        }
    }
}

/// A call of Supervisor mode.
extern "C" fn called(r0: u32, r1: u32, r2: u32, r3: u32) -> ! {
    if r0 == SYSTEM_OFF {
        off();
    }
    text("\nMONITOR ");
    field(if r0 == SYSTEM_RESET { "reset" } else { "call" }, r0);
    field("r1", r1);
    field("r2", r2);
    field("r3", r3);
    text("\n");
    off()
}

/// An exception of Hyp mode.
extern "C" fn unexpected(hsr: u32, pc: u32, far: u32) -> ! {
    text("\nMONITOR ");
    field("hsr", hsr);
    field("pc", pc);
    field("far", far);
    text("\n");
    off()
}

/// The target of a handoff.
extern "C" fn arrived(r0: u32, r1: u32, r2: u32, cpsr: u32, at: u32, sctlr: u32) -> ! {
    text("\nTARGET ");
    field("mode", cpsr & 0x1f);
    field("at", at);
    field("mmu", sctlr & 1);
    field("cache", sctlr >> 2 & 1);
    field("masked", cpsr & 0x1e0);
    field("r0", r0);
    field("r1", r1);
    field("r2", r2);
    text("\n");
    off()
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    text("\nMONITOR panic\n");
    off()
}
