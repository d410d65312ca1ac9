//! Page tables for segments and moves above 4 GiB.

extern crate alloc;
use crate::abi::HIGH_TABLES;
use crate::addr::{FOUR_GIB, PhysRange};
use crate::arch::x86_64::paging::Mapper;
use crate::spec::Spec;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Maps the memory above 4 GiB that `spec` uses. All of it was checked to end
/// below [`crate::arch::x86_64::paging::LIMIT`].
///
/// # Errors
///
/// When it is in more different GiB than there are page directories.
pub(super) fn map(spec: &Spec, mapper: &mut Mapper<'_>) -> Result<(), String> {
    let ranges = ranges(spec);
    let (mut gib, mut tib) = (BTreeSet::new(), BTreeSet::new());
    for range in &ranges {
        for n in range.start >> 30..=(range.end - 1) >> 30 {
            gib.insert(n);
            if n >> 9 != 0 {
                tib.insert(n >> 9); // the first 512 GiB have their PDPT
            }
            if gib.len() + tib.len() > HIGH_TABLES {
                return Err(format!(
                    "memory above 4 GiB that the handoff verifies, moves or clears lies in too \
                     many different GiB: {range} is beyond the {} that it maps; load it in fewer, \
                     larger pieces",
                    gib.len() - 1
                ));
            }
        }
    }
    for range in ranges {
        mapper
            .map_data(range)
            .map_err(|error| format!("{range} cannot be mapped: {error}"))?;
    }
    Ok(())
}

/// The parts above 4 GiB of regions, moves and ranges to clear.
fn ranges(spec: &Spec) -> Vec<PhysRange> {
    let moves = &spec.relocate;
    let regions = spec.regions.iter().map(|region| region.range);
    let extents = moves
        .extents
        .iter()
        .flat_map(|extent| [extent.source(), extent.destination()]);
    let all = regions.chain(extents).chain(moves.clear.iter().copied());
    let above = PhysRange {
        start: FOUR_GIB,
        end: u64::MAX,
    };
    all.filter_map(|range| range.intersect(&above)).collect()
}
