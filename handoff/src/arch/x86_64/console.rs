//! The console's devices: UARTs, QEMU's debug port, the RAM log.

// UNSAFETY: I/O ports, and a log at an address from the parameters.
#![expect(unsafe_code)]

use super::cpu;
use super::port::Port;
use crate::abi::{
    CONSOLE_DEBUGCON, CONSOLE_MMIO, CONSOLE_PIO, CONSOLE_RAM_LOG, Params, Scratch, SinkRaw,
};
pub use crate::console::only_in_memory;
use crate::console::{Driver, Sinks, UNMAPPED, in_memory};
use crate::dump::Summed;
use crate::{ramlog, uart};

/// This machine's devices.
#[derive(Clone, Copy)]
pub struct Devices;

impl Driver for Devices {
    fn send(&mut self, sink: &SinkRaw, byte: Option<u8>) -> bool {
        match (sink.kind, byte) {
            (CONSOLE_PIO | CONSOLE_MMIO, _) => return uart::send(&mut Port::new(sink), byte),
            // SAFETY: QEMU's and Bochs' debug port takes a byte; a machine
            // without it ignores the write.
            (CONSOLE_DEBUGCON, Some(byte)) => unsafe { cpu::outb(sink.port, byte) },
            // SAFETY: the host checked address and size, and keeps the region
            // out of everything that is loaded; `start` attached it.
            (CONSOLE_RAM_LOG, Some(byte)) => unsafe {
                ramlog::append(sink.addr as *mut ramlog::LogHeader, sink.size, byte);
            },
            _ => {}
        }
        true
    }
}

/// The console of these parameters; `dead` is [`Scratch::console_dead`].
pub fn console<'a>(params: &'a Params, dead: &'a mut u32) -> Summed<Sinks<'a, Devices>> {
    Summed::new(Sinks {
        sinks: &params.sinks,
        dead,
        driver: Devices,
    })
}

/// Prepares the sinks: disables addresses beyond the CPU's physical address
/// width, programs the UARTs for which a divisor was given, opens the RAM log.
///
/// # Safety
///
/// CPL 0; with `mapped` our own page tables are loaded. Without, nothing in
/// memory space is touched.
pub unsafe fn start(params: &Params, scratch: &mut Scratch, mapped: bool) {
    scratch.console_dead = if mapped { 0 } else { UNMAPPED };
    let bits = cpu::physical_bits();
    for (n, sink) in params.sinks.iter().enumerate() {
        if !mapped && in_memory(sink.kind) {
            continue;
        }
        let dead = match sink.kind {
            CONSOLE_MMIO | CONSOLE_RAM_LOG if sink.addr.checked_shr(bits) != Some(0) => true,
            CONSOLE_PIO | CONSOLE_MMIO if sink.divisor != 0 => {
                !uart::program(&mut Port::new(sink), sink.divisor)
            }
            CONSOLE_RAM_LOG => {
                // SAFETY: mapped by our tables; address and size as in `send`.
                unsafe { ramlog::attach(sink.addr as *mut ramlog::LogHeader, sink.size) };
                false
            }
            _ => false,
        };
        scratch.console_dead |= u32::from(dead) << n;
    }
}
