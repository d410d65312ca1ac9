//! The ACPI table SPCR, "Serial Port Console Redirection" (Microsoft's specification, revisions 1.02 to 1.10), and the
//! Generic Address Structure (ACPI 6.5, 5.2.3.2).

use std::mem::offset_of;
use xen_shim::acpi::TableHeader;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Where a register is.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub struct GenericAddress {
    /// 0 memory, 1 I/O ports.
    pub space: u8,
    pub bit_width: u8,
    pub bit_offset: u8,
    pub access_size: u8,
    pub address: U64,
}

/// The fields that every revision has.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub struct SpcrTable {
    /// "SPCR".
    pub header: TableHeader,
    pub interface_type: u8,
    pub reserved: [u8; 3],
    pub base_address: GenericAddress,
    pub interrupt_type: u8,
    pub irq: u8,
    pub global_interrupt: U32,
    pub baud_rate: u8,
    pub parity: u8,
    pub stop_bits: u8,
    pub flow_control: u8,
    pub terminal_type: u8,
    pub language: u8,
    /// 0xffff: not a PCI device.
    pub pci_device: U16,
    pub pci_vendor: U16,
    pub pci_bus: u8,
    pub pci_device_number: u8,
    pub pci_function: u8,
    pub pci_flags: U32,
    pub pci_segment: u8,
    pub uart_clock: U32,
}

/// Revision 4 and later: follows [`SpcrTable`]; 0: the rate is in `baud_rate`.
pub type PreciseBaudRate = U32;

const _: () = {
    assert!(size_of::<TableHeader>() == 36);
    assert!(size_of::<GenericAddress>() == 12);
    assert!(size_of::<SpcrTable>() == 80);
    assert!(offset_of!(SpcrTable, baud_rate) == 58);
    assert!(offset_of!(SpcrTable, pci_device) == 64);
    assert!(offset_of!(SpcrTable, pci_segment) == 75);
};
