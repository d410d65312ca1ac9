//! Reads everything about the running machine once.

use super::arm::ArmFacts;
use super::crash_notes::CrashInfo;
use super::device_tree::TreeBlob;
use super::hypervisor::Hypervisor;
use super::iomem::Iomem;
use super::sbi::SbiFacts;
use super::virt::VirtFacts;
use super::{
    Host, LowMemory, MapEntry, MemoryError, MemoryKind, acpi, boot_facts, devmem, efi, firmware,
    iomem, low_memory, map, serial, xen,
};
use crate::arch::Architecture;
use crate::sys::file;
use handoff::addr::MIB;
use std::path::Path;
use xen_shim::hypercall::Privcmd;

/// Reads the machine below `root` ("/" for the real one), with warnings.
///
/// The map is that of /sys/firmware/memmap; the running kernel's own map
/// removes RAM from it (emulated persistent memory, graphics memory, trimmed
/// MTRRs) but adds none. It is ignored below 1 MiB, where the kernel reserves
/// firmware's RAM. Without firmware's map, /proc/iomem is the map. EFI runtime
/// regions are reserved in both cases.
///
/// In a PV dom0, map, crash area and low memory come from Xen, since dom0's own
/// are pseudo-physical. The ownership of pages changes (ballooning, other
/// domains), so read the machine right before a load.
///
/// # Errors
///
/// When the map is missing, unreadable, inconsistent or without RAM, addresses
/// are hidden, or Xen cannot be queried in a PV dom0.
pub fn read(root: &Path) -> Result<(Host, Vec<String>), MemoryError> {
    let mut warnings = Vec::new();
    let way = way_to_xen(root, &mut warnings)?;
    let told = way
        .as_ref()
        .map(|way| xen::read::read(way, &mut warnings))
        .transpose()?;
    let (seen, xen) = match told {
        Some(told) => {
            let seen = Iomem {
                entries: told.memory_map,
                crash_regions: told.crash_regions,
                added: Vec::new(),
                nested: Vec::new(),
            };
            (seen, Some(told.xen))
        }
        None => (by_linux(root, &mut warnings)?, None),
    };
    let Iomem {
        mut entries,
        crash_regions,
        added,
        nested,
    } = seen;
    let arch = Architecture::NATIVE;
    let runtime = efi::runtime_regions(root, &mut warnings);
    let mut efi_ram = shared(&entries, &runtime);
    if arch.has_device_tree() {
        efi_ram.extend(of_running(&mut entries, &nested, efi::present(root)));
    }
    entries.extend(runtime);
    let memory_map = checked(&entries)?;

    let low_memory = match &way {
        // firmware leaves nothing at fixed addresses
        None if arch.has_device_tree() => LowMemory {
            efi: efi::present(root),
            ..LowMemory::default()
        },
        Some(way) => low_memory::read(root, Some(&xen::read::MachineMemory(way)), &mut warnings),
        None => {
            let path = root.join("dev/mem");
            let memory = devmem::DevMem::open(&path)
                .map_err(|err| {
                    let why = "the BIOS data area and the RSDP of a BIOS machine are unknown";
                    warnings.push(format!("cannot read {}: {err}; {why}", path.display()));
                })
                .ok();
            let source = memory
                .as_ref()
                .map(|memory| memory as &dyn low_memory::PhysicalMemory);
            low_memory::read(root, source, &mut warnings)
        }
    };

    let cmdline = file::read(&root.join("proc/cmdline"), file::LISTING).unwrap_or_else(|err| {
        warnings.push(format!("the kernel command line is unknown: {err}"));
        String::new()
    });
    let cmdline = cmdline.trim_end_matches(['\n', '\0']).to_owned();
    let serial = serial::read(root, &mut warnings);
    let dump = CrashInfo::read(root, &cmdline);
    let boot_facts = boot_facts::read(root, &mut warnings);
    let acpi = match &way {
        Some(way) => acpi::Acpi::read(root).on_xen(way),
        None => acpi::Acpi::read(root),
    };
    let device_tree = if arch.has_device_tree() {
        TreeBlob::read(root)?
    } else {
        None
    };
    Ok((
        Host {
            arch,
            memory_map,
            efi_ram,
            added_ram: map::normalize(&added)?,
            low_memory,
            crash_regions,
            cmdline,
            dump,
            serial,
            xen,
            sbi: SbiFacts::read(root),
            arm: ArmFacts::read(root),
            virt: VirtFacts::read(root),
            boot_facts,
            device_tree,
            acpi,
        },
        warnings,
    ))
}

/// Reads what CPUs, kernel and firmware are, which needs no privileges; memory and devices are left
/// out.
#[must_use]
pub fn platform(root: &Path) -> Host {
    Host {
        arch: Architecture::NATIVE,
        sbi: SbiFacts::read(root),
        arm: ArmFacts::read(root),
        virt: VirtFacts::read(root),
        ..Host::default()
    }
}

