//! Damaged objects: linked or refused, without a panic, in bounded time and memory.

use super::*;
use proptest::prelude::*;
use std::time::{Duration, Instant};

fn seed() -> Vec<u8> {
    let code = SectionOf::words(&[0x517, 0x53503, 0x97, 0x80e7, 0x63, 0x13, 0x13])
        .reloc(0, 20, 2, 0)
        .reloc(4, 24, 3, 0)
        .reloc(8, 18, 1, 0)
        .reloc(16, 16, 1, 0)
        .reloc(20, 43, 0, 4);
    let data = SectionOf::data(&[0; 32])
        .reloc(0, 2, 1, 0)
        .reloc(8, 35, 3, 0)
        .reloc(8, 39, 1, 0)
        .reloc(16, 60, 1, 0)
        .reloc(16, 61, 1, 0);
    ObjectOf::new(&[code, data, SectionOf::zeros(64)])
        .symbol(SymbolOf("far", GLOBAL, 0, 0, 0))
        .label(1, 0)
        .build()
}

fn check(file: &[u8], base: u64) {
    let options = LinkOptions {
        base,
        entry: "start",
        outside: &|_| Some(0x9000_0000),
    };
    let Ok(linked) = link(file, &options) else {
        return;
    };
    let mut end = base;
    for segment in &linked.segments {
        assert!(segment.address >= end && segment.size > 0);
        assert!(segment.data.len() as u64 <= segment.size);
        end = segment.address + segment.size;
    }
    assert!(end - base <= MAX_MEMORY);
    for section in &linked.sections {
        assert!(section.address >= base && section.address + section.size <= end);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn damage_is_no_panic(
        words in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![
            any::<u64>(),
            0_u64..64,
            prop::sample::select(vec![u64::MAX, 1 << 63, 1 << 32, 0xfff1, 0xffff]),
        ]), 0..6),
        bytes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        base in prop_oneof![Just(BASE), any::<u64>(), Just(u64::MAX - 0x3000)],
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut file = seed();
        for (at, word) in words {
            let at = at.index(file.len() / 8) * 8;
            file[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        for (at, byte) in bytes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        check(&file, base);
    }
}

#[test]
fn the_seed_is_linked() {
    let options = LinkOptions {
        base: BASE,
        entry: "start",
        outside: &|_| Some(0x9000_0000),
    };
    assert!(link(&seed(), &options).is_ok());
}

/// Many sections with the same bytes, and many symbols with the same long name.
#[test]
fn shared_bytes_are_bounded() {
    let started = Instant::now();
    let first = SectionOf::new(".rodata", 0, &[1; 0x8000]);
    let again = SectionOf {
        bytes: vec![],
        size: 0x8000,
        shared: true,
        ..first.clone()
    };
    for (count, fits) in [(0x400, true), (0x8000, false)] {
        let mut sections = vec![again.clone(); count];
        sections[0] = first.clone();
        let object = ObjectOf::new(&sections);
        match linked(&object) {
            Ok(linked) => assert!(fits && linked.segments[0].data.len() == 0x8000 * count),
            Err(error) => assert!(!fits && matches!(error, LinkError::TooLarge { .. })),
        }
    }
    let long: &'static str = Box::leak("x".repeat(1 << 20).into_boxed_str());
    let mut object = ObjectOf::new(&[SectionOf::words(&[0])]);
    for _ in 0..70 {
        object = object.symbol(SymbolOf(long, 0, 1, 0, 0));
    }
    assert!(matches!(failure(&object), LinkError::Names { .. }));
    assert!(started.elapsed() < Duration::from_secs(20));
}

/// Many sections with the same table of relocations.
#[test]
fn shared_tables_are_refused() {
    let first = SectionOf::code(&[0; 24 * 1000]);
    let again = SectionOf {
        shared_table: 1000,
        ..SectionOf::words(&[0])
    };
    let object = |count: usize| {
        let mut sections = vec![again.clone(); count];
        sections[0] = first.clone();
        ObjectOf::new(&sections)
    };
    assert!(linked(&object(2)).is_ok());
    let error = failure(&object(100));
    assert!(matches!(error, LinkError::Elf { .. }), "{error}");
}
