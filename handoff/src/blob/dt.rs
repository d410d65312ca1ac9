//! Fills in the blob for a machine with a device tree (riscv64, ARM), on any host.

extern crate alloc;
use super::limits::Reach;
use super::{Built, lay_out, moves, on_fault, regions, sinks};
use crate::abi::{self, DtHeader, DtParams};
use crate::addr::{FOUR_GIB, PAGE_SIZE, PhysRange};
use crate::arch::arm64::paging::LIMIT;
use crate::arch::riscv64::paging::PagingMode;
use crate::arch::{arm, arm64 as arm64_arch};
use crate::crc;
use crate::spec::{Console, OnFault, Region, Relocate, Verify};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem::offset_of;
use layout::BlobLayout;
use zerocopy::{FromBytes, FromZeros, IntoBytes};

mod arm64;
mod layout;
mod riscv64;

/// A deliberate failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtDrill {
    /// No drill.
    Off,
    /// An illegal instruction, after verification.
    Fault,
    /// A breakpoint instruction, which is dumped and resumed.
    Breakpoint,
    /// Call code, for tests of the handoff. The page is mapped executable; the code may return.
    Call(u64),
}

/// What differs between architectures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtMachine {
    /// riscv64.
    Riscv64 {
        /// Paging mode of the handoff's own tables, supported by the CPU.
        mode: PagingMode,
    },
    /// arm64.
    Arm64 {
        /// Entry state of the target.
        exit: Arm64Exit,
        /// How firmware is called, to reset the machine.
        psci: PsciConduit,
    },
    /// 32-bit ARM: the target is a Linux (Linux, Documentation/arch/arm/booting.rst), in the mode of the entry.
    Arm {
        /// As for arm64.
        psci: PsciConduit,
    },
}

impl DtMachine {
    /// End of the addresses that the handoff's tables can map.
    #[must_use]
    pub const fn limit(self) -> u64 {
        match self {
            Self::Riscv64 { mode } => mode.limit(),
            Self::Arm64 { .. } => LIMIT,
            Self::Arm { .. } => FOUR_GIB,
        }
    }
}

/// Entry state of a target on arm64: translation and data cache off, x0 = device tree, x1 to x3 = 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm64Exit {
    /// Linux, at the exception level of the entry (Linux, Documentation/arch/arm64/booting.rst).
    Linux,
    /// Xen, at EL2 with `HCR_EL2.E2H` clear (Xen, docs/misc/arm/booting.txt).
    Xen,
}

/// How PSCI is called (Arm DEN 0022; the device tree's property `method` of `/psci`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PsciConduit {
    /// Not at all.
    None,
    /// By `smc`.
    Smc,
    /// By `hvc`.
    Hvc,
}

/// Everything that goes into the blob's parameters.
#[derive(Clone, Debug)]
pub struct DtSpec {
    /// Physical address of the blob: page aligned.
    pub base: u64,
    /// The architecture.
    pub machine: DtMachine,
    /// Consoles: at most [`abi::MAX_SINKS`]; all get the same output.
    pub consoles: Vec<Console>,
    /// Action after a fault.
    pub on_fault: OnFault,
    /// Verify `regions`.
    pub verify: Verify,
    /// Loaded segments at their load addresses.
    pub regions: Vec<Region>,
    /// Memory to move and to clear.
    pub relocate: Relocate,
    /// Physical address of the target's first instruction.
    pub entry: u64,
    /// Physical address of its device tree.
    pub dtb: u64,
    /// Deliberate failure.
    pub drill: DtDrill,
}

/// Bytes assumed for the code where the blob is not there.
const CODE: u64 = 32 << 10;

/// Reads the header of a flat image as linked for `machine`.
///
/// # Errors
///
/// What is wrong with it.
pub fn header(image: &[u8], machine: DtMachine) -> Result<DtHeader, String> {
    let layout = BlobLayout::of(machine);
    let (header, _) = DtHeader::read_from_prefix(image)
        .map_err(|_| format!("a handoff of {} bytes has no header", image.len()))?;
    if (header.magic, header.version) != (layout.magic, layout.version) {
        return Err(format!(
            "this is no handoff for {}: magic {:#x}, version {}; expected {:#x}, version {}",
            layout.name, header.magic, header.version, layout.magic, layout.version
        ));
    }
    Ok(header)
}

