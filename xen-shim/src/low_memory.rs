//! What must be prepared below 1 MiB before Xen is entered.
//!
//! Xen's first instructions put a 64 KiB boot trampoline below the top of base
//! memory, and find that top in the BIOS data area: the EBDA segment at 0x40e,
//! the base memory size in KiB at 0x413. Nothing checks the result. On a machine
//! started by UEFI both words are zero, the address wraps to 0xffff0000, and Xen
//! dies without a word. Xen also finds the ACPI RSDP only by scanning the EBDA's
//! first KiB and 0xe0000-0xfffff; without it there is one CPU and no IOMMU.
//!
//! The cure for both is a BIOS data area of our own: one page of RAM becomes an
//! EBDA with a copy of the RSDP, and the two words say where it is.

use handoff::addr::{PAGE_SIZE, PhysRange};
use handoff::runs;
use handoff::spec::{Fixup, OnCpu};
use serde::Serialize;

/// BIOS data area: EBDA segment, in paragraphs.
pub const BDA_EBDA: u64 = 0x40e;
/// BIOS data area: base memory, in KiB.
pub const BDA_BASE_KIB: u64 = 0x413;
/// Size of the trampoline with its heap and stack, in bytes.
pub const TRAMPOLINE_LEN: u64 = 64 << 10;
/// End of base memory on a PC: the VGA window starts here.
pub const BASE_END: u64 = 0xa0000;
/// Base memory as a whole: what Xen as a crash kernel must leave alone.
pub const LOW: PhysRange = PhysRange {
    start: 0,
    end: BASE_END,
};
/// EBDA segments that Xen believes, in paragraphs.
const EBDA_SEGMENTS: core::ops::Range<u32> = 0x4000..0xa000;
/// Values of the `mem_lower` field below this are ignored by Xen, in KiB.
const MEM_LOWER_MIN: u32 = 0x100;
/// Offset of the RSDP copy in the page: its first word is the EBDA's size in
/// KiB, and RSDPs are searched on 16-byte boundaries.
const RSDP_OFFSET: u64 = 0x10;

/// The RSDP, wherever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rsdp {
    /// Physical address.
    pub addr: u64,
    /// 20 (ACPI 1.0) or 36 bytes.
    pub len: u32,
}

/// What Xen will find below 1 MiB, and in the boot information.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LowFacts {
    /// Word at [`BDA_EBDA`]; `None` when it could not be read.
    pub ebda_segment: Option<u16>,
    /// Word at [`BDA_BASE_KIB`]; `None` when it could not be read.
    pub base_kib: Option<u16>,
    /// `mem_lower` of boot information tag 4, in KiB; 0 when absent.
    pub mem_lower_kib: u32,
    /// The RSDP, if the machine has one that is known.
    pub rsdp: Option<Rsdp>,
    /// True when Xen's scan finds one.
    pub rsdp_in_low_memory: bool,
    /// Started by UEFI.
    pub efi: bool,
}

/// Xen's trampoline would not be in base memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "xen would put its trampoline at {start:#x}: EBDA segment {ebda_segment:#x} and base memory \
     {base_kib} KiB in the BIOS data area, mem_lower {mem_lower_kib} KiB"
)]
pub struct BadTrampoline {
    /// Where, physical.
    pub start: u32,
    /// Word at [`BDA_EBDA`].
    pub ebda_segment: u16,
    /// Word at [`BDA_BASE_KIB`].
    pub base_kib: u16,
    /// `mem_lower` of the boot information.
    pub mem_lower_kib: u32,
}

/// Where Xen will put its trampoline.
///
/// # Errors
///
/// Not within base memory above page 0: Xen would die silently.
pub fn trampoline(
    ebda_segment: u16,
    base_kib: u16,
    mem_lower_kib: u32,
) -> Result<PhysRange, BadTrampoline> {
    // in paragraphs and 32 bits, wrapping, as Xen computes it
    let mut top = u32::from(ebda_segment);
    if !EBDA_SEGMENTS.contains(&top) {
        top = u32::from(base_kib) << 6;
    }
    if mem_lower_kib >= MEM_LOWER_MIN {
        top = top.min(mem_lower_kib.wrapping_shl(6));
    }
    let start = (top.wrapping_sub(0x1000) & !0xff) << 4;
    let range = PhysRange::from_len(u64::from(start), TRAMPOLINE_LEN);
    let base = PhysRange {
        start: PAGE_SIZE,
        end: BASE_END,
    };
    range
        .filter(|range| base.covers(range))
        .ok_or(BadTrampoline {
            start,
            ebda_segment,
            base_kib,
            mem_lower_kib,
        })
}

/// A made-up BIOS data area.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LowFix {
    /// The page that becomes the EBDA.
    pub ebda: u64,
    /// Base memory to claim, in KiB: up to `ebda`.
    pub base_kib: u16,
    /// Copy of the RSDP into that page.
    pub rsdp: Option<RsdpCopy>,
}

/// An RSDP to copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RsdpCopy {
    /// Where firmware has it.
    pub from: u64,
    /// Where Xen and dom0 look.
    pub to: u64,
    /// 20 or 36 bytes.
    pub len: u32,
    /// Taken instead when Xen starts on another CPU than firmware did
    /// ([`crate::acpi`]).
    pub other_cpu: Option<u64>,
}

