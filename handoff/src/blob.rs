//! The blob: what mbtool loads and the old kernel jumps to.

extern crate alloc;
use crate::abi::{self, Area, FixupRaw, Header, Params, RegionRaw};
use crate::addr::{FOUR_GIB, PAGE_SIZE, PhysRange};
use crate::arch::x86_64::gates;
use crate::arch::x86_64::paging::{self, Mapper};
use crate::arch::x86_64::selfcheck;
use crate::sinks;
use crate::spec::{Digest, Drill, Fixup, OnCpu, OnFault, Region, Spec, Verify};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem::offset_of;

mod encode_exit;
mod encode_relocate;
mod high;

pub use encode_exit::{MULTIBOOT1_MAGIC, MULTIBOOT2_MAGIC};

/// The flat image, as linked: header, code, constants. The area follows in
/// memory only.
pub static IMAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/handoff.bin"));

/// The same with symbols and line numbers, for `decode --symbols`.
pub static ELF: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/handoff.elf"));

/// The blob with its parameters filled in, ready to be a segment.
#[derive(Clone, Debug)]
pub struct Built {
    /// Bytes to load at the base address.
    pub bytes: Vec<u8>,
    /// Bytes of memory it occupies (stacks follow the loaded part); a multiple of the page size.
    pub memsz: u64,
    /// Address to jump to in long mode.
    pub entry: u64,
}

/// The header of [`IMAGE`].
#[must_use]
pub fn header() -> Header {
    let word = |offset: usize| {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&IMAGE[offset..offset + 4]);
        u32::from_le_bytes(bytes)
    };
    Header {
        magic: u64::from(word(4)) << 32 | u64::from(word(0)),
        version: word(offset_of!(Header, version)),
        text_size: word(offset_of!(Header, text_size)),
        mem_size: word(offset_of!(Header, mem_size)),
        area: word(offset_of!(Header, area)),
        entry64: word(offset_of!(Header, entry64)),
        trap64: word(offset_of!(Header, trap64)),
        trap32: word(offset_of!(Header, trap32)),
        df32: word(offset_of!(Header, df32)),
        reserved: [0; 2],
    }
}

/// Bytes of memory that [`build`] will ask for, whatever the parameters.
#[must_use]
pub fn memsz() -> u64 {
    header().mem_size.into()
}

/// The bounce buffer of a blob at `base`, for [`crate::extents::order`].
#[must_use]
pub fn bounce(base: u64) -> PhysRange {
    let offset = u64::from(header().area) + offset_of!(Area, scratch.bounce) as u64;
    let start = base.saturating_add(offset);
    PhysRange {
        start,
        end: start.saturating_add(abi::BOUNCE_SIZE as u64),
    }
}

/// Fills in parameters and tables for `spec.base`.
///
/// # Errors
///
/// Says which parameter does not fit: base not page aligned, in page 0 or
/// above 4 GiB; too many regions, moves, ranges to clear, fix-ups or consoles; a
/// fix-up above 4 GiB; regions and moves scattered over too many GiB above it; a
/// console that cannot be accessed or mapped as it says.
pub fn build(spec: &Spec) -> Result<Built, String> {
    let header = header();
    let base = check_base(spec.base, header.mem_size)?;
    let params = params(spec)?;

    let mut bytes = IMAGE.to_vec();
    bytes.resize(header.area as usize, 0);
    encode_params(&params, &mut bytes);
    bytes.resize(header.area as usize + offset_of!(Area, tables), 0);
    encode_tables(&header, base, (&params, spec), &mut bytes)?;
    debug_assert_eq!(
        bytes.len(),
        header.area as usize + offset_of!(Area, scratch)
    );
    selfcheck::seal(&mut bytes, header.area as usize);
    Ok(Built {
        bytes,
        memsz: header.mem_size.into(),
        entry: u64::from(base) + u64::from(header.entry64),
    })
}

fn check_base(base: u64, size: u32) -> Result<u32, String> {
    if !base.is_multiple_of(PAGE_SIZE) || base < PAGE_SIZE || base + u64::from(size) > FOUR_GIB {
        return Err(format!(
            "handoff base {base:#x}: must be page aligned, and {size:#x} bytes from it must lie \
             between page 0 and 4 GiB"
        ));
    }
    Ok(base as u32)
}

/// The memory of a blob at `base`, which was checked.
fn blob_range(base: u64) -> PhysRange {
    let end = base.saturating_add(memsz());
    PhysRange { start: base, end }
}

