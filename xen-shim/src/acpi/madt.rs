//! The MADT, which lists the processors (ACPI 6.5, 5.2.12).

use super::table::AcpiTable;
use super::wire::{LocalApic, LocalApicFlags, LocalX2Apic, Madt, MadtEntry, TableHeader, seal};
use super::{AcpiError, TableDefect};
use core::mem::offset_of;
use zerocopy::FromBytes;

/// The table `madt` with the processor `apic_id` disabled in each of its entries:
/// all flags are cleared, including "online capable".
pub(super) fn without(madt: &AcpiTable, apic_id: u32) -> Result<Vec<u8>, AcpiError> {
    let mut bytes = madt.bytes.clone();
    let mut found = false;
    let mut at = size_of::<Madt>();
    while at < bytes.len() {
        let entry = &mut bytes[at..];
        let Ok((MadtEntry { kind, length }, _)) = MadtEntry::read_from_prefix(entry) else {
            return Err(broken(madt, TableDefect::EntryCutOff { at }));
        };
        let len = usize::from(length);
        if len < size_of::<MadtEntry>() || len > entry.len() {
            return Err(broken(madt, TableDefect::EntryLength { at, length }));
        }
        let entry = &mut entry[..len];
        let short = || broken(madt, TableDefect::EntryShort { at, kind, length });
        let (id, flags) = match kind {
            LocalApic::KIND => {
                let (apic, _) = LocalApic::mut_from_prefix(entry).map_err(|_| short())?;
                (u32::from(apic.id), &mut apic.flags)
            }
            LocalX2Apic::KIND => {
                let (apic, _) = LocalX2Apic::mut_from_prefix(entry).map_err(|_| short())?;
                (apic.id.get(), &mut apic.flags)
            }
            _ => {
                at += len;
                continue;
            }
        };
        if id == apic_id {
            found |=
                LocalApicFlags::from_bits_retain(flags.get()).contains(LocalApicFlags::ENABLED);
            *flags = LocalApicFlags::empty().bits().into();
        }
        at += len;
    }
    if !found {
        return Err(AcpiError::NoProcessor {
            name: madt.name.clone(),
            apic_id,
        });
    }
    seal(&mut bytes, offset_of!(TableHeader, checksum));
    Ok(bytes)
}

fn broken(madt: &AcpiTable, found: TableDefect) -> AcpiError {
    AcpiError::Bad {
        name: madt.name.clone(),
        found,
    }
}
