//! The console's devices: UARTs in memory, the firmware, the RAM log.

// UNSAFETY: a log at an address from the parameters.
#![expect(unsafe_code)]

use super::abi::{RiscvParams, RiscvScratch};
use super::sbi;
use crate::abi::{CONSOLE_MMIO, CONSOLE_RAM_LOG, CONSOLE_SBI, SinkRaw};
use crate::console::{Driver, Sinks};
use crate::dump::Summed;
use crate::mmio::MmioRegisters;
use crate::{ramlog, uart};

/// This machine's devices.
#[derive(Clone, Copy)]
pub struct RiscvDevices;

impl Driver for RiscvDevices {
    fn send(&mut self, sink: &SinkRaw, byte: Option<u8>) -> bool {
        match (sink.kind, byte) {
            (CONSOLE_MMIO, _) => uart::send(&mut MmioRegisters::new(sink), byte),
            (CONSOLE_SBI, Some(byte)) => sbi::put(byte),
            (CONSOLE_RAM_LOG, Some(byte)) => {
                // SAFETY: the host checked address and size, and keeps the region
                // out of everything that is loaded; `start` attached it.
                unsafe { ramlog::append(sink.addr as *mut _, sink.size, byte) };
                true
            }
            (_, None) => true,
            // I/O ports
            _ => false,
        }
    }
}

/// The console of these parameters; `dead` is [`RiscvScratch::console_dead`].
pub fn console<'a>(params: &'a RiscvParams, dead: &'a mut u32) -> Summed<Sinks<'a, RiscvDevices>> {
    Summed::new(Sinks {
        sinks: &params.sinks,
        dead,
        driver: RiscvDevices,
    })
}

/// Prepares the sinks: programs the UARTs for which a divisor was given, opens
/// the RAM log.
///
/// # Safety
///
/// Devices and RAM log must be mapped, or translation be off.
pub unsafe fn start(params: &RiscvParams, scratch: &mut RiscvScratch) {
    scratch.console_dead = 0;
    for (n, sink) in params.sinks.iter().enumerate() {
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
        scratch.console_dead |= u32::from(dead) << n;
    }
}
