//! UART registers behind I/O ports and in memory.

// UNSAFETY: device access.
#![expect(unsafe_code)]

use super::cpu;
use crate::abi::{CONSOLE_MMIO, CONSOLE_PIO, SinkRaw};
use crate::uart::UartRegisters;

/// A UART's registers.
#[derive(Clone, Copy)]
pub enum Port {
    /// Not a UART: reads as absent.
    None,
    /// I/O ports from here.
    Pio(u16),
    /// Memory: address, stride in bytes, access width in bits.
    Mmio(u64, u8, u8),
}

impl Port {
    /// The registers of `sink`.
    #[must_use]
    pub fn new(sink: &SinkRaw) -> Self {
        match sink.kind {
            CONSOLE_PIO => Self::Pio(sink.port),
            CONSOLE_MMIO => Self::Mmio(sink.addr, sink.stride, sink.width),
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
            Self::Mmio(base, stride, width) => {
                let addr = base + u64::from(index) * u64::from(stride);
                // SAFETY: the host mapped 8 * stride bytes at `base` uncached and
                // checked that `base` is a multiple of the width.
                unsafe {
                    match width {
                        32 => (addr as *const u32).read_volatile() as u8,
                        16 => (addr as *const u16).read_volatile() as u8,
                        _ => (addr as *const u8).read_volatile(),
                    }
                }
            }
        }
    }

    fn write(&mut self, index: u8, value: u8) {
        match *self {
            Self::None => {}
            // SAFETY: as for `read`; a UART's registers change no memory.
            Self::Pio(base) => unsafe { cpu::outb(base.wrapping_add(index.into()), value) },
            Self::Mmio(base, stride, width) => {
                let addr = base + u64::from(index) * u64::from(stride);
                // SAFETY: as for `read`.
                unsafe {
                    match width {
                        32 => (addr as *mut u32).write_volatile(value.into()),
                        16 => (addr as *mut u16).write_volatile(value.into()),
                        _ => (addr as *mut u8).write_volatile(value),
                    }
                }
            }
        }
    }
}
