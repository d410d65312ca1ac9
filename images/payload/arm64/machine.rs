//! The machine: EL2, EL1, their registers.

use core::arch::{asm, global_asm};

use handoff::print::Print;

use super::conformance::{self, Arrival, STAY, Uart, configuration, hyp};

/// PSCI: switch off.
const SYSTEM_OFF: u64 = 0x8400_0008;

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
    static mut occupant_kind: u64;
}

/// Identity map of 4 GiB.
#[repr(C, align(4096))]
struct Table([u64; 512]);
static mut TABLE: Table = Table([0; 512]);

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
        // SAFETY: the payload owns the machine.
        unsafe { asm!(concat!("msr ", $register, ", {}"), "isb", in(reg) value) }
    }};
}

pub fn level() -> u64 {
    read!("CurrentEL") >> 2
}

pub fn vectors() -> u64 {
    read!("vbar_el1")
}

pub fn masks() -> u64 {
    read!("daif")
}

pub fn target() -> usize {
    restart_target as *const () as usize
}

/// Ends QEMU. Firmware's calls are `hvc` on a machine without EL2, else `smc`.
pub fn off() -> ! {
    if !hyp() && configuration().occupant == STAY {
        // SAFETY: ends QEMU.
        unsafe { asm!("hvc #0", in("x0") SYSTEM_OFF, options(noreturn)) };
    }
    // SAFETY: ends QEMU.
    unsafe { asm!("smc #0", in("x0") SYSTEM_OFF, options(noreturn)) };
}

/// Turns VHE on: `E2H`, `TGE`, and EL1 is AArch64.
pub fn vhe() {
    set!("hcr_el2", 1_u64 << 34 | 1 << 31 | 1 << 27);
    set!("cpacr_el1", 3_u64 << 20);
}

/// Installs an occupant, and leaves EL2.
pub fn occupy(kind: u64, disabled: bool) -> ! {
    // SAFETY: the variable of the occupants.
    unsafe { (&raw mut occupant_kind).write_volatile(kind) };
    set!("vbar_el2", &raw const occupant_vectors as u64);
    if disabled {
        // HCD
        set!("hcr_el2", 1_u64 << 31 | 1 << 29);
    }
    // SAFETY: the stacks are the payload's.
    unsafe { drop() }
}

/// Turns translation and caches of this level on, one to one.
pub fn translate() {
    let table = &raw mut TABLE;
    // device memory that is not executable, then normal memory
    for (n, attributes) in [
        (0_u64, 1_u64 << 54 | 0x401),
        (1, 0x705),
        (2, 0x705),
        (3, 0x705),
    ] {
        // SAFETY: memory of the payload.
        unsafe { (&raw mut (*table).0[n as usize]).write_volatile(n << 30 | attributes) };
    }
    let mair = 0xff00_u64;
    // 4 GiB, 4 KiB pages, inner shareable, write-back
    let tcr = 0x3520_u64;
    if hyp() {
        set!("mair_el2", mair);
        set!("tcr_el2", tcr | 1 << 31 | 1 << 23);
        set!("ttbr0_el2", table as u64);
        set!("sctlr_el2", read!("sctlr_el2") | 0x1005);
    } else {
        set!("mair_el1", mair);
        set!("tcr_el1", tcr | 1 << 23);
        set!("ttbr0_el1", table as u64);
        set!("sctlr_el1", read!("sctlr_el1") | 0x1005);
    }
}

extern "C" fn arrived(
    x0: u64,
    x1: u64,
    x2: u64,
    masks: u64,
    level: u64,
    sctlr: u64,
    hcr: u64,
) -> ! {
    conformance::arrived(&Arrival {
        registers: [x0, x1, x2],
        level: level >> 2,
        sctlr,
        masks,
        vhe: hcr >> 34 & 1 != 0,
    })
}

extern "C" fn unexpected(vector: u64, level: u64, esr: u64, elr: u64, far: u64) -> ! {
    Uart.str("UNEXPECTED ")
        .addr(vector)
        .str(" level ")
        .dec(level >> 2);
    Uart.str(" esr ")
        .addr(esr)
        .str(" elr ")
        .addr(elr)
        .str(" far ")
        .addr(far)
        .str("\n");
    off()
}
