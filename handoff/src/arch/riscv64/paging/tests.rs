use super::*;
use proptest::prelude::*;

const BASE: u64 = 0x8100_0000;

fn range(start: u64, end: u64) -> PhysRange {
    PhysRange::new(start, end).unwrap()
}

#[test]
fn modes_have_the_numbers_and_limits_of_the_specification() {
    let facts = PagingMode::ALL.map(|mode| (mode.levels(), mode.number(), mode.limit()));
    assert_eq!(facts, [(3, 8, 1 << 38), (4, 9, 1 << 47), (5, 10, 1 << 56)]);
    for mode in PagingMode::ALL {
        let satp = mode.satp(0x8020_3000);
        assert_eq!(satp & SATP_PPN, 0x80203);
        assert_eq!(PagingMode::of_satp(satp), Some(mode));
    }
    assert_eq!(PagingMode::of_satp(0x80203), None);
}

#[test]
fn text_is_split_out_of_a_large_page_of_data() {
    for mode in PagingMode::ALL {
        let mut pool = [[0; 512]; 12];
        let mut mapper = SvMapper::new(mode, &mut pool, BASE).unwrap();
        mapper
            .identity(range(0x8000_0000, 0x1_0000_0000), DATA)
            .unwrap();
        mapper
            .identity(range(0x811f_f000, 0x8120_1000), TEXT)
            .unwrap();
        mapper
            .identity(range(0x1000_0000, 0x1000_0008), DATA)
            .unwrap();
        let satp = mapper.satp();
        let walk = |va| walk(satp, &pool, BASE, va);
        assert_eq!(walk(0x8000_0123), Some((0x8000_0123, DATA)));
        assert_eq!(walk(0x811f_efff), Some((0x811f_efff, DATA)));
        assert_eq!(walk(0x811f_f000), Some((0x811f_f000, TEXT)));
        assert_eq!(walk(0x8120_0fff), Some((0x8120_0fff, TEXT)));
        assert_eq!(walk(0x8120_1000), Some((0x8120_1000, DATA)));
        assert_eq!(walk(0x1000_0005), Some((0x1000_0005, DATA)));
        assert_eq!(walk(0x1000_1000), None);
        assert_eq!(walk(0x1_0000_0000), None);
    }
}

#[test]
fn a_page_is_mapped_at_a_high_address_and_one_to_one() {
    for (mode, va) in [
        (PagingMode::Sv39, 0xffff_ffd6_0123_4000_u64),
        (PagingMode::Sv48, 0xffff_8f80_0000_1000),
        (PagingMode::Sv57, 0xff12_0000_0000_3000),
    ] {
        let mut pool = [[0; 512]; 9];
        let mut mapper = SvMapper::new(mode, &mut pool, BASE).unwrap();
        mapper.page(va, 0x8020_1000, 0, ALL).unwrap();
        mapper.page(0x8020_1000, 0x8020_1000, 0, ALL).unwrap();
        let satp = mapper.satp();
        let found = walk(satp, &pool, BASE, va + 0x10);
        assert_eq!(found, Some((0x8020_1010, ALL)), "{mode:?}");
        assert_eq!(
            walk(satp, &pool, BASE, 0x8020_1010),
            Some((0x8020_1010, ALL))
        );
        // not canonical
        assert_eq!(walk(satp, &pool, BASE, va & ((1 << 60) - 1)), None);
    }
}

#[test]
fn limits_are_errors() {
    let mut pool = [[0; 512]; 3];
    let mut mapper = SvMapper::new(PagingMode::Sv39, &mut pool, BASE).unwrap();
    let above = range((1 << 38) - 0x1000, (1 << 38) + 1);
    assert_eq!(mapper.identity(above, DATA), Err(SvMapError::AboveLimit));
    let top = range(u64::MAX - 0xfff, u64::MAX);
    assert_eq!(mapper.identity(top, DATA), Err(SvMapError::AboveLimit));
    mapper.page(0, 0, 0, DATA).unwrap(); // the other two tables
    assert_eq!(
        mapper.page(1 << 30, 1 << 30, 0, DATA),
        Err(SvMapError::PoolUsedUp)
    );
    assert!(SvMapper::new(PagingMode::Sv39, &mut [], BASE).is_err());
}

proptest! {
    #[test]
    fn every_byte_of_a_range_is_mapped_and_none_around_it(
        start in 0u64..1 << 37,
        len in 1u64..1 << 31,
        mode in prop::sample::select(PagingMode::ALL.to_vec()),
        offset in any::<u64>(),
    ) {
        let range = range(start, start + len);
        let mut pool = vec![[0; 512]; 24];
        let mut mapper = SvMapper::new(mode, &mut pool, BASE).unwrap();
        mapper.identity(range, DATA).unwrap();
        let satp = mapper.satp();
        let walk = |va| walk(satp, &pool, BASE, va);
        for va in [start, start + len - 1, start + offset % len] {
            prop_assert_eq!(walk(va), Some((va, DATA)));
        }
        let pages = range.align_outward(PAGE_SIZE).unwrap();
        prop_assert_eq!(walk(pages.end), None);
        if let Some(before) = pages.start.checked_sub(1) {
            prop_assert_eq!(walk(before), None);
        }
    }
}
