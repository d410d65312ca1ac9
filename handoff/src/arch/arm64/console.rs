//! The console's devices: all are in memory.

use crate::abi::{DtParams, SinkRaw};
use crate::console::{Driver, Sinks};
use crate::devices;
use crate::dump::Summed;

/// This machine's devices.
#[derive(Clone, Copy)]
pub struct Arm64Devices;

impl Driver for Arm64Devices {
    fn send(&mut self, sink: &SinkRaw, byte: Option<u8>) -> bool {
        devices::send(sink, byte).unwrap_or(byte.is_none())
    }
}

/// The console of these parameters; `dead` is
/// [`Arm64Scratch::console_dead`](super::abi::Arm64Scratch::console_dead).
pub fn console<'a>(params: &'a DtParams, dead: &'a mut u32) -> Summed<Sinks<'a, Arm64Devices>> {
    Summed::new(Sinks {
        sinks: &params.sinks,
        dead,
        driver: Arm64Devices,
    })
}
