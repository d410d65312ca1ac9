//! Bits of control registers and model specific registers (Intel SDM vol. 3, 2.5
//! and vol. 4; AMD APM vol. 2, 3.1), and the values that the handoff loads.

/// CR0: protected mode.
pub const CR0_PE: u32 = 1 << 0;
/// CR0: `wait` observes [`CR0_TS`].
pub const CR0_MP: u32 = 1 << 1;
/// CR0: x87 and SSE instructions fault.
pub const CR0_EM: u32 = 1 << 2;
/// CR0: x87 and SSE state belongs to another task.
pub const CR0_TS: u32 = 1 << 3;
/// CR0: always 1.
pub const CR0_ET: u32 = 1 << 4;
/// CR0: x87 errors are exceptions.
pub const CR0_NE: u32 = 1 << 5;
/// CR0: read-only pages are read-only at CPL 0 too.
pub const CR0_WP: u32 = 1 << 16;
/// CR0: paging.
pub const CR0_PG: u32 = 1 << 31;

/// CR4: entries of 8 bytes in page tables.
pub const CR4_PAE: u32 = 1 << 5;
/// CR4: a machine check is an exception, not a reset.
pub const CR4_MCE: u32 = 1 << 6;
/// CR4: SSE instructions are enabled.
pub const CR4_OSFXSR: u32 = 1 << 9;
/// CR4: SSE errors are #XM.
pub const CR4_OSXMMEXCPT: u32 = 1 << 10;
/// CR4: page tables of five levels.
pub const CR4_LA57: u32 = 1 << 12;

/// Number of EFER.
pub const MSR_EFER: u32 = 0xc000_0080;
/// EFER: long mode once paging is on.
pub const EFER_LME: u32 = 1 << 8;
/// EFER: page table entries have a no-execute bit.
pub const EFER_NXE: u32 = 1 << 11;
/// EFER: bit number of fast FXSAVE (AMD).
pub const EFER_FFXSR: u32 = 14;
/// Number of the FS base; the next two are the GS base and the kernel GS base of
/// `swapgs`.
pub const MSR_FS_BASE: u32 = 0xc000_0100;
/// Number of the local APIC base register.
pub const MSR_APIC_BASE: u32 = 0x1b;
/// [`MSR_APIC_BASE`]: the bootstrap processor.
pub const APIC_BSP: u64 = 1 << 8;

/// CR0 bits cleared before SSE is used.
pub const CR0_CLEAR: i32 = !((CR0_EM | CR0_TS) as i32);
/// CR0 bits kept at entry.
pub const CR0_KEEP: u32 = CR0_PG | CR0_NE | CR0_ET | CR0_PE;
/// CR0 bits set at entry.
pub const CR0_SET: u32 = CR0_WP | CR0_NE | CR0_MP;
/// CR0 in long mode.
pub const CR0_LONG: u32 = CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE;
/// CR0 in long mode while read-only pages are written.
pub const CR0_LONG_NO_WP: u32 = CR0_LONG & !CR0_WP;
/// CR0 of a target in protected mode.
pub const CR0_PROTECTED: u32 = CR0_ET | CR0_PE;
/// CR4 bits kept at entry.
pub const CR4_KEEP: u32 = CR4_LA57 | CR4_PAE;
/// CR4 bits that make SSE usable.
pub const CR4_SSE: u32 = CR4_OSXMMEXCPT | CR4_OSFXSR;
/// CR4 bits set at entry.
pub const CR4_SET: u32 = CR4_SSE | CR4_MCE | CR4_PAE;
/// CR4 in long mode, after a fault in protected mode.
pub const CR4_LONG: u32 = CR4_SET;
/// CR4 in protected mode, before the target's own value is loaded.
pub const CR4_PROTECTED: u32 = CR4_MCE;
