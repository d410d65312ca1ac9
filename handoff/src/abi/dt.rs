//! Header and parameters of a blob for a machine with a device tree (riscv64, ARM).

use super::{MAX_REGIONS, MAX_SINKS, RegionRaw, RelocateRaw, SinkRaw};
#[cfg(not(freestanding))]
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// [`DtParams::psci`]: no firmware to call.
pub const PSCI_NONE: u32 = 0;
/// [`DtParams::psci`]: by `smc`.
pub const PSCI_SMC: u32 = 1;
/// [`DtParams::psci`]: by `hvc`, not from EL2 or Hyp mode.
pub const PSCI_HVC: u32 = 2;

/// The first bytes of the blob. Offsets count from the header.
#[repr(C)]
#[cfg_attr(
    not(freestanding),
    derive(FromBytes, IntoBytes, Immutable, KnownLayout)
)]
#[derive(Clone, Copy, Debug)]
pub struct DtHeader {
    /// `MAGIC` of the architecture.
    pub magic: u64,
    /// `VERSION` of the architecture.
    pub version: u32,
    /// Read-only, executable bytes at the start; a multiple of the page size.
    pub text_size: u32,
    /// Memory size in bytes; a multiple of the page size.
    pub mem_size: u32,
    /// Offset of the area; a multiple of the page size.
    pub area: u32,
    /// Offset of the entry point.
    pub entry: u32,
    /// riscv64: offset of the first pass of the trampoline, which begins a page.
    pub pass1: u32,
    /// riscv64: offset of the second pass, on the same page.
    pub pass2: u32,
    /// Zero.
    pub reserved: u32,
}

/// [`DtParams::drill`]: an illegal instruction, after verification.
pub const DT_DRILL_FAULT: u32 = 1;
/// [`DtParams::drill`]: a breakpoint, which is dumped and resumed.
pub const DT_DRILL_BREAKPOINT: u32 = 2;
/// [`DtParams::drill`]: call [`DtParams::drill_addr`]. For tests.
pub const DT_DRILL_CALL: u32 = 3;

/// Parameters of the blob.
#[repr(C)]
#[cfg_attr(
    not(freestanding),
    derive(FromBytes, IntoBytes, Immutable, KnownLayout)
)]
#[derive(Clone, Copy, Debug)]
pub struct DtParams {
    /// Physical address of the header.
    pub base: u64,
    /// Physical address of the target: the program counter at its entry.
    pub entry: u64,
    /// Physical address of the device tree: `a1`, `x0` or `r2` at its entry.
    pub dtb: u64,
    /// The handoff's own tables: `satp` of riscv64; the address of the first table of ARM.
    pub root: u64,
    /// Sinks of the console.
    pub sinks: [SinkRaw; MAX_SINKS],
    /// `ON_FAULT_*`.
    pub on_fault: u32,
    /// `DT_DRILL_*`, or 0 for none.
    pub drill: u32,
    /// Code for [`DT_DRILL_CALL`], on a page that the host maps executable.
    pub drill_addr: u64,
    /// `VERIFY_*`: how to verify the regions.
    pub verify: u32,
    /// Used entries of `regions`.
    pub region_count: u32,
    /// Segments to verify.
    pub regions: [RegionRaw; MAX_REGIONS],
    /// Memory to move.
    pub relocate: RelocateRaw,
    /// arm64: `ARM64_EXIT_*`; 0 elsewhere.
    pub exit: u32,
    /// ARM: `PSCI_*`; 0 on riscv64.
    pub psci: u32,
    /// CRC-32 of the blob as loaded, up to its scratch memory, with 0 here.
    pub checksum: u32,
    /// Zero.
    pub unused: u32,
}

impl DtParams {
    /// The used entries of [`Self::regions`].
    #[must_use]
    pub fn regions(&self) -> &[RegionRaw] {
        &self.regions[..self.regions.len().min(self.region_count as usize)]
    }
}

const _: () = {
    assert!(size_of::<DtHeader>() == 40);
    assert!(size_of::<DtParams>() == 5832);
};
