//! Two trees of tables in one block.

use super::table::{AcpiTable, listed};
use super::wire::{Rsdp, RsdpV1, TableHeader, seal};
use super::{AcpiError, RSDP_LEN, madt};
use core::mem::offset_of;
use zerocopy::{FromBytes, IntoBytes};

/// Alignment of tables; RSDPs are searched at multiples of this.
const ALIGN: usize = 16;
/// Offset of the checksum in a table.
const CHECKSUM: usize = offset_of!(TableHeader, checksum);

/// Tables built for a given address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trees {
    /// Contents to load at that address.
    pub bytes: Vec<u8>,
    /// Address of the RSDP of the tree with all processors.
    pub all: u64,
    /// Address of the RSDP of the tree without the boot processor.
    pub others: u64,
}

/// Size of the result of [`build`] in bytes.
///
/// # Errors
///
/// Errors of [`build`], except those about the contents of the MADT.
pub fn len(tables: &[AcpiTable]) -> Result<u64, AcpiError> {
    let listed = listed(tables)?;
    Ok(TreeLayout::new(&listed)?.len as u64)
}

/// Builds both trees for the address `at`, a multiple of 16, from all tables that
/// Linux exports. `boot_cpu` is the APIC id of the boot processor.
///
/// # Errors
///
/// When a table is incomplete (named), or there is no MADT with that processor.
pub fn build(tables: &[AcpiTable], at: u64, boot_cpu: u32) -> Result<Trees, AcpiError> {
    let listed = listed(tables)?;
    let layout = TreeLayout::new(&listed)?;
    let madt = listed[layout.madt];
    let disabled = madt::without(madt, boot_cpu)?;
    let mut bytes = vec![0; layout.len];
    for (table, &place) in listed.iter().zip(&layout.places) {
        put(&mut bytes, place, &table.bytes);
    }
    put(&mut bytes, layout.disabled, &disabled);
    for (table, &place) in listed.iter().zip(&layout.places) {
        if table.bytes.starts_with(b"XMAR") {
            let table = &mut bytes[place..place + table.bytes.len()];
            table[0] = b'D';
            seal(table, CHECKSUM);
        }
    }

    // with the OEM fields of the originals, so that OEM-specific rules still
    // apply
    let (like, _) = TableHeader::read_from_prefix(&madt.bytes).map_err(|_| AcpiError::NoMadt)?;
    for (tree, of_madt) in [layout.places[layout.madt], layout.disabled]
        .into_iter()
        .enumerate()
    {
        let addresses =
            layout.places.iter().enumerate().map(|(index, &place)| {
                at + if index == layout.madt { of_madt } else { place } as u64
            });
        put(&mut bytes, layout.xsdts[tree], &xsdt(addresses, like));
        let rsdp = rsdp(at + layout.xsdts[tree] as u64, like.oem_id);
        put(&mut bytes, tree * STEP, rsdp.as_bytes());
    }
    Ok(Trees {
        bytes,
        all: at,
        others: at + STEP as u64,
    })
}

/// Distance of the two RSDPs.
const STEP: usize = 64;

/// Offsets of all parts.
struct TreeLayout {
    /// The XSDTs: with all processors, and without one.
    xsdts: [usize; 2],
    /// Copies of the tables.
    places: Vec<usize>,
    /// Index of the MADT.
    madt: usize,
    /// The second MADT.
    disabled: usize,
    /// Total size in bytes.
    len: usize,
}

impl TreeLayout {
    fn new(listed: &[&AcpiTable]) -> Result<Self, AcpiError> {
        let is_madt = |table: &&AcpiTable| table.bytes.starts_with(b"APIC");
        let madt = listed.iter().position(is_madt).ok_or(AcpiError::NoMadt)?;
        let mut len = 2 * STEP;
        let mut take = |size: usize| {
            let place = len;
            len = (place + size).next_multiple_of(ALIGN);
            place
        };
        let xsdt = size_of::<TableHeader>() + 8 * listed.len();
        let xsdts = [take(xsdt), take(xsdt)];
        let places = listed.iter().map(|table| take(table.bytes.len())).collect();
        let disabled = take(listed[madt].bytes.len());
        Ok(Self {
            xsdts,
            places,
            madt,
            disabled,
            len,
        })
    }
}

/// Builds a root table for tables at `addresses`, with the OEM fields of
/// `like`.
fn xsdt(addresses: impl ExactSizeIterator<Item = u64>, like: TableHeader) -> Vec<u8> {
    let length = size_of::<TableHeader>() + 8 * addresses.len();
    let header = TableHeader {
        signature: *b"XSDT",
        length: (length as u32).into(),
        revision: 1,
        checksum: 0,
        ..like
    };
    let mut bytes = header.as_bytes().to_vec();
    for address in addresses {
        bytes.extend(address.to_le_bytes());
    }
    seal(&mut bytes, CHECKSUM);
    bytes
}

/// A root pointer of revision 2, without an RSDT.
fn rsdp(xsdt: u64, oem_id: [u8; 6]) -> Rsdp {
    let mut rsdp = Rsdp {
        v1: RsdpV1 {
            signature: *b"RSD PTR ",
            checksum: 0,
            oem_id,
            revision: 2,
            rsdt: 0.into(),
        },
        length: RSDP_LEN.into(),
        xsdt: xsdt.into(),
        extended_checksum: 0,
        reserved: [0; 3],
    };
    // the first checksum is of the ACPI 1.0 part, the second of all
    let bytes = rsdp.as_mut_bytes();
    seal(
        &mut bytes[..size_of::<RsdpV1>()],
        offset_of!(RsdpV1, checksum),
    );
    seal(bytes, offset_of!(Rsdp, extended_checksum));
    rsdp
}

fn put(bytes: &mut [u8], at: usize, part: &[u8]) {
    bytes[at..at + part.len()].copy_from_slice(part);
}
