//! Facts about the first MiB: BIOS data area, EBDA, ACPI RSDP.
//!
//! Layout: the BDA is at 0x400, its word 0x40e is the EBDA's segment and its
//! word 0x413 the base memory in KiB. The RSDP lies on a 16-byte boundary in
//! the first KiB of the EBDA or in 0xe0000-0xfffff (ACPI 6.5, 5.2.5.1).

use super::{FoundRsdp, LowMemory, efi};
use crate::abi::boot_params::LinuxBootParams;
use crate::sys::file;
use crate::sys::number;
use std::io;
use std::path::Path;
use xen_shim::acpi::{Rsdp, RsdpV1, sum};
use xen_shim::cmdline::Cmdline;
use xen_shim::low_memory::{BDA_BASE_KIB, BDA_EBDA};
use zerocopy::{FromBytes, IntoBytes};

/// Start of firmware's read-only area that is scanned for an RSDP.
pub const BIOS_START: u64 = 0xe0000;
/// End of that area: 1 MiB.
pub const BIOS_END: u64 = 0x10_0000;

/// Access to physical memory.
pub trait PhysicalMemory {
    /// Fills `buf` from physical address `addr`.
    ///
    /// # Errors
    ///
    /// When these bytes cannot be read.
    fn read(&self, addr: u64, buf: &mut [u8]) -> io::Result<()>;
}

/// Collects the facts below `root`, with physical memory from `source`. Unknown
/// facts are `None`, with a warning.
pub fn read(
    root: &Path,
    source: Option<&dyn PhysicalMemory>,
    warnings: &mut Vec<String>,
) -> LowMemory {
    let mut low = LowMemory {
        efi: efi::present(root),
        ..LowMemory::default()
    };
    let mut scanned = None;
    if let Some(source) = source {
        let mut word = |addr| {
            let mut buf = [0; 2];
            match source.read(addr, &mut buf) {
                Ok(()) => Some(u16::from_le_bytes(buf)),
                Err(err) => {
                    warnings.push(format!("cannot read the BIOS word at {addr:#x}: {err}"));
                    None
                }
            }
        };
        low.bda_ebda_segment = word(BDA_EBDA);
        low.bda_base_kib = word(BDA_BASE_KIB);
        match scan(source, low.bda_ebda_segment) {
            Ok(found) => scanned = found,
            Err(err) => warnings.push(format!("cannot scan low memory for the RSDP: {err}")),
        }
        low.rsdp_in_low_memory = scanned.is_some();
    }
    low.rsdp = efi::rsdp(root)
        .or(scanned)
        .or_else(|| told(root, source, warnings));
    if source.is_none() {
        let in_bios = |rsdp: FoundRsdp| (BIOS_START..BIOS_END).contains(&rsdp.addr);
        low.rsdp_in_low_memory = low.rsdp.is_some_and(in_bios);
    }
    low
}

/// The running kernel's RSDP: from `acpi_rsdp=` on the command line, then
/// `boot_params.acpi_rsdp_addr`.
fn told(
    root: &Path,
    source: Option<&dyn PhysicalMemory>,
    warnings: &mut Vec<String>,
) -> Option<FoundRsdp> {
    let cmdline = file::read(&root.join("proc/cmdline"), file::LISTING).unwrap_or_default();
    let line = Cmdline::linux(&cmdline);
    let argument = line
        .values("acpi_rsdp")
        // the kernel accepts hex with or without 0x here
        .filter_map(|value| {
            number::parse(value)
                .filter(|_| value.starts_with("0x"))
                .or(number::hex(value))
        })
        .next_back();
    let (addr, from) = match argument.filter(|addr| *addr != 0) {
        Some(addr) => (addr, "acpi_rsdp= of the kernel command line"),
        None => (boot_params_rsdp(root)?, "the kernel's boot parameters"),
    };
    if let Some(Ok(Some(rsdp))) = source.map(|source| rsdp_at(source, addr)) {
        return Some(rsdp);
    }
    warnings.push(format!(
        "the RSDP at {addr:#x} comes from {from} and could not be read: revision 2 is assumed"
    ));
    Some(FoundRsdp { addr, revision: 2 })
}

/// Reads the address in the running kernel's own boot parameters.
fn boot_params_rsdp(root: &Path) -> Option<u64> {
    let path = root.join("sys/kernel/boot_params/data");
    let bytes = file::read_bytes(&path, file::ATTRIBUTE).ok()?;
    let (params, _) = LinuxBootParams::ref_from_prefix(&bytes).ok()?;
    let addr = params.acpi_rsdp_addr.get();
    (addr != 0).then_some(addr)
}

/// Scans the same areas as a kernel without EFI: the first KiB of the EBDA, if
/// word 0x40e (`ebda_segment`) points above the BDA, then 0xe0000-0xfffff.
///
/// # Errors
///
/// The error of `source`.
pub fn scan(
    source: &dyn PhysicalMemory,
    ebda_segment: Option<u16>,
) -> io::Result<Option<FoundRsdp>> {
    let ebda = u64::from(ebda_segment.unwrap_or(0)) << 4;
    if ebda > 0x400
        && let Some(rsdp) = scan_range(source, ebda, (ebda + 0x400).min(BIOS_END))?
    {
        return Ok(Some(rsdp));
    }
    scan_range(source, BIOS_START, BIOS_END)
}

/// Checks every 16-byte boundary of a range that ends at or below 1 MiB.
fn scan_range(source: &dyn PhysicalMemory, start: u64, end: u64) -> io::Result<Option<FoundRsdp>> {
    let mut bytes = vec![0; usize::try_from(end.saturating_sub(start)).unwrap_or(0)];
    source.read(start, &mut bytes)?;
    for (addr, at) in (start..end).zip(0..bytes.len()).step_by(16) {
        if let Some(revision) = valid(&bytes[at..]) {
            return Ok(Some(FoundRsdp { addr, revision }));
        }
    }
    Ok(None)
}

/// Returns the RSDP at `addr`, if there is one.
fn rsdp_at(source: &dyn PhysicalMemory, addr: u64) -> io::Result<Option<FoundRsdp>> {
    let mut bytes = [0; size_of::<Rsdp>()];
    source.read(addr, &mut bytes)?;
    Ok(valid(&bytes).map(|revision| FoundRsdp { addr, revision }))
}

/// Returns the revision of the RSDP at the start of `bytes`; `None` if
/// signature, checksum (20 bytes) or, from revision 2 on, extended checksum (36
/// bytes) are wrong.
#[must_use]
pub fn valid(bytes: &[u8]) -> Option<u8> {
    let (old, _) = RsdpV1::ref_from_prefix(bytes).ok()?;
    if old.signature != *b"RSD PTR " || sum(old.as_bytes()) != 0 {
        return None;
    }
    if old.revision >= 2 {
        let (new, _) = Rsdp::ref_from_prefix(bytes).ok()?;
        if sum(new.as_bytes()) != 0 {
            return None;
        }
    }
    Some(old.revision)
}

#[cfg(test)]
#[path = "low_memory_tests.rs"]
pub(crate) mod tests;