impl LowFix {
    /// EBDA segment to store, in paragraphs.
    #[must_use]
    pub const fn ebda_segment(&self) -> u16 {
        // an EBDA lies below 0xa0000
        (self.ebda >> 4) as u16
    }

    /// What is handed to Xen as reserved: the page of the BIOS data area, and
    /// all from the EBDA up. dom0 then sees the real bytes there instead of RAM of
    /// its own. The rest stays as it is, since the kernel after this Xen needs
    /// RAM below 1 MiB, and learns from Xen where that is.
    #[must_use]
    pub const fn reserved(&self) -> [PhysRange; 2] {
        [
            PhysRange {
                start: 0,
                end: PAGE_SIZE,
            },
            PhysRange {
                start: self.ebda,
                end: BASE_END,
            },
        ]
    }

    /// The page that becomes the EBDA.
    #[must_use]
    pub const fn page(&self) -> PhysRange {
        PhysRange {
            start: self.ebda,
            end: self.ebda + PAGE_SIZE,
        }
    }

    /// Where Xen will put its trampoline.
    #[must_use]
    pub const fn trampoline(&self) -> PhysRange {
        PhysRange {
            start: self.ebda - TRAMPOLINE_LEN,
            end: self.ebda,
        }
    }

    /// The stores and copies that make it, in order.
    #[must_use]
    pub fn fixups(&self) -> Vec<Fixup> {
        let size_kib = (PAGE_SIZE >> 10) as u16;
        let mut fixups = vec![
            Fixup::Zero {
                addr: self.ebda,
                len: PAGE_SIZE,
            },
            Fixup::Store16 {
                addr: self.ebda,
                value: size_kib,
            },
        ];
        if let Some(RsdpCopy {
            from,
            to,
            len,
            other_cpu,
        }) = self.rsdp
        {
            let copy = |from, on| Fixup::CopyRsdp { from, to, len, on };
            match other_cpu {
                None => fixups.push(copy(from, OnCpu::Any)),
                Some(other) => {
                    fixups.extend([copy(from, OnCpu::Boot), copy(other, OnCpu::Other)]);
                }
            }
        }
        fixups.push(Fixup::Store16 {
            addr: BDA_EBDA,
            value: self.ebda_segment(),
        });
        fixups.push(Fixup::Store16 {
            addr: BDA_BASE_KIB,
            value: self.base_kib,
        });
        fixups
    }
}

/// No place for a made-up BIOS data area.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no room for xen's boot trampoline and an EBDA page: {need} KiB of RAM in one piece are needed \
     that end between 0x41000 and 0xa0000, RAM below 1 MiB is {}",
    list(ram)
)]
pub struct NoLowRoom {
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

/// What is to be done about low memory, decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// The changes; `None` leaves everything below 1 MiB alone.
    pub fix: Option<LowFix>,
    /// Where Xen's trampoline will be; `None` when that cannot be known.
    pub trampoline: Option<PhysRange>,
    /// What the user should know, one sentence each.
    pub messages: Vec<String>,
}

/// Decides whether Xen needs a made-up BIOS data area, and where.
///
/// It does exactly when its trampoline would land outside RAM or its scan would
/// miss an RSDP that the machine has. `ram` is the RAM below 1 MiB, sorted and
/// merged.
///
/// # Errors
///
/// One is needed, and there is no place.
pub fn decide(facts: &LowFacts, ram: &[PhysRange]) -> Result<Decision, NoLowRoom> {
    let mut messages = Vec::new();
    let missing = facts.ebda_segment.is_none() || facts.base_kib.is_none();
    if missing && !facts.efi {
        messages.push(
            "the BIOS data area could not be read: xen will trust what the BIOS left there"
                .to_owned(),
        );
        return Ok(Decision {
            fix: None,
            trampoline: None,
            messages,
        });
    }
    if facts.rsdp.is_none() && !facts.rsdp_in_low_memory {
        messages.push("no ACPI RSDP is known: xen will start one CPU and no IOMMU".to_owned());
    }
    // on EFI a word that cannot be read is as good as the zero that is mostly there
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
            messages,
        });
    }
    let fix = make(facts, ram)?;
    Ok(Decision {
        trampoline: Some(fix.trampoline()),
        fix: Some(fix),
        messages,
    })
}

/// Finds the highest page with RAM for the trampoline right below it.
fn make(facts: &LowFacts, ram: &[PhysRange]) -> Result<LowFix, NoLowRoom> {
    let first = u64::from(EBDA_SEGMENTS.start) << 4;
    let last = (u64::from(EBDA_SEGMENTS.end) << 4) - PAGE_SIZE;
    // the page becomes zero before the RSDP is copied out of wherever it is
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
        .ok_or_else(|| NoLowRoom {
            need: (TRAMPOLINE_LEN + PAGE_SIZE) >> 10,
            ram: ram.to_vec(),
        })?;
    let rsdp = facts.rsdp.map(|Rsdp { addr, len }| RsdpCopy {
        from: addr,
        to: ebda + RSDP_OFFSET,
        len,
        other_cpu: None,
    });
    // below 0xa0000 >> 10 = 640
    Ok(LowFix {
        ebda,
        base_kib: (ebda >> 10) as u16,
        rsdp,
    })
}

#[cfg(test)]
mod tests;
