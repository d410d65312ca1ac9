//! UART registers in memory.

// UNSAFETY: device access by address.
#![expect(unsafe_code)]

use crate::abi::SinkRaw;
use crate::uart::UartRegisters;

/// Registers at a physical address that is mapped one to one.
#[derive(Clone, Copy)]
pub struct MmioRegisters {
    base: u64,
    stride: u8,
    width: u8,
}

impl MmioRegisters {
    /// The registers of a sink in memory.
    #[must_use]
    pub const fn new(sink: &SinkRaw) -> Self {
        Self {
            base: sink.addr,
            stride: sink.stride,
            width: sink.width,
        }
    }

    fn address(self, index: u8) -> u64 {
        self.base + u64::from(index) * u64::from(self.stride)
    }
}

impl UartRegisters for MmioRegisters {
    fn read(&mut self, index: u8) -> u8 {
        let addr = self.address(index);
        // SAFETY: the host mapped 8 * stride bytes at `base` uncached and
        // checked that `base` is a multiple of the width.
        unsafe {
            match self.width {
                32 => (addr as *const u32).read_volatile() as u8,
                16 => (addr as *const u16).read_volatile() as u8,
                _ => (addr as *const u8).read_volatile(),
            }
        }
    }

    fn write(&mut self, index: u8, value: u8) {
        let addr = self.address(index);
        // SAFETY: as for `read`; a UART's registers change no memory.
        unsafe {
            match self.width {
                32 => (addr as *mut u32).write_volatile(value.into()),
                16 => (addr as *mut u16).write_volatile(value.into()),
                _ => (addr as *mut u8).write_volatile(value),
            }
        }
    }
}
