//! UART registers behind I/O ports and in memory.

// UNSAFETY: I/O ports.
#![expect(unsafe_code)]

use super::cpu;
use crate::abi::{CONSOLE_MMIO, CONSOLE_PIO, SinkRaw};
use crate::mmio::MmioRegisters;
use crate::uart::UartRegisters;

/// A UART's registers.
#[derive(Clone, Copy)]
pub enum Port {
    /// Not a UART: reads as absent.
    None,
    /// I/O ports from here.
    Pio(u16),
    /// Memory.
    Mmio(MmioRegisters),
}

impl Port {
    /// The registers of `sink`.
    #[must_use]
    pub fn new(sink: &SinkRaw) -> Self {
        match sink.kind {
            CONSOLE_PIO => Self::Pio(sink.port),
            CONSOLE_MMIO => Self::Mmio(MmioRegisters::new(sink)),
            _ => Self::None,
        }
    }
}

impl UartRegisters for Port {
    fn read(&mut self, index: u8) -> u8 {
        match *self {
            Self::None => 0xff,
            // SAFETY: the host named the port of a UART; a read of its LSR, or of
            // a port without a device, has no effect on memory.
            Self::Pio(base) => unsafe { cpu::inb(base.wrapping_add(index.into())) },
            Self::Mmio(mut registers) => registers.read(index),
        }
    }

    fn write(&mut self, index: u8, value: u8) {
        match *self {
            Self::None => {}
            // SAFETY: as for `read`; a UART's registers change no memory.
            Self::Pio(base) => unsafe { cpu::outb(base.wrapping_add(index.into()), value) },
            Self::Mmio(mut registers) => registers.write(index, value),
        }
    }
}
