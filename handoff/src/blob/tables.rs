//! Descriptor tables and page tables for a blob at a given address.

extern crate alloc;
use super::high;
use crate::abi::{self, Area, BlobHeader, Params, Tables};
use crate::addr::PhysRange;
use crate::arch::x86_64::gates;
use crate::arch::x86_64::paging::{self, Mapper};
use crate::spec::Spec;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::mem::offset_of;
use zerocopy::FromZeros;

/// The tables of a blob at `base`.
///
/// # Errors
///
/// Too much above 4 GiB, or a console that cannot be mapped.
pub(super) fn tables(
    header: &BlobHeader,
    base: u32,
    (params, spec): (&Params, &Spec),
) -> Result<Box<Tables>, String> {
    let area = base + header.area;
    let at = |offset: usize| u64::from(area) + offset as u64;
    let mut tables = Tables::new_box_zeroed().map_err(|_| "no memory for the handoff's tables")?;
    gates::fill(&mut tables, header, base, params.exit);

    let mut mapper = Mapper::new(&mut tables.pool.0, at(offset_of!(Area, tables.pool)));
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
    (tables.cr3, tables.cr3_la57) = (root4, root5);
    Ok(tables)
}
