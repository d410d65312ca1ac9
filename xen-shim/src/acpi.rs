//! ACPI tables of our own for a Xen that starts on the CPU where another system
//! crashed.
//!
//! Xen starts all CPUs that ACPI's MADT names but the one it runs on, each with an
//! INIT. The processor that firmware started (the boot processor) takes an INIT
//! for a reset of the machine. So a Xen that starts anywhere else must not see it:
//! [`build`] makes a tree of tables, RSDP and XSDT first, and a second one whose
//! MADT has that processor disabled. Who enters Xen takes the one that suits.
//!
//! The tables are the firmware's, as Linux gives them out. FADT goes on pointing
//! to the firmware's own DSDT and FACS. A Xen that hides the IOMMUs from its dom0
//! writes "XMAR" over the signature of DMAR: it is what it was in the copies.

mod madt;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

/// Bytes of an RSDP of ACPI 2.0 and later (ACPI 6.5, 5.2.5.3).
pub const RSDP_LEN: u32 = 36;
/// Bytes of a table's header (5.2.6).
const HEADER: usize = 36;
/// Offset of the length in a header.
const LENGTH: usize = 4;
/// Offset of the checksum in a header.
const CHECKSUM: usize = 9;
/// Tables begin at multiples of this; RSDPs are looked for at those.
const ALIGN: usize = 16;
/// More tables than any machine has.
const MAX_TABLES: usize = 1024;
/// More bytes of them.
const MAX_BYTES: usize = 16 << 20;
/// Tables that FADT points to, and no root table.
const NOT_LISTED: [&[u8]; 2] = [b"DSDT", b"FACS"];

/// One of the firmware's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// What its file is called: "APIC", "SSDT2".
    pub name: String,
    /// All of it.
    pub bytes: Vec<u8>,
}

/// Tables, ready for the address that they were built for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trees {
    /// To be loaded there.
    pub bytes: Vec<u8>,
    /// Address of the RSDP of the tree with all processors.
    pub all: u64,
    /// Address of the RSDP of the tree without the boot processor.
    pub others: u64,
}

/// Tables that nothing can be made of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcpiError {
    /// No table at all.
    #[error("there are no ACPI tables")]
    None,
    /// Not a table.
    #[error("ACPI table {name}: {found}")]
    Bad {
        /// Its file name.
        name: String,
        /// What is wrong.
        found: String,
    },
    /// More than a machine has.
    #[error(
        "{count} ACPI tables with {bytes} bytes: at most {MAX_TABLES} with {MAX_BYTES} bytes are taken"
    )]
    TooMuch {
        /// Tables.
        count: usize,
        /// Their bytes.
        bytes: usize,
    },
    /// No list of processors.
    #[error("there is no ACPI table APIC (MADT), which names the processors")]
    NoMadt,
    /// The processor is not in it.
    #[error("ACPI table {name} has no enabled processor with APIC id {apic_id}")]
    NoProcessor {
        /// Its file name.
        name: String,
        /// Looked for.
        apic_id: u32,
    },
}

/// Bytes that [`build`] will need.
///
/// # Errors
///
/// As [`build`]'s, but for the contents of the MADT.
pub fn len(tables: &[Table]) -> Result<u64, AcpiError> {
    let listed = listed(tables)?;
    Ok(Plan::new(&listed)?.len as u64)
}

/// Builds both trees for the address `at`, a multiple of 16, from all tables that
/// Linux gives out. `boot_cpu` is the APIC id of the boot processor.
///
/// # Errors
///
/// A table that is not whole, by name; no MADT, or none that has the processor.
pub fn build(tables: &[Table], at: u64, boot_cpu: u32) -> Result<Trees, AcpiError> {
    let listed = listed(tables)?;
    let plan = Plan::new(&listed)?;
    let madt = listed[plan.madt];
    let disabled = madt::without(madt, boot_cpu)?;
    let mut bytes = vec![0; plan.len];
    for (table, &place) in listed.iter().zip(&plan.places) {
        put(&mut bytes, place, &table.bytes);
    }
    put(&mut bytes, plan.disabled, &disabled);
    for &place in &plan.places {
        if bytes[place..].starts_with(b"XMAR") {
            let length = word(&bytes, place + LENGTH).unwrap_or(0) as usize;
            let table = &mut bytes[place..place + length];
            table[0] = b'D';
            seal(table, CHECKSUM);
        }
    }

    // the originals' maker, so that what goes by it still does
    let oem: [u8; 6] = madt.bytes[10..16].try_into().unwrap_or_default();
    for (tree, of_madt) in [plan.places[plan.madt], plan.disabled]
        .into_iter()
        .enumerate()
    {
        let addresses =
            plan.places.iter().enumerate().map(|(index, &place)| {
                at + if index == plan.madt { of_madt } else { place } as u64
            });
        put(&mut bytes, plan.xsdts[tree], &xsdt(addresses, &madt.bytes));
        let rsdp = rsdp(at + plan.xsdts[tree] as u64, oem);
        put(&mut bytes, tree * STEP, &rsdp);
    }
    Ok(Trees {
        bytes,
        all: at,
        others: at + STEP as u64,
    })
}

