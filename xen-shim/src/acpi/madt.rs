//! The MADT: which processors there are (ACPI 6.5, 5.2.12).

use super::{AcpiError, CHECKSUM, HEADER, Table, seal, word};

/// Offset of the first entry: behind the header, the address of the local APICs
/// and a word of flags.
const ENTRIES: usize = HEADER + 8;
/// "Processor Local APIC": id in a byte.
const LOCAL_APIC: u8 = 0;
/// "Processor Local x2APIC": id in a word.
const LOCAL_X2APIC: u8 = 9;
/// Flag of both: the processor can be used.
const ENABLED: u32 = 1;

/// The table `madt` with the processor `apic_id` disabled wherever it is named: no
/// flag is left, not even that it could come later.
pub(super) fn without(madt: &Table, apic_id: u32) -> Result<Vec<u8>, AcpiError> {
    let mut bytes = madt.bytes.clone();
    let mut found = false;
    let mut at = ENTRIES;
    while at < bytes.len() {
        let [kind, len] = match bytes.get(at..at + 2) {
            Some(&[kind, len]) => [kind, len],
            _ => return Err(broken(madt, at, "is cut off")),
        };
        let end = at + usize::from(len);
        if len < 2 || end > bytes.len() {
            return Err(broken(madt, at, &format!("has a length of {len} bytes")));
        }
        let (id, flags) = match kind {
            LOCAL_APIC if len < 8 => return Err(broken(madt, at, &short(kind, len))),
            LOCAL_APIC => (u32::from(bytes[at + 3]), at + 4),
            LOCAL_X2APIC if len < 16 => return Err(broken(madt, at, &short(kind, len))),
            LOCAL_X2APIC => (word(&bytes, at + 4).unwrap_or(u32::MAX), at + 8),
            _ => {
                at = end;
                continue;
            }
        };
        if id == apic_id {
            found |= word(&bytes, flags).is_some_and(|flags| flags & ENABLED != 0);
            bytes[flags..flags + 4].fill(0);
        }
        at = end;
    }
    if !found {
        return Err(AcpiError::NoProcessor {
            name: madt.name.clone(),
            apic_id,
        });
    }
    seal(&mut bytes, CHECKSUM);
    Ok(bytes)
}

fn short(kind: u8, len: u8) -> String {
    format!("of type {kind} has {len} bytes only")
}

fn broken(madt: &Table, at: usize, what: &str) -> AcpiError {
    AcpiError::Bad {
        name: madt.name.clone(),
        found: format!("its entry at offset {at} {what}"),
    }
}
