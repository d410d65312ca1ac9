//! Start of the ACPI table DMAR (Intel VT-d specification 4.1, section 8.1).

use std::mem::offset_of;
use xen_shim::acpi::TableHeader;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

bitflags::bitflags! {
    /// Flags of DMAR.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct DmarFlags: u8 {
        /// The platform has interrupt remapping.
        const INTERRUPT_REMAPPING = 1 << 0;
        /// Firmware requests that x2APIC stays off.
        const X2APIC_OPT_OUT = 1 << 1;
        // those that mbtool does not read
        const _ = !0;
    }
}

/// The fields before the remapping structures.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct DmarStart {
    /// "DMAR".
    pub header: TableHeader,
    /// Physical address bits for DMA, minus 1.
    pub host_address_width: u8,
    /// [`DmarFlags`].
    pub flags: u8,
    /// Zero.
    pub reserved: [u8; 10],
}

const _: () = {
    assert!(size_of::<DmarStart>() == 48);
    assert!(offset_of!(DmarStart, flags) == 37);
};
