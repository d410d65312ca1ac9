//! A polled PL011 transmitter with bounded waits (Arm PrimeCell UART PL011, DDI 0183; also the generic UART of SBSA,
//! which has a subset of its registers).

// UNSAFETY: device access by address.
#![expect(unsafe_code)]

use crate::uart::POLL_LIMIT;

/// Offset of the data register.
const DR: u64 = 0x00;
/// Offset of the flag register.
const FR: u64 = 0x18;
/// Flag register: the transmitter is busy.
const FR_BUSY: u32 = 1 << 3;
/// Flag register: the transmit FIFO is full.
const FR_TXFF: u32 = 1 << 5;

/// Access to registers of 32 bits.
pub trait Pl011Registers {
    /// Reads the register at an offset.
    fn read(&mut self, offset: u64) -> u32;
    /// Writes the register at an offset.
    fn write(&mut self, offset: u64, value: u32);
}

/// A PL011 at a physical address that is mapped one to one.
#[derive(Clone, Copy, Debug)]
pub struct Pl011At(pub u64);

impl Pl011Registers for Pl011At {
    fn read(&mut self, offset: u64) -> u32 {
        // SAFETY: the host mapped the registers as a device, at a multiple of 4.
        unsafe { ((self.0 + offset) as *const u32).read_volatile() }
    }

    fn write(&mut self, offset: u64, value: u32) {
        // SAFETY: as for `read`; a UART's registers change no memory.
        unsafe { ((self.0 + offset) as *mut u32).write_volatile(value) }
    }
}

/// Sends one byte once the FIFO accepts it, or waits until the last one was transmitted; returns
/// false at the timeout, and at once if no device responds (all bits are 1).
pub fn send(port: &mut impl Pl011Registers, byte: Option<u8>) -> bool {
    let wait = if byte.is_some() { FR_TXFF } else { FR_BUSY };
    for _ in 0..POLL_LIMIT {
        let flags = port.read(FR);
        if flags == !0 {
            return false;
        }
        if flags & wait == 0 {
            if let Some(byte) = byte {
                port.write(DR, byte.into());
            }
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Fake {
        flags: u32,
        reads: u32,
        sent: Vec<(u64, u32)>,
    }

    impl Pl011Registers for &mut Fake {
        fn read(&mut self, offset: u64) -> u32 {
            assert_eq!(offset, 0x18);
            self.reads += 1;
            self.flags
        }
        fn write(&mut self, offset: u64, value: u32) {
            self.sent.push((offset, value));
        }
    }

    #[test]
    fn a_byte_goes_to_a_fifo_that_is_not_full() {
        for (flags, sends, drains) in [
            (0x90, true, true),  // empty, idle
            (0x08, true, false), // busy, with room
            (0x28, false, false),
            (0x20, false, true),
            (!0, false, false),
        ] {
            let fake = || Fake {
                flags,
                ..Fake::default()
            };
            let mut uart = fake();
            assert_eq!(send(&mut &mut uart, Some(b'a')), sends, "{flags:#x}");
            assert_eq!(uart.sent, if sends { vec![(0, 0x61)] } else { vec![] });
            let bound = if flags == !0 { 1 } else { POLL_LIMIT };
            assert_eq!(uart.reads, if sends { 1 } else { bound });
            assert_eq!(send(&mut &mut fake(), None), drains, "{flags:#x}");
        }
    }
}
