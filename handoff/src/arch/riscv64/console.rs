//! The console's devices: those in memory, and the firmware.

use super::sbi;
use crate::abi::{CONSOLE_SBI, DtParams, SinkRaw};
use crate::console::{Driver, Sinks};
use crate::devices;
use crate::dump::Summed;

/// This machine's devices.
#[derive(Clone, Copy)]
pub struct RiscvDevices;

impl Driver for RiscvDevices {
    fn send(&mut self, sink: &SinkRaw, byte: Option<u8>) -> bool {
        match (devices::send(sink, byte), sink.kind, byte) {
            (Some(sent), _, _) => sent,
            (None, CONSOLE_SBI, Some(byte)) => sbi::put(byte),
            (None, _, None) => true,
            // I/O ports
            (None, _, Some(_)) => false,
        }
    }
}

/// The console of these parameters; `dead` is
/// [`RiscvScratch::console_dead`](super::abi::RiscvScratch::console_dead).
pub fn console<'a>(params: &'a DtParams, dead: &'a mut u32) -> Summed<Sinks<'a, RiscvDevices>> {
    Summed::new(Sinks {
        sinks: &params.sinks,
        dead,
        driver: RiscvDevices,
    })
}
