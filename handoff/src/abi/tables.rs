//! Descriptor and page tables.

use super::EXIT_PVH;
#[cfg(not(freestanding))]
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Selector of the flat 32-bit code segment. The same number as in Linux's
/// kexec GDT and in Xen's boot GDT, so that gates still work after the target
/// has loaded a GDT with that layout.
pub const SEL_CODE32: u16 = 0x08;
/// Selector of the 64-bit code segment.
pub const SEL_CODE64: u16 = 0x10;
/// Selector of the flat data segment.
pub const SEL_DATA: u16 = 0x18;
/// Selector of the 32-bit task state segment that the target runs in.
pub const SEL_TSS32: u16 = 0x20;
/// Selector of the 32-bit task state segment of the protected mode #DF handler.
pub const SEL_TSS_DF: u16 = 0x38;
/// Selector of the 64-bit task state segment (two slots).
pub const SEL_TSS: u16 = 0x28;

/// Bytes of one 64-bit trap stub: `call rel32`, so that the return address
/// names the vector.
pub const STUB64_LEN: usize = 5;
/// Bytes of one 32-bit trap stub ([`crate::arch::x86_64::descriptors::stub32`]).
pub const STUB32_LEN: usize = 28;
/// Bytes of the protected mode NMI stub.
pub const NMI32_LEN: usize = 22 + STUB32_LEN;

/// Address of the task state segment of a target in protected mode. PVH
/// requires base 0: a #DF there then overwrites the first 104 bytes of memory.
#[must_use]
pub const fn target_tss(exit: u32, tss32: u32) -> u32 {
    if exit == EXIT_PVH { 0 } else { tss32 }
}

/// Operand of `lgdt` and `lidt`: 16-bit limit, then the base.
#[repr(C, packed)]
#[cfg_attr(
    not(freestanding),
    derive(FromBytes, IntoBytes, Immutable, KnownLayout)
)]
#[derive(Clone, Copy, Debug)]
pub struct PseudoDescriptor {
    /// Size in bytes, minus one.
    pub limit: u16,
    /// Linear address.
    pub base: u64,
}

/// One 4 KiB paging structure.
pub type PageTable = [u64; 512];

/// Paging structures available: PML5, PML4, PDPT, four PDs for 4 GiB, two PTs
/// for the blob, eleven for the sinks in memory: each takes
/// a PT below 4 GiB, up to a PDPT, a PD and a PT above, one more PT where it
/// crosses a 2 MiB boundary; and [`HIGH_TABLES`].
pub const TABLES: usize = 20 + HIGH_TABLES;
/// Paging structures for segments and moves above 4 GiB: a PD for each GiB, a
/// PDPT for each 512 GiB.
pub const HIGH_TABLES: usize = 36;

/// Descriptor and page tables, written by the host for one base address.
#[repr(C, align(4096))]
#[cfg_attr(
    not(freestanding),
    derive(FromBytes, IntoBytes, Immutable, KnownLayout)
)]
pub struct Tables {
    /// Long mode gates.
    pub idt64: [[u64; 2]; 256],
    /// Protected mode gates.
    pub idt32: [u64; 256],
    /// For the instructions around a mode switch: protected mode gates, with
    /// the long mode gates of NMI and #MC in place of vectors 4, 5, 36 and 37.
    pub idt_both: [u64; 38],
    /// Long mode stubs; with the two tables above, on a page that is mapped
    /// read-only and executable.
    pub stubs64: [[u8; STUB64_LEN]; 256],
    /// Padding to the end of that page: the CPU writes to the fields after it.
    pub unused: [u8; 464],
    /// Null, code32, code64, data, TSS32, TSS (two slots), TSS of #DF.
    pub gdt: [u64; 8],
    /// 64-bit TSS (104 bytes).
    pub tss: [u32; 26],
    /// 32-bit TSS of the target: a task switch saves its registers here, or at
    /// [`target_tss`].
    pub tss32: [u32; 26],
    /// 32-bit TSS of the protected mode #DF handler.
    pub tss_df: [u32; 26],
    /// Protected mode stubs.
    pub stubs32: [[u8; STUB32_LEN]; 256],
    /// Protected mode stub of NMI.
    pub nmi32: [u8; NMI32_LEN],
    /// For `lgdt`, both modes (the upper half of the base is zero).
    pub gdtr: PseudoDescriptor,
    /// For `lidt` in long mode.
    pub idtr64: PseudoDescriptor,
    /// For `lidt` in protected mode.
    pub idtr32: PseudoDescriptor,
    /// For `lidt` of `idt_both`.
    pub idtr_both: PseudoDescriptor,
    /// Zero: aligns `cr3`.
    pub reserved: [u8; 6],
    /// Value for CR3 with four levels.
    pub cr3: u64,
    /// Value for CR3 with five levels.
    pub cr3_la57: u64,
    /// Zero: up to the next page.
    pub reserved_pool: [u8; 536],
    /// Pool of paging structures.
    pub pool: Pool,
}

/// The paging structures, page aligned.
#[repr(C, align(4096))]
#[cfg_attr(
    not(freestanding),
    derive(FromBytes, IntoBytes, Immutable, KnownLayout)
)]
pub struct Pool(pub [PageTable; TABLES]);