/// Fills in parameters and tables of the flat `image` for `spec.base`.
///
/// # Errors
///
/// Names the invalid parameter: a base that is not page aligned or too high; too many regions,
/// moves, ranges to clear or consoles; memory that the page tables cannot map; a console that
/// cannot be accessed as it says.
pub fn build(image: &[u8], spec: &DtSpec) -> Result<Built, String> {
    let header = header(image, spec.machine)?;
    let layout = BlobLayout::of(spec.machine);
    let limit = spec.machine.limit();
    let own = PhysRange::from_len(spec.base, header.mem_size.into())
        .filter(|own| own.start.is_multiple_of(PAGE_SIZE) && own.end <= limit);
    let own = own.ok_or_else(|| {
        format!(
            "handoff base {:#x}: must be page aligned, and {:#x} bytes from it must lie below {:#x}",
            spec.base, header.mem_size, limit
        )
    })?;
    let area = header.area as usize;
    let bounce = spec.base + (area + layout.bounce) as u64;
    let reach = Reach {
        own,
        bounce: PhysRange {
            start: bounce,
            end: bounce + abi::BOUNCE_SIZE as u64,
        },
        limit,
        list_limit: limit,
    };
    let mut params = params(spec, &reach)?;
    let pool_at = spec.base + (area + layout.tables) as u64;
    let text = PhysRange {
        start: own.start,
        end: own.start + u64::from(header.text_size),
    };
    let parts = MappedParts {
        spec,
        own,
        text,
        pool_at,
    };
    let (tables, root) = match spec.machine {
        DtMachine::Riscv64 { mode } => riscv64::map(&parts, mode)?,
        DtMachine::Arm64 { .. } => arm64::map(&parts, arm64_arch::abi::TABLES)?,
        DtMachine::Arm { .. } => {
            let (tables, root) = arm64::map(&parts, arm::abi::TABLES)?;
            // the first level of 32-bit addresses is the table below the root's first entry
            (tables, root + PAGE_SIZE)
        }
    };
    params.root = root;

    let tables_at = area + layout.tables;
    let mut bytes = lay_out(image, (area, params.as_bytes()), (tables_at, &tables));
    debug_assert_eq!(bytes.len(), area + layout.scratch);
    let mut crc_tables = [[0; 256]; abi::CRC_TABLES];
    crc::init(&mut crc_tables);
    let sum = crc::crc32(&crc_tables, &bytes);
    let at = area + offset_of!(DtParams, checksum);
    bytes[at..at + 4].copy_from_slice(&sum.to_le_bytes());
    Ok(Built {
        bytes,
        memsz: header.mem_size.into(),
        entry: spec.base + u64::from(header.entry),
    })
}

/// Fills in the blob that this library has, as [`build`]; no bytes if it was built for another architecture: a plan can
/// still be made, with [`memsz`] bytes for the blob.
///
/// # Errors
///
/// As [`build`].
pub fn native(spec: &DtSpec) -> Result<Built, String> {
    let here = match spec.machine {
        DtMachine::Riscv64 { .. } => cfg!(target_arch = "riscv64"),
        DtMachine::Arm64 { .. } => cfg!(target_arch = "aarch64"),
        DtMachine::Arm { .. } => cfg!(target_arch = "arm"),
    };
    if here {
        return build(super::IMAGE, spec);
    }
    Ok(Built::absent(spec.base, memsz(spec.machine)))
}

/// Memory size of the blob in bytes; about that if this library was built for another architecture.
#[must_use]
pub fn memsz(machine: DtMachine) -> u64 {
    match header(super::IMAGE, machine) {
        Ok(header) => header.mem_size.into(),
        Err(_) => CODE + BlobLayout::of(machine).area as u64,
    }
}

fn params(spec: &DtSpec, reach: &Reach) -> Result<Box<DtParams>, String> {
    let mut params =
        DtParams::new_box_zeroed().map_err(|_| "no memory for the handoff's parameters")?;
    params.base = spec.base;
    params.entry = spec.entry;
    params.dtb = spec.dtb;
    params.sinks = sinks::raw(&spec.consoles, reach)?;
    params.on_fault = on_fault(spec.on_fault);
    (params.drill, params.drill_addr) = match spec.drill {
        DtDrill::Off => (abi::DRILL_OFF, 0),
        DtDrill::Fault => (abi::DT_DRILL_FAULT, 0),
        DtDrill::Breakpoint => (abi::DT_DRILL_BREAKPOINT, 0),
        DtDrill::Call(addr) => (abi::DT_DRILL_CALL, addr),
    };
    params.verify = regions::verify(spec.verify);
    params.region_count = spec.regions.len() as u32; // at most MAX_REGIONS
    params.regions = regions::raw(&spec.regions, spec.verify, reach)?;
    params.relocate = moves::raw(&spec.relocate, reach)?;
    (params.exit, params.psci) = match spec.machine {
        DtMachine::Riscv64 { .. } => (0, 0),
        DtMachine::Arm64 { exit, psci } => (arm64::exit(exit), arm64::psci(psci)),
        DtMachine::Arm { psci } => (0, arm64::psci(psci)),
    };
    Ok(params)
}

/// What the handoff's own tables map.
struct MappedParts<'a> {
    spec: &'a DtSpec,
    /// The blob.
    own: PhysRange,
    /// Its code and constants.
    text: PhysRange,
    /// Physical address of the tables.
    pool_at: u64,
}

impl MappedParts<'_> {
    /// Memory: the blob, and what it verifies, moves and clears.
    fn memory(&self) -> impl Iterator<Item = PhysRange> {
        let moves = &self.spec.relocate;
        let extents = moves
            .extents
            .iter()
            .flat_map(|extent| [extent.source(), extent.destination()]);
        let pages = moves.list.iter().flat_map(|list| list.pages.iter());
        let page = |start: u64| PhysRange {
            start,
            end: start.saturating_add(PAGE_SIZE),
        };
        [self.own]
            .into_iter()
            .chain(self.spec.regions.iter().map(|region| region.range))
            .chain(extents)
            .chain(moves.clear.iter().copied())
            .chain(pages.map(move |(at, _)| page(*at)))
    }

    /// The page of a drill's code.
    fn drill(&self) -> Option<PhysRange> {
        match self.spec.drill {
            DtDrill::Call(addr) => PhysRange::from_len(addr, 1),
            _ => None,
        }
    }
}

/// Describes memory that cannot be mapped.
fn unmapped(range: PhysRange, error: &dyn core::fmt::Display) -> String {
    format!("{range} cannot be mapped: {error}")
}

#[cfg(test)]
mod tests;
