use super::super::synth::{ElfBuilder, HeaderBuilder, flat, program, xen_header};
use super::*;
use crate::image::error::AddressFieldsError;

const BASE: u32 = 0x10_0000;

/// A file with `lead` bytes before a header with these fields in tag 2.
fn file(lead: usize, header_addr: u32, load: u32, load_end: u32, bss_end: u32) -> Vec<u8> {
    let header = HeaderBuilder::new().address(header_addr, load, load_end, bss_end);
    [vec![0x90; lead], program(header.entry(BASE + 0x40), 0x200)].concat()
}

#[test]
fn bytes_and_bss_are_placed_by_the_address_tag() {
    let bytes = flat(BASE);
    let image = parse(&bytes).unwrap();
    assert_eq!(image.format, Format::Flat);
    let start = u64::from(BASE);
    assert_eq!(image.span, range(start, start + 0x1200));
    assert_eq!(
        image.segments,
        [LoadSegment {
            range: image.span,
            data: bytes
        }]
    );
    assert_eq!(image.entry, start + 0x100);
    assert_eq!(image.align, 1);
    assert!(!image.position_independent);
}

#[test]
fn loading_may_start_before_the_header_or_in_the_middle_of_the_file() {
    let bytes = file(0x80, BASE + 0x20, BASE, BASE + 0x100, 0);
    let image = parse(&bytes).unwrap();
    assert_eq!(image.segments[0].data, bytes[0x60..0x160]);
    assert_eq!(image.span, range(u64::from(BASE), u64::from(BASE) + 0x100));
}

#[test]
fn a_load_address_of_minus_one_means_the_whole_file() {
    let bytes = file(0x80, BASE + 0x80, u32::MAX, 0, BASE + 0x400);
    let image = parse(&bytes).unwrap();
    assert_eq!(image.segments[0].data, bytes);
    assert_eq!(image.span, range(u64::from(BASE), u64::from(BASE) + 0x400));
    let below = AddressFieldsError::BelowZero {
        header_offset: 0x80,
        header_addr: 0x40,
    };
    assert_eq!(
        reason(&file(0x80, 0x40, u32::MAX, 0, 0)),
        ImageErrorReason::Address(below)
    );
}

#[test]
fn inconsistent_fields_are_refused_with_their_values() {
    let base = u64::from(BASE);
    for (file, why) in [
        (
            file(0, BASE, BASE + 8, 0, 0),
            AddressFieldsError::LoadAboveHeader {
                load_addr: base + 8,
                header_addr: base,
            },
        ),
        (
            file(0x80, BASE + 0x81, BASE, 0, 0),
            AddressFieldsError::BeforeFile {
                ahead: 0x81,
                header_offset: 0x80,
            },
        ),
        (
            file(0, BASE, BASE, BASE, 0),
            AddressFieldsError::Empty {
                load_end: base,
                load_addr: base,
            },
        ),
        (
            file(0, BASE, BASE, BASE - 1, 0),
            AddressFieldsError::Empty {
                load_end: base - 1,
                load_addr: base,
            },
        ),
        (
            file(0, BASE, BASE, BASE + 0x201, 0),
            AddressFieldsError::PastFile {
                size: 0x201,
                offset: 0,
                len: 0x200,
                load_end: base + 0x201,
            },
        ),
        (
            file(0, BASE, BASE, 0, BASE + 0x1ff),
            AddressFieldsError::Bss {
                bss_end: base + 0x1ff,
                end: base + 0x200,
            },
        ),
    ] {
        assert_eq!(reason(&file), ImageErrorReason::Address(why));
    }
}

#[test]
fn an_entry_address_is_needed_and_must_be_in_the_bytes() {
    let header = HeaderBuilder::new().address(BASE, BASE, 0, 0);
    assert_eq!(
        parse(&program(header, 0x200)).unwrap_err(),
        ImageErrorReason::NoEntryAddress
    );
    for entry in [BASE - 1, BASE + 0x200, BASE + 0x2ff] {
        let header = HeaderBuilder::new()
            .address(BASE, BASE, 0, BASE + 0x300)
            .entry(entry);
        assert_eq!(
            reason(&program(header, 0x200)),
            ImageErrorReason::Entry {
                entry: entry.into(),
                source_of: "the entry address tag",
                segments: "0x100000-0x100300 with bytes up to 0x100200".into()
            }
        );
    }
}

#[test]
fn an_image_without_address_tag_must_be_elf() {
    assert_eq!(
        reason(&program(xen_header(), 0x200)),
        ImageErrorReason::NoAddresses { offset: 0 }
    );
}

#[test]
fn the_tag_has_priority_over_elf() {
    let header = HeaderBuilder::new().address(BASE, BASE, 0, 0).entry(BASE);
    let bytes = ElfBuilder::elf32(0x50_0000)
        .load(0x50_0000, program(header, 0x200), 0)
        .build();
    let image = parse(&bytes).unwrap();
    assert_eq!(image.format, Format::Flat);
    assert_eq!(image.span.start, u64::from(BASE));
    assert_eq!(image.entry, u64::from(BASE));
    assert_eq!(
        image.warnings,
        ["its address tag (2) is used and its ELF header ignored"]
    );
}

#[test]
fn a_flat_image_with_the_relocatable_tag_can_be_moved() {
    let header = HeaderBuilder::new()
        .address(BASE, BASE, 0, 0)
        .entry(BASE + 0x80);
    let bytes = program(header.relocatable(0, u32::MAX, 0x1000, 0), 0x200);
    let placed = parse(&bytes).unwrap().at(0x40_0000).unwrap();
    assert_eq!(placed.entry, 0x40_0080);
    assert_eq!(
        placed.segments,
        [LoadSegment {
            range: range(0x40_0000, 0x40_0200),
            data: bytes
        }]
    );
}
