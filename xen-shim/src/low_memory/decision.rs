//! Decides whether and how to change low memory.

use super::bda::{RsdpCopy, SyntheticBda};
use super::trampoline::{EBDA_SEGMENTS, TRAMPOLINE_LEN, trampoline};
use handoff::addr::{PAGE_SIZE, PhysRange};
use handoff::runs;

/// Offset of the RSDP copy in the page: its first word is the EBDA's size in
/// KiB, and RSDPs are searched on 16-byte boundaries.
const RSDP_OFFSET: u64 = 0x10;

/// The RSDP at any address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RsdpLocation {
    /// Physical address.
    pub addr: u64,
    /// 20 (ACPI 1.0) or 36 bytes.
    pub len: u32,
}

/// State of low memory at Xen's entry, and of the boot information.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LowMemoryState {
    /// Word at [`BDA_EBDA`](super::BDA_EBDA); `None` when it could not be read.
    pub ebda_segment: Option<u16>,
    /// Word at [`BDA_BASE_KIB`](super::BDA_BASE_KIB); `None` when it could not be read.
    pub base_kib: Option<u16>,
    /// `mem_lower` of boot information tag 4, in KiB; 0 when absent.
    pub mem_lower_kib: u32,
    /// The RSDP, if the machine has one that is known.
    pub rsdp: Option<RsdpLocation>,
    /// True when Xen's scan finds one.
    pub rsdp_in_low_memory: bool,
    /// True when the machine was started by UEFI.
    pub efi: bool,
}

/// No RAM for a synthetic BIOS data area.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no RAM for xen's boot trampoline and an EBDA page: {need} KiB in one piece that end between \
     0x41000 and 0xa0000 are needed, RAM below 1 MiB is {}",
    list(ram)
)]
pub struct NoLowMemory {
    /// KiB needed.
    pub need: u64,
    /// RAM below 1 MiB.
    pub ram: Vec<PhysRange>,
}

fn list(ram: &[PhysRange]) -> String {
    if ram.is_empty() {
        return "none".to_owned();
    }
    ram.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// A fact about low memory that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LowMemoryWarning {
    /// No BIOS data area.
    #[error("the BIOS data area could not be read: xen will use the values in it")]
    NoBda,
    /// No RSDP.
    #[error("no ACPI RSDP is known: xen will start one CPU and no IOMMU")]
    NoRsdp,
}

/// The changes of low memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// The changes; `None` if low memory is not changed.
    pub fix: Option<SyntheticBda>,
    /// Address of Xen's trampoline; `None` if unknown.
    pub trampoline: Option<PhysRange>,
    /// Facts that are missing.
    pub warnings: Vec<LowMemoryWarning>,
}

/// Decides whether Xen needs a synthetic BIOS data area, and where.
///
/// It does exactly when its trampoline would be outside of RAM, or its scan
/// would miss an RSDP that the machine has. `ram` is the RAM below 1 MiB,
/// sorted and merged.
///
/// # Errors
///
/// When one is needed, and there is no memory for it.
pub fn decide(facts: &LowMemoryState, ram: &[PhysRange]) -> Result<Decision, NoLowMemory> {
    let mut warnings = Vec::new();
    let missing = facts.ebda_segment.is_none() || facts.base_kib.is_none();
    if missing && !facts.efi {
        warnings.push(LowMemoryWarning::NoBda);
        return Ok(Decision {
            fix: None,
            trampoline: None,
            warnings,
        });
    }
    if facts.rsdp.is_none() && !facts.rsdp_in_low_memory {
        warnings.push(LowMemoryWarning::NoRsdp);
    }
    // on EFI an unreadable word counts as zero, its usual value
    let found = trampoline(
        facts.ebda_segment.unwrap_or(0),
        facts.base_kib.unwrap_or(0),
        facts.mem_lower_kib,
    )
    .ok()
    .filter(|range| ram.iter().any(|run| run.covers(range)));
    let hidden = facts.rsdp.is_some() && !facts.rsdp_in_low_memory;
    if let (Some(range), false) = (found, hidden) {
        return Ok(Decision {
            fix: None,
            trampoline: Some(range),
            warnings,
        });
    }
    let fix = make(facts, ram)?;
    Ok(Decision {
        trampoline: Some(fix.trampoline()),
        fix: Some(fix),
        warnings,
    })
}

/// Finds the highest page with RAM for the trampoline below it.
fn make(facts: &LowMemoryState, ram: &[PhysRange]) -> Result<SyntheticBda, NoLowMemory> {
    let first = u64::from(EBDA_SEGMENTS.start) << 4;
    let last = (u64::from(EBDA_SEGMENTS.end) << 4) - PAGE_SIZE;
    // the page is zeroed before the RSDP is copied, from wherever it is
    let rsdp = facts
        .rsdp
        .and_then(|rsdp| PhysRange::from_len(rsdp.addr, rsdp.len.into()));
    let rsdp = rsdp.unwrap_or_default();
    let ebda = runs::without(ram.iter().copied(), [rsdp])
        .into_iter()
        .filter_map(|run| run.align_inward(PAGE_SIZE))
        .filter_map(|run| {
            let ebda = (run.end - PAGE_SIZE).min(last);
            let lowest = ebda.checked_sub(TRAMPOLINE_LEN)?;
            (ebda >= first && lowest >= run.start.max(PAGE_SIZE)).then_some(ebda)
        })
        .max()
        .ok_or_else(|| NoLowMemory {
            need: (TRAMPOLINE_LEN + PAGE_SIZE) >> 10,
            ram: ram.to_vec(),
        })?;
    let rsdp = facts.rsdp.map(|RsdpLocation { addr, len }| RsdpCopy {
        from: addr,
        to: ebda + RSDP_OFFSET,
        len,
        other_cpu: None,
    });
    // below 0xa0000 >> 10 = 640
    Ok(SyntheticBda {
        ebda,
        base_kib: (ebda >> 10) as u16,
        rsdp,
    })
}
