//! Page tables of the blob on riscv64.

extern crate alloc;
use super::{MappedParts, unmapped};
use crate::addr::PhysRange;
use crate::arch::riscv64::abi::RiscvTables;
use crate::arch::riscv64::paging::{DATA, PagingMode, SvMapError, SvMapper, TEXT};
use crate::spec::Console;
use alloc::string::String;
use alloc::vec::Vec;
use zerocopy::{FromZeros, IntoBytes};

/// Maps the blob, what it verifies, moves and clears, and its consoles. Returns the tables, and
/// `satp`.
///
/// Memory is mapped in pages of 1 GiB, which saves tables; nothing in it but the blob's own code is
/// executable. What is cacheable is a property of the physical address.
///
/// # Errors
///
/// Names what cannot be mapped.
pub(super) fn map(parts: &MappedParts<'_>, mode: PagingMode) -> Result<(Vec<u8>, u64), String> {
    let mut tables =
        RiscvTables::new_box_zeroed().map_err(|_| "no memory for the handoff's tables")?;
    let mut mapper = SvMapper::new(mode, &mut tables.0, parts.pool_at)
        .map_err(|error| unmapped(parts.own, &error))?;
    let mut map = |range: PhysRange, flags| {
        mapper
            .identity(range, flags)
            .map_err(|error| unmapped(range, &error))
    };
    for part in parts.memory() {
        let whole = part.align_outward(1 << 30);
        let whole = whole.ok_or_else(|| unmapped(part, &SvMapError::AboveLimit))?;
        map(whole, DATA)?;
    }
    for part in parts.spec.consoles.iter().filter_map(Console::memory) {
        map(part, DATA)?;
    }
    for part in [parts.text].into_iter().chain(parts.drill()) {
        map(part, TEXT)?;
    }
    let satp = mapper.satp();
    Ok((tables.as_bytes().to_vec(), satp))
}
