//! Objects that are not linked, and what is named.

use super::*;

fn code(words: &[u32]) -> SectionOf {
    SectionOf::words(words)
}

#[test]
fn other_files_are_named_by_type_and_machine() {
    let mut file = ObjectOf::new(&[code(&[0])]).build();
    let options = LinkOptions {
        base: BASE,
        entry: "start",
        outside: &|_| None,
    };
    file[16] = 2;
    let error = link(&file, &options).unwrap_err();
    assert_eq!(
        error,
        LinkError::NotAnObject {
            kind: 2,
            machine: 243
        }
    );
    file[16] = 1;
    file[18] = 62;
    let error = link(&file, &options).unwrap_err();
    assert_eq!(
        error,
        LinkError::NotAnObject {
            kind: 1,
            machine: 62
        }
    );
    for other in [&b"no ELF"[..], &[]] {
        let error = link(other, &options).unwrap_err();
        assert!(matches!(error, LinkError::Elf { .. }), "{error}");
    }
    file[4] = 1;
    let error = link(&file, &options).unwrap_err();
    assert!(matches!(error, LinkError::Elf { .. }), "{error}");
}

#[test]
fn unknown_types_are_named_with_their_place() {
    for kind in [3, 15, 21, 29, 42, 46, 58, 62, 200, u32::MAX] {
        let object = ObjectOf::new(&[code(&[0, 0]).reloc(4, kind, 1, 0)]);
        let at = place(kind, 4);
        assert_eq!(failure(&object), LinkError::Kind { at });
    }
}

#[test]
fn symbols_without_a_place_are_named() {
    let with = |symbol: SymbolOf| {
        let object = ObjectOf::new(&[code(&[0x97, 0x80e7]).reloc(0, 18, 2, 0)]);
        failure(&object.symbol(symbol))
    };
    let at = || place(18, 0);
    assert_eq!(
        with(SymbolOf("panic", GLOBAL, 0, 0, 0)),
        LinkError::Undefined {
            at: at(),
            symbol: "panic".into()
        }
    );
    assert_eq!(
        with(SymbolOf("shared", GLOBAL, 0xfff2, 8, 8)),
        LinkError::Common {
            at: at(),
            symbol: "shared".into()
        }
    );
    let comment = SectionOf {
        flags: 0,
        ..SectionOf::new(".comment", 0, b"x")
    };
    let object = ObjectOf::new(&[code(&[0x97, 0x80e7]).reloc(0, 18, 2, 0), comment]);
    assert_eq!(
        failure(&object.symbol(SymbolOf("text", GLOBAL, 2, 0, 0))),
        LinkError::NotLoaded {
            at: at(),
            symbol: "text".into(),
            section: ".comment".into()
        }
    );
    let object = ObjectOf::new(&[code(&[0x97, 0x80e7]).reloc(0, 18, 9, 0)]);
    assert_eq!(
        failure(&object),
        LinkError::SymbolIndex {
            at: at(),
            index: 9,
            count: 2
        }
    );
    // the slot of a symbol that is not defined
    let object = ObjectOf::new(&[code(&[0x517]).reloc(0, 20, 2, 0)]);
    assert_eq!(
        failure(&object.symbol(SymbolOf("panic", GLOBAL, 0, 0, 0))),
        LinkError::Undefined {
            at: place(20, 0),
            symbol: "panic".into()
        }
    );
    let object = ObjectOf {
        symbols: vec![
            SymbolOf("other", GLOBAL, 1, 0, 0),
            SymbolOf("start", 0, 1, 0, 0),
        ],
        ..ObjectOf::new(&[code(&[0])])
    };
    let name = "start".to_owned();
    assert_eq!(failure(&object), LinkError::NoEntry { name });
}

#[test]
fn values_that_do_not_fit_are_named() {
    let range = |kind, words: &[u32], addend| {
        let section = code(words).reloc(0, kind, 1, addend);
        match failure(&ObjectOf::new(&[section])) {
            LinkError::Range {
                at,
                symbol,
                value,
                range,
            } => {
                assert_eq!((at, &*symbol), (place(kind, 0), "start"));
                (value, range)
            }
            other => panic!("{other}"),
        }
    };
    assert_eq!(range(16, &[0x63], 0x1000), (0x1000, -0x1000..=0xffe));
    assert_eq!(
        range(17, &[0x6f], -0x10_0002),
        (-0x10_0002, -0x10_0000..=0xf_fffe)
    );
    assert_eq!(range(44, &[0xc001], 0x100).0, 0x100);
    assert_eq!(range(45, &[0xa001], 0x800).0, 0x800);
    assert_eq!(range(18, &[0x97, 0x80e7], 0x8000_0000).0, 0x8000_0000);
    assert_eq!(range(23, &[0x517], 0x7fff_f800).0, 0x7fff_f800);
    assert_eq!(range(57, &[0], 0x8000_0000).0, 0x8000_0000);
    // code above 2 GiB is out of reach of lui
    assert_eq!(range(26, &[0x537], 0).0, BASE as i64);
    assert_eq!(range(27, &[0x13], 0).0, BASE as i64);
    assert_eq!(range(1, &[0], 0x1_0000_0000).0, 0x1_8020_0000);
    let object = ObjectOf::new(&[code(&[0x63]).reloc(0, 16, 1, 3)]);
    let (at, symbol, value) = (place(16, 0), "start".to_owned(), 3);
    assert_eq!(failure(&object), LinkError::Odd { at, symbol, value });
}

