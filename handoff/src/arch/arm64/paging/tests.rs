use super::*;
use proptest::prelude::*;

const BASE: u64 = 0x4100_0000;

fn range(start: u64, end: u64) -> PhysRange {
    PhysRange::new(start, end).unwrap()
}

fn pool(count: usize) -> Vec<PageTable> {
    vec![[0; 512]; count]
}

#[test]
fn descriptors_have_the_bits_of_the_manual() {
    // a page: bits 0, 1; attribute index in 2 to 4; AP in 6, 7; SH in 8, 9; AF in 10; PXN and XN in 53, 54
    let mut pool = pool(8);
    let mut mapper = Arm64Mapper::new(&mut pool, BASE).unwrap();
    mapper
        .identity(range(0x4000_1000, 0x4000_2000), TEXT)
        .unwrap();
    mapper
        .identity(range(0x900_0000, 0x900_0008), DEVICE)
        .unwrap();
    mapper
        .identity(range(0x8000_0000, 0xc000_0000), DATA)
        .unwrap();
    mapper
        .identity(range(0x4020_0000, 0x4040_0000), UNCACHED)
        .unwrap();
    let all: Vec<u64> = pool
        .iter()
        .flatten()
        .copied()
        .filter(|entry| *entry != 0)
        .collect();
    assert!(all.contains(&0x4000_17c3), "{all:x?}");
    assert!(all.contains(&0x0060_0000_0900_0447), "{all:x?}");
    assert!(all.contains(&0x0060_0000_8000_0741), "{all:x?}");
    assert!(all.contains(&0x0060_0000_4020_0749), "{all:x?}");
    assert!(all.contains(&(BASE + 0x1003)), "{all:x?}");
}

#[test]
fn text_is_split_out_of_a_large_block_of_data() {
    let mut pool = pool(12);
    let mut mapper = Arm64Mapper::new(&mut pool, BASE).unwrap();
    mapper
        .identity(range(0x4000_0000, 0x8000_0000), DATA)
        .unwrap();
    mapper
        .identity(range(0x411f_f000, 0x4120_1000), TEXT)
        .unwrap();
    mapper
        .identity(range(0x900_0000, 0x900_0008), DEVICE)
        .unwrap();
    let walk = |at| walk(&pool, BASE, at);
    assert_eq!(walk(0x4000_0123), Some((0x4000_0123, DATA)));
    assert_eq!(walk(0x411f_efff), Some((0x411f_efff, DATA)));
    assert_eq!(walk(0x411f_f000), Some((0x411f_f000, TEXT)));
    assert_eq!(walk(0x4120_0fff), Some((0x4120_0fff, TEXT)));
    assert_eq!(walk(0x4120_1000), Some((0x4120_1000, DATA)));
    assert_eq!(walk(0x900_0005), Some((0x900_0005, DEVICE)));
    assert_eq!(walk(0x900_1000), None);
    assert_eq!(walk(0x8000_0000), None);
    assert_eq!(walk(u64::MAX), None);
}

#[test]
fn limits_are_errors() {
    let mut three = pool(4);
    let mut mapper = Arm64Mapper::new(&mut three, BASE).unwrap();
    let above = range(LIMIT - 0x1000, LIMIT + 1);
    assert_eq!(mapper.identity(above, DATA), Err(Arm64MapError::AboveLimit));
    let top = range(u64::MAX - 0xfff, u64::MAX);
    assert_eq!(mapper.identity(top, DATA), Err(Arm64MapError::AboveLimit));
    mapper.identity(range(0, 1), DATA).unwrap(); // the other three tables
    let other = range(1 << 39, (1 << 39) + 1);
    assert_eq!(mapper.identity(other, DATA), Err(Arm64MapError::PoolUsedUp));
    assert!(Arm64Mapper::new(&mut [], BASE).is_err());
}

#[test]
fn translation_control_by_regime_and_cpu() {
    // 44 bits of physical address; 4 KiB granule without and with 52 bits
    for mmfr0 in [0x4, 0x1000_0004] {
        assert_eq!(tcr(Regime::El1, mmfr0), Some(0x4_0080_3510));
        assert_eq!(tcr(Regime::El2Host, mmfr0), Some(0x4_0080_3510));
        assert_eq!(tcr(Regime::El2, mmfr0), Some(0x8084_3510));
    }
    assert_eq!(tcr(Regime::El2, 0x6), Some(0x8085_3510));
    assert_eq!(tcr(Regime::El1, 0xf000_0004), None);
    assert_eq!(
        (physical_end(0x1111_1122), physical_end(6)),
        (1 << 40, LIMIT)
    );
}

proptest! {
    #[test]
    fn every_byte_of_a_range_is_mapped_and_none_around_it(
        start in 0u64..1 << 47,
        len in 1u64..1 << 31,
        offset in any::<u64>(),
    ) {
        let range = range(start, start + len);
        let mut pool = pool(24);
        let mut mapper = Arm64Mapper::new(&mut pool, BASE).unwrap();
        mapper.identity(range, DATA).unwrap();
        let walk = |at| walk(&pool, BASE, at);
        for at in [start, start + len - 1, start + offset % len] {
            prop_assert_eq!(walk(at), Some((at, DATA)));
        }
        let pages = range.align_outward(PAGE_SIZE).unwrap();
        prop_assert_eq!(walk(pages.end), None);
        if let Some(before) = pages.start.checked_sub(1) {
            prop_assert_eq!(walk(before), None);
        }
    }
}
