//! ACPI's structures (ACPI 6.5, 5.2).

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Root pointer of ACPI 1.0 (5.2.5.3).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct RsdpV1 {
    /// "RSD PTR ".
    pub signature: [u8; 8],
    /// Makes the sum of the bytes of this structure zero.
    pub checksum: u8,
    /// OEM id.
    pub oem_id: [u8; 6],
    /// 0; 2: this is the start of an [`Rsdp`].
    pub revision: u8,
    /// Address of the RSDT; 0: none.
    pub rsdt: U32,
}

/// Root pointer of ACPI 2.0 and later (5.2.5.3).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct Rsdp {
    /// The first 20 bytes.
    pub v1: RsdpV1,
    /// Bytes of this structure.
    pub length: U32,
    /// Address of the XSDT.
    pub xsdt: U64,
    /// Makes the sum of all bytes zero.
    pub extended_checksum: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

/// Header of each table except FACS (5.2.6).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct TableHeader {
    /// Four letters.
    pub signature: [u8; 4],
    /// Bytes of the table, this header included.
    pub length: U32,
    /// Revision of the table's format.
    pub revision: u8,
    /// Makes the sum of all bytes of the table zero.
    pub checksum: u8,
    /// OEM id.
    pub oem_id: [u8; 6],
    /// OEM's name of the table.
    pub oem_table_id: [u8; 8],
    /// OEM's revision.
    pub oem_revision: U32,
    /// Tool that made the table.
    pub creator_id: [u8; 4],
    /// Its revision.
    pub creator_revision: U32,
}

/// Start of the MADT (5.2.12); entries follow.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct Madt {
    /// "APIC".
    pub header: TableHeader,
    /// Address of each CPU's local APIC.
    pub local_apic: U32,
    /// Bit 0: there are also two 8259 PICs.
    pub flags: U32,
}

/// Start of an entry of the MADT.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct MadtEntry {
    /// [`LocalApic::KIND`], [`LocalX2Apic::KIND`], and others.
    pub kind: u8,
    /// Bytes of the entry, these two included.
    pub length: u8,
}

/// "Processor Local APIC" (5.2.12.2).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct LocalApic {
    /// Type and length.
    pub entry: MadtEntry,
    /// Id of the processor object in the DSDT.
    pub processor: u8,
    /// APIC id.
    pub id: u8,
    /// [`LocalApicFlags`].
    pub flags: U32,
}

impl LocalApic {
    /// Number of this type.
    pub const KIND: u8 = 0;
}

/// "Processor Local x2APIC" (5.2.12.12).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
pub struct LocalX2Apic {
    /// Type and length.
    pub entry: MadtEntry,
    /// Zero.
    pub reserved: U16,
    /// APIC id.
    pub id: U32,
    /// [`LocalApicFlags`].
    pub flags: U32,
    /// Id of the processor object in the DSDT.
    pub processor: U32,
}

impl LocalX2Apic {
    /// Number of this type.
    pub const KIND: u8 = 9;
}

bitflags::bitflags! {
    /// Flags of a processor (table 5.22).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct LocalApicFlags: u32 {
        /// The processor can be used.
        const ENABLED = 1 << 0;
        /// It is not enabled, but may be later.
        const ONLINE_CAPABLE = 1 << 1;
    }
}

const _: () = {
    assert!(size_of::<RsdpV1>() == 20);
    assert!(size_of::<Rsdp>() == 36);
    assert!(size_of::<TableHeader>() == 36);
    assert!(size_of::<Madt>() == 44);
    assert!(size_of::<LocalApic>() == 8);
    assert!(size_of::<LocalX2Apic>() == 16);
};

/// Sets the byte at `at` so that the sum of `bytes` is zero.
pub fn seal(bytes: &mut [u8], at: usize) {
    bytes[at] = 0;
    bytes[at] = 0_u8.wrapping_sub(sum(bytes));
}

/// The sum of all bytes, which is zero in a good table.
pub fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}
