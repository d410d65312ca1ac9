//! Consoles in memory, on machines with a device tree: UARTs and the RAM log.

// UNSAFETY: a log at an address from the parameters.
#![expect(unsafe_code)]

use crate::abi::{CONSOLE_MMIO, CONSOLE_PL011, CONSOLE_RAM_LOG, DtParams, MAX_SINKS, SinkRaw};
use crate::console::{Driver, Sinks};
use crate::dump::Summed;
use crate::mmio::MmioRegisters;
use crate::pl011::{self, Pl011At};
use crate::{ramlog, uart};

/// Sends one byte, or waits until the last one has been transmitted; false at the timeout. `None` for
/// a sink that is not in memory.
pub fn send(sink: &SinkRaw, byte: Option<u8>) -> Option<bool> {
    match (sink.kind, byte) {
        (CONSOLE_MMIO, _) => Some(uart::send(&mut MmioRegisters::new(sink), byte)),
        (CONSOLE_PL011, _) => Some(pl011::send(&mut Pl011At(sink.addr), byte)),
        (CONSOLE_RAM_LOG, Some(byte)) => {
            // SAFETY: the host checked address and size, and keeps the region out of everything that
            // is loaded; `start` attached it.
            unsafe { ramlog::append(sink.addr as *mut _, sink.size, byte) };
            Some(true)
        }
        (CONSOLE_RAM_LOG, None) => Some(true),
        _ => None,
    }
}

/// The devices of a machine without I/O ports and without a firmware that prints.
#[derive(Clone, Copy)]
pub struct MemoryDevices;

impl Driver for MemoryDevices {
    fn send(&mut self, sink: &SinkRaw, byte: Option<u8>) -> bool {
        send(sink, byte).unwrap_or(byte.is_none())
    }
}

/// The console of these parameters; `dead` has the bits of [`Sinks::dead`].
pub fn console<'a>(params: &'a DtParams, dead: &'a mut u32) -> Summed<Sinks<'a, MemoryDevices>> {
    Summed::new(Sinks {
        sinks: &params.sinks,
        dead,
        driver: MemoryDevices,
    })
}

/// Prepares the sinks: programs the UARTs for which a divisor was given, opens the RAM log. Returns
/// bit n for a sink n that failed.
///
/// # Safety
///
/// Devices and RAM log must be mapped, or translation be off.
pub unsafe fn start(sinks: &[SinkRaw; MAX_SINKS]) -> u32 {
    let mut failed = 0;
    for (n, sink) in sinks.iter().enumerate() {
        let dead = match sink.kind {
            CONSOLE_MMIO if sink.divisor != 0 => {
                !uart::program(&mut MmioRegisters::new(sink), sink.divisor)
            }
            CONSOLE_RAM_LOG => {
                // SAFETY: mapped; address and size as in `send`.
                unsafe { ramlog::attach(sink.addr as *mut _, sink.size) };
                false
            }
            _ => false,
        };
        failed |= u32::from(dead) << n;
    }
    failed
}
