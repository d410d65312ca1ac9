//! Checks firmware's tables.

use super::wire::TableHeader;
use super::{AcpiError, TableDefect};
use std::cmp::Ordering;
use zerocopy::FromBytes;

/// Maximum number of tables.
pub(super) const MAX_TABLES: usize = 1024;
/// Maximum total size of tables in bytes.
pub(super) const MAX_BYTES: usize = 16 << 20;
/// Tables that FADT points to, which are not listed in a root table.
const NOT_LISTED: [&[u8]; 2] = [b"DSDT", b"FACS"];

/// One of the firmware's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcpiTable {
    /// File name: "APIC", "SSDT2".
    pub name: String,
    /// Contents.
    pub bytes: Vec<u8>,
}

/// Returns the tables that belong in a root table, after checking each, sorted
/// by name.
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

/// Orders SSDT2 before SSDT10, as in firmware's list.
fn by_number(one: &str, other: &str) -> Ordering {
    let split = |name: &str| {
        let word = name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        (name[..word].to_owned(), name[word..].parse::<u64>().ok())
    };
    split(one).cmp(&split(other)).then_with(|| one.cmp(other))
}

/// Checks a table's header, but not its checksum: Linux and Xen accept a wrong one.
fn check(table: &AcpiTable) -> Result<(), AcpiError> {
    let bad = |found| {
        Err(AcpiError::Bad {
            name: table.name.clone(),
            found,
        })
    };
    let bytes = &table.bytes;
    let Ok((header, _)) = TableHeader::read_from_prefix(bytes) else {
        return bad(TableDefect::Short {
            len: bytes.len(),
            min: size_of::<TableHeader>(),
        });
    };
    let signature = header.signature;
    let printable = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'!';
    if !signature.iter().all(printable) {
        return bad(TableDefect::Signature(signature));
    }
    let length = header.length.get() as usize;
    if length != bytes.len() {
        return bad(TableDefect::Length {
            len: bytes.len(),
            header: length,
        });
    }
    Ok(())
}
