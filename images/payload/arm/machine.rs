//! The machine: HYP mode, SVC mode, their registers.

use core::arch::{asm, global_asm};

use handoff::print::Print;

use super::conformance::{self, Arrival, STAY, Uart, configuration, hyp};

/// PSCI: switch off.
const SYSTEM_OFF: u32 = 0x8400_0008;

global_asm!(
    include_str!("start.S"),
    include_str!("occupants.S"),
    start = sym conformance::start,
    kernel = sym conformance::kernel,
    target = sym arrived,
    unexpected = sym unexpected,
);

unsafe extern "C" {
    fn drop() -> !;
    #[link_name = "target"]
    fn restart_target() -> !;
    static occupant_vectors: u8;
    static mut occupant_kind: u32;
}

/// Identity map of 4 GiB in the long format.
#[repr(C, align(64))]
struct Table([u64; 4]);
static mut TABLE: Table = Table([0; 4]);

macro_rules! read {
    ($register:literal) => {{
        let value: u32;
        // SAFETY: reads a register of the mode that runs.
        unsafe { asm!(concat!("mrc p15, ", $register), out(reg) value) };
        value
    }};
}

macro_rules! set {
    ($register:literal, $value:expr) => {{
        let value: u32 = $value;
        // SAFETY: the payload owns the machine.
        unsafe { asm!(concat!("mcr p15, ", $register), "isb", in(reg) value) }
    }};
}

fn status() -> u32 {
    let value: u32;
    // SAFETY: reads a register.
    unsafe { asm!("mrs {}, cpsr", out(reg) value) };
    value
}

pub fn level() -> u64 {
    (status() & 31).into()
}

pub fn vectors() -> u64 {
    read!("0, {}, c12, c0, 0").into()
}

pub fn masks() -> u64 {
    (status() & 0x1c0).into()
}

pub fn target() -> usize {
    restart_target as *const () as usize
}

/// Ends QEMU: by semihosting if calls are disabled, else by firmware's calls, which are `hvc` on a
/// machine without HYP mode, else `smc`.
pub fn off() -> ! {
    if configuration().disabled() {
        // SAFETY: ends QEMU (SYS_EXIT, ADP_Stopped_ApplicationExit).
        unsafe { asm!("svc #0x123456", in("r0") 0x18, in("r1") 0x20026, options(noreturn)) };
    }
    if !hyp() && configuration().occupant == STAY {
        // SAFETY: ends QEMU.
        unsafe {
            asm!(".arch_extension virt", "hvc #0", in("r0") SYSTEM_OFF, options(noreturn));
        }
    }
    // SAFETY: ends QEMU.
    unsafe { asm!(".arch_extension sec", "smc #0", in("r0") SYSTEM_OFF, options(noreturn)) };
}

/// There is no VHE.
pub const fn vhe() {}

/// Installs an occupant, and leaves HYP mode. ARMv7 cannot disable calls there.
pub fn occupy(kind: u64, _disabled: bool) -> ! {
    // SAFETY: the variable of the occupants.
    unsafe { (&raw mut occupant_kind).write_volatile(kind as u32) };
    set!("4, {}, c12, c0, 0", &raw const occupant_vectors as u32);
    // SAFETY: the stacks are the payload's.
    unsafe { drop() }
}

/// Turns translation and caches of this mode on, one to one.
pub fn translate() {
    let table = &raw mut TABLE;
    // bit 6 is reserved, as one, in HYP mode; elsewhere it admits user mode
    let all = if hyp() { 0x40 } else { 0 };
    // device memory that is not executable, then normal memory
    for (n, attributes) in [
        (0_u64, 1_u64 << 54 | 0x401),
        (1, 0x705),
        (2, 0x705),
        (3, 0x705),
    ] {
        let entry = n << 30 | attributes | all;
        // SAFETY: memory of the payload.
        unsafe { (&raw mut (*table).0[n as usize]).write_volatile(entry) };
    }
    // inner shareable, write-back
    let control = 0x3500 | 1 << 31 | 1 << 23;
    let table = table as u32;
    if hyp() {
        set!("4, {}, c10, c2, 0", 0xff00);
        set!("4, {}, c2, c0, 2", control);
        // SAFETY: the table maps all memory one to one.
        unsafe { asm!("mcrr p15, 4, {}, {}, c2", in(reg) table, in(reg) 0) };
        set!("4, {}, c1, c0, 0", read!("4, {}, c1, c0, 0") | 0x1005);
    } else {
        set!("0, {}, c10, c2, 0", 0xff00);
        set!("0, {}, c2, c0, 2", control);
        // SAFETY: the table maps all memory one to one.
        unsafe { asm!("mcrr p15, 0, {}, {}, c2", in(reg) table, in(reg) 0) };
        set!("0, {}, c1, c0, 0", read!("0, {}, c1, c0, 0") | 0x1005);
    }
}

extern "C" fn arrived(r0: u32, r1: u32, r2: u32, status: u32, sctlr: u32) -> ! {
    conformance::arrived(&Arrival {
        registers: [r0.into(), r1.into(), r2.into()],
        level: (status & 31).into(),
        sctlr: sctlr.into(),
        masks: (status & 0x1c0).into(),
        vhe: false,
    })
}

extern "C" fn unexpected(vector: u32, status: u32, address: u32) -> ! {
    Uart.str("UNEXPECTED ").dec(vector.into());
    Uart.str(" status ")
        .addr(status.into())
        .str(" at ")
        .addr(address.into())
        .str("\n");
    off()
}
