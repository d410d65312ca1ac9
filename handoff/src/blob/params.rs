//! Checks a [`Spec`], and converts it to the blob's parameters.

extern crate alloc;
use super::limits::{Reach, low};
use super::{exit, image, moves, on_fault, regions, sinks, too_many};
use crate::abi::{self, FixupRaw, Params};
use crate::addr::FOUR_GIB;
use crate::arch::x86_64::paging::LIMIT;
use crate::spec::{Drill, Fixup, OnCpu, Spec};
use alloc::string::String;
use zerocopy::FromZeros;

/// Converts `spec`.
///
/// # Errors
///
/// As for [`super::build`].
pub(super) fn params(spec: &Spec) -> Result<Params, String> {
    let registers = exit::registers(spec.exit);
    let reach = Reach {
        own: image::range(spec.base),
        bounce: image::bounce(spec.base),
        limit: LIMIT,
        list_limit: FOUR_GIB,
    };
    too_many("fix-ups", spec.fixups.len(), abi::MAX_FIXUPS)?;
    let regions = regions::raw(&spec.regions, spec.verify, &reach)?;
    let mut fixups = [FixupRaw::new_zeroed(); abi::MAX_FIXUPS];
    for (raw, fixup) in fixups.iter_mut().zip(&spec.fixups) {
        *raw = fixup_raw(fixup)?;
    }
    Ok(Params {
        base: spec.base,
        sinks: sinks::raw(&spec.consoles, &reach)?,
        on_fault: on_fault(spec.on_fault),
        guard: spec.guard.into(),
        drill: match spec.drill {
            Drill::Off => abi::DRILL_OFF,
            Drill::FaultLong => abi::DRILL_LONG,
            Drill::FaultProtected => abi::DRILL_PROTECTED,
            Drill::Call(_) => abi::DRILL_CALL,
        },
        verify: regions::verify(spec.verify),
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
        relocate: moves::raw(&spec.relocate, &reach)?,
        checksum: 0,
        unused: 0,
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
