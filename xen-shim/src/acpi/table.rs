//! Firmware's tables, checked.

use super::AcpiError;
use super::wire::TableHeader;
use std::cmp::Ordering;
use zerocopy::FromBytes;

/// More tables than any machine has.
pub(super) const MAX_TABLES: usize = 1024;
/// More bytes of them.
pub(super) const MAX_BYTES: usize = 16 << 20;
/// Tables that FADT points to, and no root table.
const NOT_LISTED: [&[u8]; 2] = [b"DSDT", b"FACS"];

/// One of the firmware's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcpiTable {
    /// File name: "APIC", "SSDT2".
    pub name: String,
    /// All of it.
    pub bytes: Vec<u8>,
}

/// The tables that belong into a root table, each looked at, by name.
pub(super) fn listed(tables: &[AcpiTable]) -> Result<Vec<&AcpiTable>, AcpiError> {
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

/// Checks a table's header, but not its checksum: Linux and Xen use tables with a bad one.
fn check(table: &AcpiTable) -> Result<(), AcpiError> {
    let bad = |found: String| {
        Err(AcpiError::Bad {
            name: table.name.clone(),
            found,
        })
    };
    let bytes = &table.bytes;
    let Ok((header, _)) = TableHeader::read_from_prefix(bytes) else {
        return bad(format!(
            "has {} bytes, a table has {} at least",
            bytes.len(),
            size_of::<TableHeader>()
        ));
    };
    let signature = header.signature;
    let printable = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'!';
    if !signature.iter().all(printable) {
        return bad(format!("has no signature: it begins {signature:02x?}"));
    }
    let length = header.length.get() as usize;
    if length != bytes.len() {
        return bad(format!(
            "has {} bytes, its header says {length}",
            bytes.len()
        ));
    }
    Ok(())
}