fn params(spec: &Spec) -> Result<Params, String> {
    let registers = encode_exit::registers(spec.exit);
    let too_many = |what, count, max| format!("{count} {what}, the handoff takes at most {max}");
    if spec.regions.len() > abi::MAX_REGIONS {
        return Err(too_many(
            "segments to verify",
            spec.regions.len(),
            abi::MAX_REGIONS,
        ));
    }
    if spec.fixups.len() > abi::MAX_FIXUPS {
        return Err(too_many("fix-ups", spec.fixups.len(), abi::MAX_FIXUPS));
    }
    let mut regions = [RegionRaw {
        name: [0; abi::NAME_LEN],
        start: 0,
        memsz: 0,
        loaded: 0,
        digest: [0; abi::DIGEST_LEN],
        zero_pages: 0,
    }; abi::MAX_REGIONS];
    for (raw, region) in regions.iter_mut().zip(&spec.regions) {
        *raw = region_raw(region, spec.verify)?;
    }
    let mut fixups = [FixupRaw {
        kind: 0,
        len: 0,
        to: 0,
        from: 0,
    }; abi::MAX_FIXUPS];
    for (raw, fixup) in fixups.iter_mut().zip(&spec.fixups) {
        *raw = fixup_raw(fixup)?;
    }
    Ok(Params {
        base: spec.base,
        sinks: sinks::raw(&spec.consoles, blob_range(spec.base))?,
        on_fault: match spec.on_fault {
            OnFault::Halt => abi::ON_FAULT_HALT,
            OnFault::Reset => abi::ON_FAULT_RESET,
        },
        guard: spec.guard.into(),
        drill: match spec.drill {
            Drill::Off => abi::DRILL_OFF,
            Drill::FaultLong => abi::DRILL_LONG,
            Drill::FaultProtected => abi::DRILL_PROTECTED,
            Drill::Call(_) => abi::DRILL_CALL,
        },
        verify: match spec.verify {
            Verify::None => abi::VERIFY_NONE,
            Verify::Crc32 => abi::VERIFY_CRC32,
            Verify::Sha256 => abi::VERIFY_SHA256,
        },
        exit: registers.exit,
        entry: registers.entry,
        mbi: registers.ebx,
        eax: registers.eax,
        esi: registers.esi,
        region_count: spec.regions.len() as u32,
        fixup_count: spec.fixups.len() as u32,
        drill_addr: match spec.drill {
            Drill::Call(addr) => {
                low("drill", addr, 1)?;
                addr as u32
            }
            _ => 0,
        },
        cr4: registers.cr4,
        regions,
        fixups,
        relocate: encode_relocate::raw(spec)?,
        checksum: 0,
        unused: 0,
    })
}

fn low(what: &str, addr: u64, len: u64) -> Result<(), String> {
    match PhysRange::from_len(addr, len) {
        Some(range) if range.end <= FOUR_GIB => Ok(()),
        _ => Err(format!(
            "{what}: {len:#x} bytes at {addr:#x} end above 4 GiB, which the handoff does not map"
        )),
    }
}

/// A range that the handoff's page tables can map.
fn paged(what: &str, start: u64, len: u64) -> Result<PhysRange, String> {
    let range = PhysRange::from_len(start, len).filter(|range| range.end <= paging::LIMIT);
    range.ok_or_else(|| {
        format!(
            "{what}: {len:#x} bytes at {start:#x} end above {:#x} (128 TiB), which the handoff \
             cannot map",
            paging::LIMIT
        )
    })
}

fn region_raw(region: &Region, verify: Verify) -> Result<RegionRaw, String> {
    paged(&region.name, region.range.start, region.range.len())?;
    let mut cut = region.name.len().min(abi::NAME_LEN);
    while !region.name.is_char_boundary(cut) {
        cut -= 1;
    }
    let mut name = [0; abi::NAME_LEN];
    name[..cut].copy_from_slice(&region.name.as_bytes()[..cut]);
    let digest = match (region.digest, verify) {
        (Digest::Crc32(crc), Verify::None | Verify::Crc32) => {
            let mut digest = [0; abi::DIGEST_LEN];
            digest[..4].copy_from_slice(&crc.to_le_bytes());
            digest
        }
        (Digest::Sha256(digest), Verify::None | Verify::Sha256) => digest,
        (digest, verify) => {
            return Err(format!(
                "{}: its checksum is {digest:?}, the handoff verifies with {verify:?}",
                region.name
            ));
        }
    };
    Ok(RegionRaw {
        name,
        start: region.range.start,
        memsz: region.range.len(),
        loaded: region.loaded,
        digest,
        zero_pages: region.zero_pages,
    })
}

