//! Page tables and parameters of the blob on arm64 and on 32-bit ARM.

extern crate alloc;
use super::{Arm64Exit, MappedParts, PsciConduit, unmapped};
use crate::abi;
use crate::addr::{PAGE_SIZE, PhysRange};
use crate::arch::arm64::abi as arm64_abi;
use crate::arch::arm64::paging::{Arm64Mapper, DATA, DEVICE, TEXT, UNCACHED};
use crate::pagelist::Walk;
use crate::spec::Console;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use zerocopy::IntoBytes;

/// Returns `ARM64_EXIT_*`.
pub(super) const fn exit(exit: Arm64Exit) -> u32 {
    match exit {
        Arm64Exit::Linux => arm64_abi::ARM64_EXIT_LINUX,
        Arm64Exit::Xen => arm64_abi::ARM64_EXIT_XEN,
    }
}

/// Returns `PSCI_*`.
pub(super) const fn psci(psci: PsciConduit) -> u32 {
    match psci {
        PsciConduit::None => abi::PSCI_NONE,
        PsciConduit::Smc => abi::PSCI_SMC,
        PsciConduit::Hvc => abi::PSCI_HVC,
    }
}

/// Maps the blob, what it verifies, moves and clears, and its consoles in `count` tables. Returns them, and
/// the address of the first one.
///
/// Pages are mapped exactly: a CPU may read ahead in everything that is mapped as memory, and next to
/// it may be devices, or memory of the secure world.
///
/// # Errors
///
/// Names what cannot be mapped.
pub(super) fn map(parts: &MappedParts<'_>, count: usize) -> Result<(Vec<u8>, u64), String> {
    let mut tables = vec![[0; 512]; count];
    let mut mapper = Arm64Mapper::new(&mut tables, parts.pool_at)
        .map_err(|error| unmapped(parts.own, &error))?;
    let mut map = |range: PhysRange, flags| {
        mapper
            .identity(range, flags)
            .map_err(|error| unmapped(range, &error))
    };
    for part in parts.memory() {
        map(part, DATA)?;
    }
    for page in listed(parts) {
        map(page, DATA)?;
    }
    for console in &parts.spec.consoles {
        let flags = match console {
            Console::RamLog { .. } => UNCACHED,
            _ => DEVICE,
        };
        if let Some(part) = console.memory() {
            map(part, flags)?;
        }
    }
    for part in [parts.text].into_iter().chain(parts.drill()) {
        map(part, TEXT)?;
    }
    Ok((tables.as_bytes().to_vec(), parts.pool_at))
}

/// Pages that the page list moves; the list was checked before.
fn listed(parts: &MappedParts<'_>) -> Vec<PhysRange> {
    let Some(list) = &parts.spec.relocate.list else {
        return Vec::new();
    };
    let read = |at: u64| {
        let page = list
            .pages
            .iter()
            .find(|(page, _)| at / PAGE_SIZE * PAGE_SIZE == *page)?;
        page.1.get((at % PAGE_SIZE / 8) as usize).copied()
    };
    Walk::new(list.head, list.words, read)
        .flatten()
        .flat_map(|step| [step.to, step.from])
        .filter_map(|page| PhysRange::from_len(page, PAGE_SIZE))
        .collect()
}
