//! A synthetic BIOS data area and EBDA.

use super::trampoline::{BASE_END, TRAMPOLINE_LEN};
use handoff::addr::{PAGE_SIZE, PhysRange};
use handoff::spec::{Fixup, OnCpu};
use serde::Serialize;

/// BIOS data area: EBDA segment, in paragraphs.
pub const BDA_EBDA: u64 = 0x40e;
/// BIOS data area: base memory, in KiB.
pub const BDA_BASE_KIB: u64 = 0x413;

/// The changes that make a BIOS data area for Xen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SyntheticBda {
    /// The page that becomes the EBDA.
    pub ebda: u64,
    /// Base memory size to report, in KiB: up to `ebda`.
    pub base_kib: u16,
    /// Copy of the RSDP into that page.
    pub rsdp: Option<RsdpCopy>,
}

/// An RSDP to copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RsdpCopy {
    /// Address of firmware's RSDP.
    pub from: u64,
    /// Address of the copy, where Xen and dom0 find it.
    pub to: u64,
    /// 20 or 36 bytes.
    pub len: u32,
    /// Used instead when Xen starts on a CPU other than the boot CPU
    /// ([`crate::acpi`]).
    pub other_cpu: Option<u64>,
}

impl SyntheticBda {
    /// EBDA segment to store, in paragraphs.
    #[must_use]
    pub const fn ebda_segment(&self) -> u16 {
        // an EBDA lies below 0xa0000
        (self.ebda >> 4) as u16
    }

    /// Ranges that are reserved in Xen's memory map: the page of the BIOS data area,
    /// and all from the EBDA up. dom0 then reads the machine's memory there instead of
    /// its own RAM. The rest is unchanged, since the kernel after this Xen needs RAM
    /// below 1 MiB, and gets its addresses from Xen.
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

    /// Returns the address of Xen's trampoline.
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