/// Between the two RSDPs.
const STEP: usize = 64;

/// Offsets of everything.
struct Plan {
    /// The XSDTs: with all processors, and without one.
    xsdts: [usize; 2],
    /// Copies of the tables.
    places: Vec<usize>,
    /// Index of the MADT.
    madt: usize,
    /// The second MADT.
    disabled: usize,
    /// Bytes of it all.
    len: usize,
}

impl Plan {
    fn new(listed: &[&Table]) -> Result<Self, AcpiError> {
        let is_madt = |table: &&Table| table.bytes.starts_with(b"APIC");
        let madt = listed.iter().position(is_madt).ok_or(AcpiError::NoMadt)?;
        let mut len = 2 * STEP;
        let mut take = |size: usize| {
            let place = len;
            len = (place + size).next_multiple_of(ALIGN);
            place
        };
        let xsdt = HEADER + 8 * listed.len();
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

/// The tables that belong into a root table, each looked at, by name.
fn listed(tables: &[Table]) -> Result<Vec<&Table>, AcpiError> {
    if tables.is_empty() {
        return Err(AcpiError::None);
    }
    let bytes = tables
        .iter()
        .fold(0_usize, |sum, table| sum.saturating_add(table.bytes.len()));
    let count = tables.len();
    if count > MAX_TABLES || bytes > MAX_BYTES {
        return Err(AcpiError::TooMuch { count, bytes });
    }
    let mut listed = Vec::with_capacity(count);
    for table in tables {
        let signature = table.bytes.get(..4).unwrap_or_default();
        if !NOT_LISTED.contains(&signature) {
            check(table)?;
            listed.push(table);
        }
    }
    listed.sort_by(|one, other| by_number(&one.name, &other.name));
    Ok(listed)
}

/// SSDT2 comes before SSDT10: the order that firmware listed them in.
fn by_number(one: &str, other: &str) -> Ordering {
    let split = |name: &str| {
        let word = name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        (name[..word].to_owned(), name[word..].parse::<u64>().ok())
    };
    split(one).cmp(&split(other)).then_with(|| one.cmp(other))
}

/// Looks at a table's header. A bad checksum is left to those who read it: Linux
/// works with such tables, and so does Xen.
fn check(table: &Table) -> Result<(), AcpiError> {
    let bad = |found: String| {
        Err(AcpiError::Bad {
            name: table.name.clone(),
            found,
        })
    };
    let bytes = &table.bytes;
    if bytes.len() < HEADER {
        return bad(format!(
            "has {} bytes, a table has {HEADER} at least",
            bytes.len()
        ));
    }
    let signature = &bytes[..4];
    let printable = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'!';
    if !signature.iter().all(printable) {
        return bad(format!("has no signature: it begins {signature:02x?}"));
    }
    let length = word(bytes, LENGTH).unwrap_or(0) as usize;
    if length != bytes.len() {
        return bad(format!(
            "has {} bytes, its header says {length}",
            bytes.len()
        ));
    }
    Ok(())
}

/// A root table for tables at `addresses`, by the maker of `like`.
fn xsdt(addresses: impl ExactSizeIterator<Item = u64>, like: &[u8]) -> Vec<u8> {
    let length = HEADER + 8 * addresses.len();
    let mut bytes = Vec::with_capacity(length);
    bytes.extend(b"XSDT");
    bytes.extend((length as u32).to_le_bytes());
    // revision, checksum
    bytes.extend([1, 0]);
    // OEM and creator, with their revisions
    bytes.extend(&like[10..HEADER]);
    for address in addresses {
        bytes.extend(address.to_le_bytes());
    }
    seal(&mut bytes, CHECKSUM);
    bytes
}

/// A root pointer of revision 2, without an RSDT.
fn rsdp(xsdt: u64, oem: [u8; 6]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(RSDP_LEN as usize);
    bytes.extend(b"RSD PTR \0");
    bytes.extend(oem);
    bytes.push(2);
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(RSDP_LEN.to_le_bytes());
    bytes.extend(xsdt.to_le_bytes());
    bytes.resize(RSDP_LEN as usize, 0);
    // the first for ACPI 1.0's part, the second for all
    seal(&mut bytes[..20], 8);
    seal(&mut bytes, 32);
    bytes
}

/// Makes the sum of `bytes` zero by the one at `at`.
fn seal(bytes: &mut [u8], at: usize) {
    bytes[at] = 0;
    bytes[at] = 0_u8.wrapping_sub(sum(bytes));
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

fn put(bytes: &mut [u8], at: usize, part: &[u8]) {
    bytes[at..at + part.len()].copy_from_slice(part);
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(word.try_into().ok()?))
}
