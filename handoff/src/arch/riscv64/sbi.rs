//! Calls of the firmware: Supervisor Binary Interface 2.0 (RISC-V SBI
//! specification, chapters 4, 5, 10 and 12).

// UNSAFETY: environment calls.
#![expect(unsafe_code)]

use core::arch::asm;

/// Base extension: facts about the firmware.
const BASE: u64 = 0x10;
/// Debug console extension, "DBCN".
const DEBUG_CONSOLE: u64 = 0x4442_434e;
/// Debug console: write one byte.
const WRITE_BYTE: u64 = 2;
/// System reset extension, "SRST".
const SYSTEM_RESET: u64 = 0x5352_5354;
/// Cold reboot.
const COLD_REBOOT: u64 = 1;
/// Legacy extension: put a character.
const LEGACY_PUTCHAR: u64 = 1;
/// Legacy extension: shut the machine down.
const LEGACY_SHUTDOWN: u64 = 8;

/// Error and value of a call.
struct SbiAnswer {
    error: u64,
    value: u64,
}

fn call(extension: u64, function: u64, a0: u64, a1: u64) -> SbiAnswer {
    let (error, value);
    // SAFETY: the calls of this file change no memory of ours; the firmware
    // preserves all registers but a0 and a1.
    unsafe {
        asm!("ecall", inout("a0") a0 => error, inout("a1") a1 => value, in("a2") 0,
             in("a6") function, in("a7") extension);
    }
    SbiAnswer { error, value }
}

/// Facts about the firmware.
#[derive(Clone, Copy)]
pub struct SbiFirmware {
    /// Version of the interface: major number in bits 24 to 30, minor number
    /// below.
    pub interface: u64,
    /// Implementation: 1 is OpenSBI, 3 is KVM.
    pub implementation: u64,
    /// Its version.
    pub version: u64,
}

/// Asks the firmware for its facts.
pub fn firmware() -> SbiFirmware {
    let fact = |function| call(BASE, function, 0, 0).value;
    SbiFirmware {
        interface: fact(0),
        implementation: fact(1),
        version: fact(2),
    }
}

/// Prints a byte; returns false if the firmware has no console.
pub fn put(byte: u8) -> bool {
    call(DEBUG_CONSOLE, WRITE_BYTE, byte.into(), 0).error == 0
        || call(LEGACY_PUTCHAR, 0, byte.into(), 0).error == 0
}

/// Resets the machine; returns if the firmware does not.
pub fn reset() {
    call(SYSTEM_RESET, 0, COLD_REBOOT, 0);
    call(LEGACY_SHUTDOWN, 0, 0, 0);
}
