//! The header of a PCI function's configuration space (PCI Local Bus 3.0, 6.1 and 6.2).

use std::mem::offset_of;
use zerocopy::byteorder::little_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

bitflags::bitflags! {
    /// The command register.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct PciCommand: u16 {
        /// Decodes I/O ports.
        const IO = 1 << 0;
        /// Decodes memory.
        const MEMORY = 1 << 1;
        /// May access memory by itself.
        const BUS_MASTER = 1 << 2;
        // the rest is written back as it is read
        const _ = !0;
    }
}

/// The fields that all functions have.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub struct PciHeader {
    /// 0xffff: the device is switched off.
    pub vendor: U16,
    pub device: U16,
    /// [`PciCommand`].
    pub command: U16,
    pub status: U16,
    pub revision: u8,
    pub interface: u8,
    pub subclass: u8,
    pub class: u8,
    pub cache_line: u8,
    pub latency: u8,
    /// 0: an endpoint; bit 7: the device has several functions.
    pub header_type: u8,
    pub bist: u8,
}

/// Offset of the command register.
pub const COMMAND: u64 = offset_of!(PciHeader, command) as u64;

const _: () = {
    assert!(size_of::<PciHeader>() == 16);
    assert!(COMMAND == 4);
    assert!(offset_of!(PciHeader, header_type) == 14);
};
