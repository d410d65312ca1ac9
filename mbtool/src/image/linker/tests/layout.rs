//! Addresses of sections and symbols, and padding.

use super::*;
use proptest::prelude::*;
use std::ops::Range;

const NOP: [u8; 4] = [0x13, 0, 0, 0];
const SHORT: [u8; 2] = [0x01, 0];

#[test]
fn a_section_keeps_both_of_its_permissions() {
    let both = SectionOf::new(".text.patched", 1 | EXEC, &[1; 4]);
    let linked = linked(&ObjectOf::new(&[SectionOf::words(&[1]), both])).unwrap();
    let segments = linked.segments.iter();
    let segments: Vec<_> = segments
        .map(|segment| (segment.address - BASE, segment.writable, segment.executable))
        .collect();
    assert_eq!(segments, [(0, false, true), (0x1000, true, true)]);
}

#[test]
fn each_kind_of_memory_has_pages_of_its_own() {
    let note = SectionOf {
        flags: 0,
        ..SectionOf::new(".comment", 0, b"a compiler")
    };
    let sections = [
        SectionOf::words(&[1, 2, 3]),
        SectionOf::zeros(0x1800),
        SectionOf::data(b"data"),
        note,
        SectionOf::new(".rodata", 0, b"constant"),
        SectionOf {
            align: 0x40,
            ..SectionOf::new(".text.b", EXEC, &[4; 5])
        },
        SectionOf {
            kind: 14,
            align: 8,
            ..SectionOf::data(&[7; 8])
        },
    ];
    let object = ObjectOf::new(&sections)
        .symbol(SymbolOf("constant", GLOBAL | 1, 5, 3, 4))
        .symbol(SymbolOf("value", GLOBAL, 0xfff1, 0x1234, 0))
        .symbol(SymbolOf("comment", 1, 4, 0, 2))
        .symbol(SymbolOf("", SECTION, 3, 0, 0))
        .symbol(SymbolOf("file.c", 4, 0xfff1, 0, 0));
    let linked = linked(&object).unwrap();
    let segments: Vec<_> = linked
        .segments
        .iter()
        .map(|segment| {
            let Range { start, end } =
                segment.address - BASE..segment.address - BASE + segment.size;
            (
                start,
                end,
                segment.data.len(),
                segment.writable,
                segment.executable,
            )
        })
        .collect();
    assert_eq!(
        segments,
        [
            (0, 0x45, 0x45, false, true),
            (0x1000, 0x1008, 8, false, false),
            (0x2000, 0x3810, 0x10, true, false),
        ]
    );
    let sections: Vec<_> = linked
        .sections
        .iter()
        .map(|section| (&*section.name, section.address - BASE, section.size))
        .collect();
    assert_eq!(
        sections,
        [
            (".text", 0, 12),
            (".text.b", 0x40, 5),
            (".rodata", 0x1000, 8),
            (".data", 0x2000, 4),
            (".data", 0x2008, 8),
            (".bss", 0x2010, 0x1800),
        ]
    );
    assert_eq!(bytes(&linked, BASE + 0x40, 5), [4; 5]);
    assert_eq!(bytes(&linked, BASE + 0x1000, 8), b"constant");
    let symbols: Vec<_> = linked
        .symbols
        .iter()
        .map(|symbol| (&*symbol.name, symbol.address, symbol.size))
        .collect();
    assert_eq!(
        symbols,
        [
            ("start", BASE, 0),
            ("constant", BASE + 0x1003, 4),
            ("value", 0x1234, 0),
        ]
    );
    assert_eq!(linked.entry, BASE);
}

/// `lead` bytes, padding of 6 bytes for an alignment of 8, and an instruction.
fn padded(lead: usize) -> ObjectOf {
    let mut bytes = vec![0xee; lead];
    bytes.extend(NOP);
    bytes.extend(SHORT);
    bytes.extend([0xcc; 4]);
    let section = SectionOf {
        align: 8,
        ..SectionOf::code(&bytes)
    };
    let section = section.reloc(lead as u64, 43, 0, 6);
    ObjectOf::new(&[section]).symbol(SymbolOf("after", GLOBAL, 1, lead as u64 + 6, 4))
}

