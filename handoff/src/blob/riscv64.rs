//! Fills in the blob for riscv64, on any host.

extern crate alloc;
use super::limits::Reach;
use super::{Built, lay_out, moves, on_fault, regions, sinks};
use crate::abi;
use crate::addr::{PAGE_SIZE, PhysRange};
use crate::arch::riscv64::abi::{
    self as riscv_abi, DRILL_BREAKPOINT, DRILL_CALL, DRILL_FAULT, RiscvArea, RiscvHeader,
    RiscvParams, RiscvTables,
};
use crate::arch::riscv64::paging::{DATA, PagingMode, SvMapError, SvMapper, TEXT};
use crate::crc;
use crate::spec::{Console, OnFault, Region, Relocate, Verify};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem::offset_of;
use zerocopy::{FromBytes, FromZeros, IntoBytes};

/// A deliberate failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RiscvDrill {
    /// No drill.
    Off,
    /// An illegal instruction, after verification.
    Fault,
    /// `ebreak`, which is dumped and resumed.
    Breakpoint,
    /// Call code, for tests of the handoff. The page is mapped executable; the code may return.
    Call(u64),
}

/// Everything that goes into the blob's parameters.
#[derive(Clone, Debug)]
pub struct RiscvSpec {
    /// Physical address of the blob: page aligned.
    pub base: u64,
    /// Paging mode of the handoff's own tables, supported by the CPU.
    pub mode: PagingMode,
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
    pub drill: RiscvDrill,
}

/// Bytes assumed for the code where the blob is not there.
const CODE: u64 = 32 << 10;

/// Reads the header of a flat image as linked.
///
/// # Errors
///
/// What is wrong with it.
pub fn header(image: &[u8]) -> Result<RiscvHeader, String> {
    let (header, _) = RiscvHeader::read_from_prefix(image)
        .map_err(|_| format!("a handoff of {} bytes has no header", image.len()))?;
    if (header.magic, header.version) != (riscv_abi::MAGIC, riscv_abi::VERSION) {
        return Err(format!(
            "this is no handoff for riscv64: magic {:#x}, version {}; expected {:#x}, version {}",
            header.magic,
            header.version,
            riscv_abi::MAGIC,
            riscv_abi::VERSION
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
pub fn build(image: &[u8], spec: &RiscvSpec) -> Result<Built, String> {
    let header = header(image)?;
    let own = PhysRange::from_len(spec.base, header.mem_size.into())
        .filter(|own| own.start.is_multiple_of(PAGE_SIZE) && own.end <= spec.mode.limit());
    let own = own.ok_or_else(|| {
        format!(
            "handoff base {:#x}: must be page aligned, and {:#x} bytes from it must lie below \
             {:#x}",
            spec.base,
            header.mem_size,
            spec.mode.limit()
        )
    })?;
    let area = u64::from(header.area);
    let bounce = spec.base + area + offset_of!(RiscvArea, scratch.bounce) as u64;
    let reach = Reach {
        own,
        bounce: PhysRange {
            start: bounce,
            end: bounce + abi::BOUNCE_SIZE as u64,
        },
        limit: spec.mode.limit(),
        list_limit: spec.mode.limit(),
    };
    let mut params = params(spec, &reach)?;
    let mut tables =
        RiscvTables::new_box_zeroed().map_err(|_| "no memory for the handoff's tables")?;
    params.satp = map(&mut tables, spec, &header)
        .map_err(|(range, error)| format!("{range} cannot be mapped: {error}"))?;

    let area = header.area as usize;
    let tables_at = area + offset_of!(RiscvArea, tables);
    let mut bytes = lay_out(
        image,
        (area, params.as_bytes()),
        (tables_at, tables.as_bytes()),
    );
    debug_assert_eq!(bytes.len(), area + offset_of!(RiscvArea, scratch));
    let mut crc_tables = [[0; 256]; abi::CRC_TABLES];
    crc::init(&mut crc_tables);
    let sum = crc::crc32(&crc_tables, &bytes);
    let at = area + offset_of!(RiscvArea, params.checksum);
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
pub fn native(spec: &RiscvSpec) -> Result<Built, String> {
    if cfg!(target_arch = "riscv64") {
        return build(super::IMAGE, spec);
    }
    Ok(Built::absent(spec.base, memsz()))
}

/// Memory size of the blob in bytes; about that if this library was built for another architecture.
#[must_use]
pub fn memsz() -> u64 {
    match header(super::IMAGE) {
        Ok(header) => header.mem_size.into(),
        Err(_) => CODE + size_of::<RiscvArea>() as u64,
    }
}

fn params(spec: &RiscvSpec, reach: &Reach) -> Result<Box<RiscvParams>, String> {
    let mut params =
        RiscvParams::new_box_zeroed().map_err(|_| "no memory for the handoff's parameters")?;
    params.base = spec.base;
    params.entry = spec.entry;
    params.dtb = spec.dtb;
    params.sinks = sinks::raw(&spec.consoles, reach)?;
    params.on_fault = on_fault(spec.on_fault);
    (params.drill, params.drill_addr) = match spec.drill {
        RiscvDrill::Off => (abi::DRILL_OFF, 0),
        RiscvDrill::Fault => (DRILL_FAULT, 0),
        RiscvDrill::Breakpoint => (DRILL_BREAKPOINT, 0),
        RiscvDrill::Call(addr) => (DRILL_CALL, addr),
    };
    params.verify = regions::verify(spec.verify);
    params.region_count = spec.regions.len() as u32; // at most MAX_REGIONS
    params.regions = regions::raw(&spec.regions, spec.verify, reach)?;
    params.relocate = moves::raw(&spec.relocate, reach)?;
    Ok(params)
}

/// Maps the blob, what it verifies, moves and clears, and its consoles. Returns `satp`.
///
/// Memory is mapped in pages of 1 GiB, which saves tables; nothing in it but the blob's own code is
/// executable.
fn map(
    tables: &mut RiscvTables,
    spec: &RiscvSpec,
    header: &RiscvHeader,
) -> Result<u64, (PhysRange, SvMapError)> {
    let pool_at = spec.base + u64::from(header.area) + offset_of!(RiscvArea, tables) as u64;
    let range = |start: u64, len: u64| PhysRange {
        start,
        end: start.saturating_add(len),
    };
    let own = range(spec.base, header.mem_size.into());
    let mut mapper =
        SvMapper::new(spec.mode, &mut tables.0, pool_at).map_err(|error| (own, error))?;
    let mut map = |range: PhysRange, flags| {
        mapper
            .identity(range, flags)
            .map_err(|error| (range, error))
    };
    let moves = &spec.relocate;
    let extents = moves
        .extents
        .iter()
        .flat_map(|extent| [extent.source(), extent.destination()]);
    let list = moves.list.iter().flat_map(|list| list.pages.iter());
    let memory = [own]
        .into_iter()
        .chain(spec.regions.iter().map(|region| region.range))
        .chain(extents)
        .chain(moves.clear.iter().copied())
        .chain(list.map(|(page, _)| range(*page, PAGE_SIZE)));
    for part in memory {
        let Some(whole) = part.align_outward(1 << 30) else {
            return Err((part, SvMapError::AboveLimit));
        };
        map(whole, DATA)?;
    }
    for part in spec.consoles.iter().filter_map(Console::memory) {
        map(part, DATA)?;
    }
    map(range(spec.base, header.text_size.into()), TEXT)?;
    if let RiscvDrill::Call(addr) = spec.drill {
        map(range(addr, 1), TEXT)?;
    }
    Ok(mapper.satp())
}
