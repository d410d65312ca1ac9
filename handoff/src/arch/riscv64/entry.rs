//! Tables for an entry with address translation on: from the address at which
//! the old kernel runs the handoff to its physical address.

use super::abi::ENTRY_TABLES;
use super::paging::{ALL, PagingMode, SvMapError, SvMapper};
use crate::abi::PageTable;

/// Returns the value of `satp` for tables in `pool`, at physical address
/// `pool_at`, that map the page `pa` one to one and at `va`. The mode is the one
/// found in `satp`; 0 if translation is off.
///
/// # Errors
///
/// [`SvMapError`] if the mode is unknown or `pa` is above its limit.
pub fn tables(
    satp: u64,
    pool: &mut [PageTable; ENTRY_TABLES],
    pool_at: u64,
    va: u64,
    pa: u64,
) -> Result<u64, SvMapError> {
    if satp == 0 {
        return Ok(0);
    }
    let mode = PagingMode::of_satp(satp).ok_or(SvMapError::AboveLimit)?;
    if pa >= mode.limit() {
        return Err(SvMapError::AboveLimit);
    }
    let mut mapper = SvMapper::new(mode, pool, pool_at)?;
    mapper.page(va, pa, 0, ALL)?;
    mapper.page(pa, pa, 0, ALL)?;
    Ok(mapper.satp())
}

#[cfg(test)]
mod tests {
    use super::super::paging::walk;
    use super::*;

    #[test]
    fn the_page_is_at_both_addresses_in_every_mode() {
        for mode in PagingMode::ALL {
            let mut pool = [[0; 512]; ENTRY_TABLES];
            let (va, pa) = (0xffff_ffc0_1234_5000, 0x8123_4000);
            let satp = tables(mode.satp(0x9000_0000), &mut pool, 0x8200_0000, va, pa).unwrap();
            assert_eq!(PagingMode::of_satp(satp), Some(mode));
            for at in [va, pa] {
                let found = walk(satp, &pool, 0x8200_0000, at + 8);
                assert_eq!(found, Some((pa + 8, ALL)));
            }
        }
    }

    #[test]
    fn translation_that_is_off_or_unknown() {
        let mut pool = [[0; 512]; ENTRY_TABLES];
        let mut of = |satp, pa| tables(satp, &mut pool, 0x8200_0000, pa, pa);
        assert_eq!(of(0, 0x8000_0000), Ok(0));
        assert_eq!(of(11 << 60, 0x8000_0000), Err(SvMapError::AboveLimit));
        let sv39 = PagingMode::Sv39.satp(0x9000_0000);
        assert_eq!(of(sv39, 1 << 38), Err(SvMapError::AboveLimit));
    }
}