#[test]
fn padding_is_cut_to_what_is_needed() {
    for (lead, kept) in [(2, 6), (4, 4), (6, 2), (8, 0), (10, 6)] {
        let linked = linked(&padded(lead)).unwrap();
        let mut expected = vec![0xee; lead];
        expected.extend(match kept {
            6 => [&NOP[..], &SHORT].concat(),
            4 => NOP.to_vec(),
            2 => SHORT.to_vec(),
            _ => vec![],
        });
        expected.extend([0xcc; 4]);
        assert_eq!(linked.segments[0].data, expected, "{lead}");
        let after = &linked.symbols[1];
        assert_eq!(
            (after.address, after.size),
            (BASE + (lead + kept) as u64, 4)
        );
    }
}

#[test]
fn what_is_behind_padding_moves_with_its_relocations() {
    let mut object = padded(8);
    let section = &mut object.sections[0];
    // the last instruction becomes beq zero, zero, start
    section.bytes[14..].copy_from_slice(&[0x63, 0, 0, 0]);
    section.relocations.push((14, 16, 1, 0));
    section.relocations.push((4, 16, 2, 0));
    section.bytes[4..8].copy_from_slice(&[0x63, 0, 0, 0]);
    // a size across the padding
    object.symbols.push(SymbolOf("all", GLOBAL, 1, 0, 18));
    let linked = linked(&object).unwrap();
    assert_eq!(linked.segments[0].data.len(), 12);
    // from offset 4 to 8, and from offset 8 to 0
    assert_eq!(bytes(&linked, BASE + 4, 4), [0x63, 0x02, 0, 0]);
    assert_eq!(bytes(&linked, BASE + 8, 4), [0xe3, 0x0c, 0, 0xfe]);
    assert_eq!(linked.symbols[2].size, 12);
}

#[test]
fn the_base_address_need_not_be_aligned() {
    let linked = linked_at(&ObjectOf::new(&[SectionOf::words(&[1])]), 0x1_0001).unwrap();
    assert_eq!(linked.entry, 0x1_0004);
    let last = u64::MAX - 7;
    let object = ObjectOf::new(&[SectionOf::words(&[1])]);
    assert_eq!(linked_at(&object, last).unwrap().entry, last);
    let error = linked_at(&object, u64::MAX).unwrap_err();
    let section = ".text".to_owned();
    let (base, max) = (u64::MAX, MAX_MEMORY);
    assert_eq!(error, LinkError::TooLarge { section, base, max });
}

proptest! {
    /// Instructions, labels and padding in any order: each label is where its mark is, each padding aligns what follows.
    #[test]
    fn labels_keep_their_bytes(parts in prop::collection::vec((any::<bool>(), 1_u32..6), 1..40)) {
        let mut section = SectionOf { align: 64, ..SectionOf::code(&[]) };
        let mut object = ObjectOf::default();
        let mut aligned = Vec::new();
        for (index, (padding, amount)) in parts.iter().enumerate() {
            let at = section.bytes.len() as u64;
            if *padding {
                let present = (1 << amount) - 2;
                section.bytes.extend(vec![0x55; present]);
                section = section.reloc(at, 43, 0, present as i64);
                aligned.push((index, 1_u64 << amount));
            }
            let at = section.bytes.len() as u64;
            object = object.symbol(SymbolOf("start", GLOBAL, 1, at, 2));
            section.bytes.extend((index as u16 | 0x8000).to_le_bytes());
            section.bytes.extend(vec![0xff; 2 * *amount as usize]);
        }
        object.sections = vec![section];
        let linked = linked(&object).unwrap();
        for (index, symbol) in linked.symbols.iter().enumerate() {
            let mark = index as u16 | 0x8000;
            prop_assert_eq!(bytes(&linked, symbol.address, 2), mark.to_le_bytes());
        }
        for (index, align) in aligned {
            prop_assert_eq!(linked.symbols[index].address % align, 0);
        }
    }
}
