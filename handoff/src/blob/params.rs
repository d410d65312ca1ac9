//! Checks a [`Spec`], and converts it to the blob's parameters.

extern crate alloc;
use super::limits::{low, paged};
use super::{exit, image, moves, sinks};
use crate::abi::{self, FixupRaw, Params, RegionRaw};
use crate::spec::{Digest, Drill, Fixup, OnCpu, OnFault, Region, Spec, Verify};
use alloc::format;
use alloc::string::String;
use zerocopy::FromZeros;

/// Converts `spec`.
///
/// # Errors
///
/// As for [`super::build`].
pub(super) fn params(spec: &Spec) -> Result<Params, String> {
    let registers = exit::registers(spec.exit);
    let too_many = |what, count, max| format!("{count} {what}, the handoff accepts at most {max}");
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
    let mut regions = [RegionRaw::new_zeroed(); abi::MAX_REGIONS];
    for (raw, region) in regions.iter_mut().zip(&spec.regions) {
        *raw = region_raw(region, spec.verify)?;
    }
    let mut fixups = [FixupRaw::new_zeroed(); abi::MAX_FIXUPS];
    for (raw, fixup) in fixups.iter_mut().zip(&spec.fixups) {
        *raw = fixup_raw(fixup)?;
    }
    Ok(Params {
        base: spec.base,
        sinks: sinks::raw(&spec.consoles, image::range(spec.base))?,
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
        rsi: registers.rsi,
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
        reserved: 0,
        regions,
        fixups,
        relocate: moves::raw(spec)?,
        checksum: 0,
        unused: 0,
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
