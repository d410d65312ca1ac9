//! A monitor in machine mode that plays firmware, or hypervisor, for tests of the handoff: enters
//! supervisor mode, or virtual supervisor mode with two-stage translation, at an address from its
//! configuration; answers calls; reports all that comes to machine mode, and powers off.

#![no_std]
#![no_main]

use core::arch::{asm, global_asm};
use core::fmt::{self, Write};

/// Where the configuration is loaded.
const CONFIGURATION: *const Configuration = 0x800f_0000 as *const _;
/// Call of the target: "TARG".
const TARGET: u64 = 0x5441_5247;
/// 16550 of QEMU's virt machine.
const UART: *mut u8 = 0x1000_0000 as *mut u8;
/// Test device of QEMU's virt machine: a write of `PASS` ends QEMU.
const FINISHER: *mut u32 = 0x10_0000 as *mut u32;
const PASS: u32 = 0x5555;

/// Exceptions for supervisor mode: all but calls from it.
const DELEGATED: u64 = 0xb1ff;
/// `sstatus`: previous mode supervisor, floating point on.
const SSTATUS_SPP: u64 = 1 << 8;
const SSTATUS_FS: u64 = 1 << 13;
/// `hstatus`: previously virtual. Its counterpart in `mstatus` is not kept by QEMU 10.0 when it is
/// written, so supervisor mode is entered by `sret`.
const HSTATUS_SPV: u64 = 1 << 7;
/// Calls from supervisor and virtual supervisor mode.
const CALL_FROM_S: u64 = 9;
const CALL_FROM_VS: u64 = 10;

/// What to enter, and how; written by the test.
#[repr(C)]
struct Configuration {
    /// `pc`, `a0`, `a1`, `a2` at the entry.
    entry: u64,
    a0: u64,
    a1: u64,
    a2: u64,
    /// Its `satp`.
    satp: u64,
    /// 1 for virtual supervisor mode.
    virtual_mode: u64,
    /// Console calls: 0 none, 1 legacy, 2 debug console, too.
    console: u64,
}

global_asm!(
    include_str!("start.S"),
    start = sym start,
    trap = sym trap,
    TARGET = const TARGET,
);

unsafe extern "C" {
    static mut guest_tables: [u64; 2048];
    fn enter() -> !;
}

struct Uart;

impl Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(put);
        Ok(())
    }
}

fn put(byte: u8) {
    // SAFETY: QEMU's UART accepts a byte at any time.
    unsafe { UART.write_volatile(byte) };
}

fn off() -> ! {
    // SAFETY: QEMU's test device.
    unsafe { FINISHER.write_volatile(PASS) };
    loop {}
}

macro_rules! read {
    ($register:literal) => {{
        let value: u64;
        // SAFETY: machine mode reads every register.
        unsafe { asm!(concat!("csrr {}, ", $register), out(reg) value) };
        value
    }};
}

macro_rules! write {
    ($register:literal, $value:expr) => {
        // SAFETY: the monitor owns the machine.
        unsafe { asm!(concat!("csrw ", $register, ", {}"), in(reg) $value) }
    };
}

extern "C" fn start() -> ! {
    // SAFETY: the test loads it.
    let c = unsafe { CONFIGURATION.read() };
    // all memory for supervisor mode
    write!("pmpaddr0", u64::MAX >> 10);
    write!("pmpcfg0", 0x1f_u64);
    write!("medeleg", DELEGATED);
    if c.virtual_mode != 0 {
        // 4 GiB one to one, in pages of 1 GiB
        for n in 0..4 {
            // SAFETY: memory of the monitor.
            unsafe { (&raw mut guest_tables[n]).write(((n as u64) << 28) | 0xdf) };
        }
        let root = &raw const guest_tables as u64;
        // by number: the assembler may not know the H extension
        write!("0x680", 8 << 60 | root >> 12); // hgatp
        write!("0x602", DELEGATED); // hedeleg
        write!("0x280", c.satp); // vsatp
        write!("0x600", HSTATUS_SPV); // hstatus
    } else {
        write!("satp", c.satp);
    }
    write!("sstatus", SSTATUS_SPP | SSTATUS_FS);
    write!("sepc", c.entry);
    // SAFETY: enters what the test loaded.
    unsafe {
        asm!("sfence.vma", "j {enter}", enter = sym enter, in("a0") c.a0, in("a1") c.a1,
             in("a2") c.a2, options(noreturn));
    }
}

extern "C" fn trap(x: &mut [u64; 32]) {
    let (cause, pc) = (read!("mcause"), read!("mepc"));
    if cause != CALL_FROM_S && cause != CALL_FROM_VS {
        let _ = writeln!(
            Uart,
            "\nMONITOR cause {cause:#x} mepc {pc:#x} mtval {:#x} mtval2 {:#x}",
            read!("mtval"),
            read!("0x34b"),
        );
        off();
    }
    // SAFETY: the test loads it.
    let c = unsafe { CONFIGURATION.read() };
    let mode = if cause == CALL_FROM_VS { "VS" } else { "S" };
    (x[10], x[11]) = match (x[17], x[16]) {
        (TARGET, _) => {
            let _ = writeln!(
                Uart,
                "\nTARGET mode {mode} at {pc:#x} satp {:#x} sstatus {:#x} a0 {:#x} a1 {:#x}",
                x[12], x[13], x[10], x[11],
            );
            off();
        }
        // specification 2.0, implementation 0x4d (not assigned), version 1
        (0x10, 0) => (0, 2 << 24),
        (0x10, 1) => (0, 0x4d),
        (0x10, 2) => (0, 1),
        (0x4442_434e, 2) if c.console > 1 => {
            put(x[10] as u8);
            (0, 0)
        }
        (1, _) if c.console > 0 => {
            put(x[10] as u8);
            (0, x[11])
        }
        (0x5352_5354, 0) => {
            let _ = writeln!(Uart, "\nMONITOR reset type {}", x[10]);
            off();
        }
        _ => (-2_i64 as u64, 0), // not supported
    };
    write!("mepc", pc + 4);
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let _ = writeln!(Uart, "\nMONITOR panic: {info}");
    off()
}
