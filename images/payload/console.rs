//! Output to COM1, with bounded waits, and to QEMU's debug console.

// UNSAFETY: port I/O.
#![expect(unsafe_code)]

use crate::json::Sink;
use core::arch::asm;

/// First port of the UART (16550 register block).
const COM1: u16 = 0x3f8;
/// Line status register; bit 5 is "transmitter can take a byte".
const COM1_STATUS: u16 = COM1 + 5;
/// Port where QEMU and Bochs print every byte written to it.
const DEBUG_CONSOLE: u16 = 0xe9;
/// Port of QEMU's `isa-debug-exit` device.
const DEBUG_EXIT: u16 = 0xf4;
/// Value read from a port without a device.
const NO_DEVICE: u8 = 0xff;
/// Port reads for about ten seconds.
const MOST_EXIT_POLLS: u32 = 10_000_000;
/// Polls before a UART counts as stuck: more than 100 ms at ISA speed, while a
/// byte at 9600 baud takes 1 ms.
const MOST_POLLS: u32 = 100_000;

/// Writes `value` to `port`.
fn outb(port: u16, value: u8) {
    // SAFETY: the ports used in this file belong to devices whose data
    // registers have no effect on memory.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack)) };
}

/// Reads `port`.
fn inb(port: u16) -> u8 {
    let value: u8;
    // SAFETY: reading a line status register has no effect on memory.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack)) };
    value
}

/// Both outputs.
pub struct Console {
    com1_works: bool,
}

impl Console {
    /// Uses COM1 with the current baud rate and format.
    pub fn new() -> Self {
        Self { com1_works: true }
    }
}

impl Sink for Console {
    fn byte(&mut self, byte: u8) {
        outb(DEBUG_CONSOLE, byte);
        if !self.com1_works {
            return;
        }
        for _ in 0..MOST_POLLS {
            if inb(COM1_STATUS) & 0x20 != 0 {
                outb(COM1, byte);
                return;
            }
        }
        self.com1_works = false; // stuck once: never wait for it again
    }
}

/// Ends QEMU with exit status `code * 2 + 1`; continues if there is no such device.
/// QEMU 10 ends at the next run of its main loop: until then the CPU runs, and
/// another write to the port would change the status.
pub fn exit_qemu(code: u8) {
    outb(DEBUG_EXIT, code);
    for _ in 0..MOST_EXIT_POLLS {
        if inb(DEBUG_EXIT) == NO_DEVICE {
            return;
        }
    }
}