fn fixup_raw(fixup: &Fixup) -> Result<FixupRaw, String> {
    match *fixup {
        Fixup::Store16 { addr, value } => {
            low("fix-up", addr, 2)?;
            Ok(FixupRaw {
                kind: abi::FIXUP_STORE16,
                len: 2,
                to: addr,
                from: value.into(),
            })
        }
        Fixup::CopyRsdp { from, to, len, on } => {
            low("ACPI RSDP", from, len.into())?;
            low("ACPI RSDP copy", to, len.into())?;
            Ok(FixupRaw {
                kind: abi::FIXUP_COPY_RSDP
                    | match on {
                        OnCpu::Any => 0,
                        OnCpu::Boot => abi::FIXUP_IF_BOOT_CPU,
                        OnCpu::Other => abi::FIXUP_IF_OTHER_CPU,
                    },
                len,
                to,
                from,
            })
        }
        Fixup::Zero { addr, len } => {
            low("fix-up", addr, len)?;
            let len = len as u32; // fits: it ends below 4 GiB
            Ok(FixupRaw {
                kind: abi::FIXUP_ZERO,
                len,
                to: addr,
                from: 0,
            })
        }
    }
}

/// Appends `params`, field by field in `repr(C)` order (no padding by design).
fn encode_params(p: &Params, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend(p.base.to_le_bytes());
    sinks::encode(&p.sinks, out);
    for word in [p.on_fault, p.drill, p.verify, p.exit, p.entry, p.mbi] {
        out.extend(word.to_le_bytes());
    }
    out.extend(p.eax.to_le_bytes());
    out.extend(p.esi.to_le_bytes());
    out.extend(p.guard.to_le_bytes());
    out.extend(p.region_count.to_le_bytes());
    out.extend(p.fixup_count.to_le_bytes());
    out.extend(p.drill_addr.to_le_bytes());
    out.extend(p.cr4.to_le_bytes());
    out.resize(start + offset_of!(Params, regions), 0);
    for region in &p.regions {
        out.extend(region.name);
        for word in [region.start, region.memsz, region.loaded] {
            out.extend(word.to_le_bytes());
        }
        out.extend(region.digest);
        out.extend(region.zero_pages.to_le_bytes());
    }
    for fixup in &p.fixups {
        out.extend(fixup.kind.to_le_bytes());
        out.extend(fixup.len.to_le_bytes());
        out.extend(fixup.to.to_le_bytes());
        out.extend(fixup.from.to_le_bytes());
    }
    encode_relocate::encode(&p.relocate, out);
    out.extend(p.checksum.to_le_bytes());
    out.extend(p.unused.to_le_bytes());
    debug_assert_eq!(out.len() - start, size_of::<Params>());
}

/// Appends descriptor tables and page tables for a blob at `base`.
fn encode_tables(
    header: &Header,
    base: u32,
    (params, spec): (&Params, &Spec),
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let start = out.len();
    let area = base + header.area;
    let at = |offset: usize| u64::from(area) + offset as u64;
    gates::encode(header, base, params.exit, out);

    let mut pool = Box::new([[0; 512]; abi::TABLES]);
    let mut mapper = Mapper::new(&mut pool, at(offset_of!(Area, tables.pool)));
    mapper.map_low()?;
    high::map(spec, &mut mapper)?;
    let text = PhysRange {
        start: base.into(),
        end: u64::from(base + header.text_size),
    };
    mapper.map(text, paging::TEXT)?;
    let stubs = PhysRange {
        start: at(offset_of!(Area, tables.idt32)),
        end: at(offset_of!(Area, tables.gdt)),
    };
    mapper.map(stubs, paging::TEXT)?;
    for console in &spec.consoles {
        if let Some(range) = console.memory() {
            let error = |e| format!("{console:x?}: cannot be mapped: {e}");
            mapper.map(range, paging::DEVICE).map_err(error)?;
        }
    }
    if params.drill == abi::DRILL_CALL {
        let code = PhysRange::from_len(params.drill_addr.into(), 1).ok_or("drill above 4 GiB")?;
        mapper.map(code, paging::TEXT)?;
    }
    let (root4, root5) = (mapper.root4(), mapper.root5());
    out.resize(start + offset_of!(abi::Tables, cr3), 0);
    out.extend(root4.to_le_bytes());
    out.extend(root5.to_le_bytes());
    out.resize(start + offset_of!(abi::Tables, pool), 0);
    for entry in pool.as_flattened() {
        out.extend(entry.to_le_bytes());
    }
    out.resize(start + size_of::<abi::Tables>(), 0);
    Ok(())
}