#[test]
fn places_outside_of_the_section_are_named() {
    for (kind, offset) in [
        (2, 1),
        (2, 8),
        (16, 6),
        (18, 1),
        (45, 7),
        (33, 8),
        (2, u64::MAX),
    ] {
        let object = ObjectOf::new(&[code(&[0x63, 0]).reloc(offset, kind, 1, 0)]);
        let at = place(kind, offset);
        assert_eq!(
            failure(&object),
            LinkError::Outside { at },
            "{kind} {offset}"
        );
    }
    let object = ObjectOf::new(&[code(&[0]), SectionOf::zeros(16).reloc(0, 2, 1, 0)]);
    let at = RelocationPlace {
        section: ".bss".into(),
        ..place(2, 0)
    };
    assert_eq!(failure(&object), LinkError::Outside { at });
}

#[test]
fn low_parts_need_their_high_part() {
    let object = |label: u64, addend: i64| {
        let section = code(&[0x517, 0x50513])
            .reloc(0, 23, 1, 0)
            .reloc(4, 24, 2, addend);
        ObjectOf::new(&[section]).label(1, label)
    };
    assert!(linked(&object(0, 0)).is_ok());
    let at = || place(24, 4);
    let symbol = "label".to_owned();
    assert_eq!(
        failure(&object(4, 0)),
        LinkError::NoHighPart { at: at(), symbol }
    );
    let addend = 4;
    assert_eq!(
        failure(&object(0, 4)),
        LinkError::LowAddend { at: at(), addend }
    );
}

#[test]
fn padding_must_reach_the_alignment() {
    let mut section = SectionOf::code(&[0x01, 0, 0x13, 0, 0, 0]).reloc(2, 43, 0, 4);
    section.align = 8;
    let (present, needed, align) = (4, 6, 8);
    assert_eq!(
        failure(&ObjectOf::new(&[section.clone()])),
        LinkError::Padding {
            at: place(43, 2),
            present,
            needed,
            align
        }
    );
    for (offset, addend) in [(2, 5), (2, -1), (7, 0), (u64::MAX, 8), (2, i64::MAX)] {
        section.relocations = vec![(offset, 43, 0, addend)];
        let at = place(43, offset);
        let error = failure(&ObjectOf::new(&[section.clone()]));
        assert_eq!(error, LinkError::Outside { at }, "{offset} {addend}");
    }
    section.relocations = vec![(0, 43, 0, 6), (2, 43, 0, 4)];
    let error = failure(&ObjectOf::new(&[section]));
    assert_eq!(error, LinkError::Outside { at: place(43, 2) });
}

#[test]
fn halves_of_uleb128_come_in_pairs() {
    for relocations in [
        vec![(0, 60, 1, 0)],
        vec![(0, 61, 1, 0)],
        vec![(0, 60, 1, 0), (1, 61, 1, 0)],
        vec![(0, 61, 1, 0), (0, 60, 1, 0)],
    ] {
        let section = SectionOf {
            relocations: relocations.clone(),
            ..code(&[0])
        };
        let (offset, kind, ..) = relocations[0];
        let at = place(kind, offset);
        assert_eq!(
            failure(&ObjectOf::new(&[section])),
            LinkError::Unpaired { at }
        );
    }
    let section = code(&[0]).reloc(0, 60, 1, 128).reloc(0, 61, 1, 0);
    let error = failure(&ObjectOf::new(&[section]));
    assert!(
        matches!(error, LinkError::Range { value: 128, .. }),
        "{error}"
    );
}

#[test]
fn sections_that_cannot_be_linked_are_named() {
    let section = ".text".to_owned();
    let odd = SectionOf {
        align: 24,
        ..code(&[0])
    };
    let align = 24;
    assert_eq!(
        failure(&ObjectOf::new(&[odd])),
        LinkError::Alignment {
            section: section.clone(),
            align
        }
    );
    let tls = SectionOf::new(".tdata", 0x400, &[0]);
    let error = failure(&ObjectOf::new(&[code(&[0]), tls]));
    let section = ".tdata".to_owned();
    assert_eq!(error, LinkError::ThreadLocal { section });
    let error = failure(&ObjectOf::new(&[code(&[0]), SectionOf::zeros(MAX_MEMORY)]));
    let section = ".bss".to_owned();
    let (base, max) = (BASE, MAX_MEMORY);
    assert_eq!(error, LinkError::TooLarge { section, base, max });
    assert_eq!(failure(&ObjectOf::default()), LinkError::Nothing);
}