/// Returns the parts of the RAM in `entries` that are also in one of EFI's
/// `runtime` regions.
fn shared(entries: &[MapEntry], runtime: &[MapEntry]) -> Vec<MapEntry> {
    // normalized, so that no piece is returned twice
    let entries = map::normalize(entries).unwrap_or_default();
    let runtime = map::normalize(runtime).unwrap_or_default();
    let pieces = map::ram_ranges(&entries).flat_map(|ram| {
        runtime
            .iter()
            .filter_map(move |region| ram.intersect(&region.range()))
    });
    pieces
        .filter(|piece| !piece.is_empty())
        .map(|piece| MapEntry::new(piece, MemoryKind::Ram))
        .collect()
}

/// Frees the running kernel's own reservations in RAM, which /proc/iomem has on machines with a device tree: its code,
/// page tables, initrd. Those of firmware are in the tree. With EFI some of them are tables that the next kernel reads,
/// so all remain reserved there; they are returned as RAM that a dump includes.
fn of_running(entries: &mut Vec<MapEntry>, nested: &[MapEntry], efi: bool) -> Vec<MapEntry> {
    if efi {
        let ram = |entry: &MapEntry| MapEntry::new(entry.range(), MemoryKind::Ram);
        return nested.iter().map(ram).collect();
    }
    entries.retain(|entry| !nested.contains(entry));
    Vec::new()
}

/// Opens the hypercall interface of a PV dom0. A recorded machine has none.
fn way_to_xen(root: &Path, warnings: &mut Vec<String>) -> Result<Option<Privcmd>, MemoryError> {
    if Hypervisor::read(root) != Hypervisor::XenPvDom0 {
        return Ok(None);
    }
    if root != Path::new("/") {
        warnings.push("a recorded dom0: Xen cannot be queried".to_owned());
        return Ok(None);
    }
    Ok(Some(Privcmd::open()?))
}

/// Reads memory map, crash regions and added memory of a Linux without Xen.
fn by_linux(root: &Path, warnings: &mut Vec<String>) -> Result<Iomem, MemoryError> {
    let given = firmware::read(root, warnings)?;
    let iomem_path = root.join("proc/iomem");
    let seen = crate::host::error::read_file(&iomem_path, file::LISTING)
        .and_then(|text| iomem::parse(&text));

    let found = match (given, seen) {
        (Some(given), Ok(seen)) => Iomem {
            entries: restrict(given, &seen.entries, warnings)?,
            ..seen
        },
        (Some(given), Err(err)) => {
            warnings.push(format!("crash regions are unknown: {err}"));
            Iomem {
                entries: given,
                ..Iomem::default()
            }
        }
        (None, Ok(seen)) if !seen.entries.is_empty() => seen,
        (None, Err(err @ (MemoryError::Hidden | MemoryError::IomemLine { .. }))) => {
            return Err(err);
        }
        (None, _) => {
            let memmap = root.join("sys/firmware/memmap");
            return Err(MemoryError::NoMap {
                memmap,
                iomem: iomem_path,
            });
        }
    };
    Ok(found)
}

/// Normalizes the map, and refuses one without RAM.
pub(super) fn checked(entries: &[MapEntry]) -> Result<Vec<MapEntry>, MemoryError> {
    let memory_map = map::normalize(entries)?;
    if map::total_ram(&memory_map) == 0 {
        return Err(MemoryError::NoRam {
            entries: memory_map.len(),
        });
    }
    Ok(memory_map)
}

/// Minimum size of removed RAM for a warning. Every UEFI machine loses some
/// pages: the kernel reserves tables in boot services memory.
const WORTH_TELLING: u64 = MIB;

/// Restricts firmware's map by the kernel's entries other than RAM.
fn restrict(
    mut given: Vec<MapEntry>,
    seen: &[MapEntry],
    warnings: &mut Vec<String>,
) -> Result<Vec<MapEntry>, MemoryError> {
    let before = map::normalize(&given)?;
    for entry in seen
        .iter()
        .filter(|entry| entry.kind != MemoryKind::Ram && entry.end > MIB)
    {
        let entry = MapEntry {
            start: entry.start.max(MIB),
            ..*entry
        };
        let lost = map::ram_ranges(&before).filter_map(|ram| ram.intersect(&entry.range()));
        for lost in lost.filter(|lost| lost.len() >= WORTH_TELLING) {
            warnings.push(format!(
                "{lost} is RAM in firmware's map but {:?} for the running kernel: not used",
                entry.kind
            ));
        }
        given.push(entry);
    }
    Ok(given)
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
