//! Relocations and [`Image::at`].

use super::super::synth::{
    ElfBuilder, HeaderBuilder, PIE_WORDS, SynthSegment, pie, pie_with, program, xen_like,
};
use super::*;
use crate::image::error::RelocationError;

fn word(segment: &LoadSegment, at: u64) -> u64 {
    let at = usize::try_from(at).unwrap();
    u64::from_le_bytes(segment.data[at..at + 8].try_into().unwrap())
}

#[test]
fn an_image_with_the_relocatable_tag_moves_as_a_whole() {
    let image = parse(&xen_like()).unwrap();
    let placed = image.at(0x1000_0000).unwrap();
    assert_eq!(placed.base, 0x1000_0000);
    assert_eq!(placed.entry, 0x1000_0000);
    assert_eq!(placed.segments[0].range, range(0x1000_0000, 0x1000_3000));
    assert_eq!(placed.segments[0].data, image.segments[0].data);
    // to lower addresses as well
    assert_eq!(image.at(0x1000).unwrap().entry, 0x1000);
}

#[test]
fn a_fixed_image_is_not_moved() {
    let load = program(HeaderBuilder::new(), 0x200);
    let image = parse(
        &ElfBuilder::elf32(0x10_0040)
            .load(0x10_0000, load, 0)
            .build(),
    )
    .unwrap();
    let placed = image.at(0x10_0000).unwrap();
    assert_eq!(
        (placed.segments, placed.entry),
        (image.segments.clone(), 0x10_0040)
    );
    let error = image.at(0x20_0000).unwrap_err();
    assert_eq!(error.name, "test");
    assert_eq!(
        error.reason,
        ImageErrorReason::Fixed {
            linked: 0x10_0000,
            base: 0x20_0000
        }
    );
}

#[test]
fn the_end_of_the_address_space_is_an_error() {
    let error = parse(&xen_like())
        .unwrap()
        .at(u64::MAX - 0x1000)
        .unwrap_err();
    assert_eq!(
        error.reason,
        ImageErrorReason::Overflow {
            base: u64::MAX - 0x1000
        }
    );
}

#[test]
fn relative_relocations_get_the_base_added() {
    let image = parse(&pie(HeaderBuilder::new(), &[0x10, 0x3ff, 0])).unwrap();
    assert!(image.position_independent);
    assert_eq!(image.relocs.len(), 3);
    assert_eq!(
        image.relocs[1],
        RelativeReloc {
            addr: 0x108,
            addend: 0x3ff,
            width: 8
        }
    );
    for base in [0, 0x20_0000, 0x7fff_f000] {
        let placed = image.at(base).unwrap();
        assert_eq!(placed.entry, base + 0x80);
        let words = [0, 8, 16].map(|at| word(&placed.segments[0], PIE_WORDS + at));
        assert_eq!(words, [base + 0x10, base + 0x3ff, base]);
        // nothing else changes
        let mut data = placed.segments[0].data.clone();
        let at = PIE_WORDS as usize;
        data[at..at + 24].copy_from_slice(&image.segments[0].data[at..at + 24]);
        assert_eq!(data, image.segments[0].data);
    }
}

#[test]
fn a_word_in_bss_is_stored() {
    let bytes = pie_with(HeaderBuilder::new(), &[(0x900, 8, 0x20)]);
    let image = parse(&bytes).unwrap();
    assert!(image.segments[0].data.len() < 0x900);
    let placed = image.at(0x10_0000).unwrap();
    assert_eq!(placed.segments[0].data.len(), 0x908);
    assert_eq!(word(&placed.segments[0], 0x900), 0x10_0020);
    assert_eq!(placed.segments[0].range.len(), image.span.len());
}

#[test]
fn a_word_too_far_into_bss_is_refused() {
    let bytes = pie_with(HeaderBuilder::new(), &[(0x200_0000, 8, 0)]);
    let mut bytes = bytes;
    // p_memsz of program header 0
    bytes[64 + 40..64 + 48].copy_from_slice(&0x300_0000_u64.to_le_bytes());
    let error = parse(&bytes).unwrap().at(0).unwrap_err();
    assert!(
        matches!(
            error.reason,
            ImageErrorReason::Relocations(RelocationError::InBss {
                addr: 0x200_0000,
                ..
            })
        ),
        "{error:?}"
    );
}

fn relocation(bytes: &[u8]) -> RelocationError {
    match reason(bytes) {
        ImageErrorReason::Relocations(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn words_outside_the_image_are_refused() {
    for at in [0x10_0000, u64::MAX - 3, 0x400 + 24 + 64 + 0x1000 - 7] {
        assert_eq!(
            relocation(&pie_with(HeaderBuilder::new(), &[(at, 8, 0)])),
            RelocationError::Outside {
                width: 8,
                vaddr: at
            }
        );
    }
}

#[test]
fn r_none_is_skipped_and_other_types_are_refused_by_name() {
    let relocs = [
        (0x100, 0, 0),
        (0x100, 8, 5),
        (0x108, 6, 0),
        (0x118, 37, 0),
        (0x110, 6, 0),
    ];
    let image = parse(&pie_with(HeaderBuilder::new(), &relocs[..2])).unwrap();
    assert_eq!(image.relocs.len(), 1);
    assert_eq!(
        reason(&pie_with(HeaderBuilder::new(), &relocs)),
        ImageErrorReason::RelocationType {
            kind: 6,
            name: "R_X86_64_GLOB_DAT",
            count: 2,
            first: 0x108,
            relative: "R_X86_64_RELATIVE (8)",
        }
    );
}

/// An i386 `ET_DYN` at `link` with these dynamic entries, and with these words
/// from 0x180 on.
fn dyn32(link: u64, dynamic: &[u32], words: &[u32]) -> Vec<u8> {
    let mut load = program(HeaderBuilder::new(), 0x180);
    load.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    let dynamic = SynthSegment {
        kind: 2,
        data: dynamic.iter().flat_map(|word| word.to_le_bytes()).collect(),
        ..SynthSegment::default()
    };
    ElfBuilder::elf32(link + 0x40)
        .dynamic()
        .load(link, load, 0x1000)
        .segment(dynamic)
        .build()
}

#[test]
fn rel_addends_come_from_the_relocated_word() {
    let link = 0x10_0000;
    let at = |offset: u32| 0x10_0180 + offset;
    // REL table at +8: two entries; words at +0 and +4
    let words = [0x10_0010, 0x10_0020, at(0), 8, at(4), 8];
    let image = parse(&dyn32(link, &[17, at(8), 18, 16, 19, 8, 0, 0], &words)).unwrap();
    assert_eq!(
        image.relocs,
        [
            RelativeReloc {
                addr: 0x10_0180,
                addend: 0x10_0010,
                width: 4
            },
            RelativeReloc {
                addr: 0x10_0184,
                addend: 0x10_0020,
                width: 4
            },
        ]
    );
    let placed = image.at(0x40_0000).unwrap();
    assert_eq!(placed.entry, 0x40_0040);
    assert_eq!(
        placed.segments[0].data[0x180..0x188],
        [0x10, 0, 0x40, 0, 0x20, 0, 0x40, 0]
    );
    // at the link address nothing changes
    assert_eq!(image.at(link).unwrap().segments, image.segments);
}

#[test]
fn relr_bitmaps_are_decoded() {
    let at = |offset: u32| 0x10_0180 + offset;
    // an address, then a bitmap for the second and the 31st word after it
    let words = [at(0), 1 | 1 << 2 | 1 << 31, 1 | 1 << 1];
    let image = parse(&dyn32(0x10_0000, &[36, at(0), 35, 12, 37, 4, 0, 0], &words)).unwrap();
    let addrs: Vec<u64> = image.relocs.iter().map(|reloc| reloc.addr).collect();
    let first = u64::from(at(0));
    assert_eq!(
        addrs,
        [first, first + 8, first + 4 + 30 * 4, first + 4 + 31 * 4]
    );
    assert_eq!(image.relocs[0].addend, u64::from(at(0)));
    assert_eq!(image.relocs[3].addend, 0, "bss");
    assert_eq!(
        relocation(&dyn32(0x10_0000, &[36, at(0), 35, 4, 37, 4], &[3])),
        RelocationError::NoAddress { offset: 0 }
    );
}

#[test]
fn relocations_of_the_plt_are_applied() {
    let at = |offset: u32| 0x10_0180 + offset;
    let dynamic = [23, at(4), 2, 8, 20, 17, 0, 0];
    assert!(matches!(
        reason(&dyn32(0x10_0000, &dynamic, &[0, at(0), 42])),
        ImageErrorReason::RelocationType {
            kind: 42,
            name: "R_386_IRELATIVE",
            count: 1,
            relative: "R_386_RELATIVE (8)",
            ..
        }
    ));
}

#[test]
fn inconsistent_tables_are_refused() {
    let at = |offset: u32| 0x10_0180 + offset;
    for (size, entsize) in [(16, 12), (12, 8)] {
        assert_eq!(
            relocation(&dyn32(
                0x10_0000,
                &[17, at(0), 18, size, 19, entsize],
                &[0; 8]
            )),
            RelocationError::EntrySize {
                table: "DT_REL",
                size: size.into(),
                entsize: entsize.into(),
                expected: 8
            }
        );
    }
    assert_eq!(
        relocation(&dyn32(0x10_0000, &[17, at(0), 18, 0x800, 19, 8], &[0; 8])),
        RelocationError::NotLoaded {
            table: "DT_REL",
            size: 0x800,
            addr: 0x10_0180
        }
    );
    assert_eq!(
        relocation(&dyn32(0x10_0000, &[1, 5, 0, 0], &[])),
        RelocationError::SharedLibraries
    );
}

#[test]
fn too_many_relocations_are_refused() {
    // one address and then bitmaps full of ones, over 4 GiB of bss
    let mut relr = vec![0x1000_u64];
    relr.resize(70_000, u64::MAX);
    let mut load = program(HeaderBuilder::new(), 0x400);
    load.extend(relr.iter().flat_map(|word| word.to_le_bytes()));
    let pairs = [36, 0x400, 35, 8 * relr.len() as u64, 37, 8, 0, 0];
    let dynamic = SynthSegment {
        kind: 2,
        data: pairs
            .iter()
            .flat_map(|word: &u64| word.to_le_bytes())
            .collect(),
        ..SynthSegment::default()
    };
    let elf = ElfBuilder::elf64(0x80)
        .dynamic()
        .load(0, load, 1 << 32)
        .segment(dynamic);
    assert_eq!(relocation(&elf.build()), RelocationError::TooMany(4 << 20));
}

#[test]
fn relocations_of_a_higher_half_image_stay_virtual() {
    let virt = 0xffff_ffff_8000_0000;
    let mut load = program(
        HeaderBuilder::new().relocatable(0, u32::MAX, 0x1000, 0),
        0x400,
    );
    load.extend(
        [virt + 0x100, 8, virt + 0x55]
            .iter()
            .flat_map(|word: &u64| word.to_le_bytes()),
    );
    let pairs = [7, virt + 0x400, 8, 24, 9, 24, 0, 0];
    let dynamic = SynthSegment {
        kind: 2,
        data: pairs
            .iter()
            .flat_map(|word: &u64| word.to_le_bytes())
            .collect(),
        ..SynthSegment::default()
    };
    let load = SynthSegment {
        vaddr: virt,
        ..SynthSegment::load(0x10_0000, load, 0)
    };
    let elf = ElfBuilder::elf64(virt + 0x80)
        .dynamic()
        .segment(load)
        .segment(dynamic);
    let image = parse(&elf.build()).unwrap();
    assert!(!image.position_independent);
    assert_eq!(
        image.relocs,
        [RelativeReloc {
            addr: 0x10_0100,
            addend: virt + 0x55,
            width: 8
        }]
    );
    assert!(
        image.warnings[0].contains("do not make it movable"),
        "{:?}",
        image.warnings
    );
    for base in [0x10_0000, 0x50_0000] {
        let placed = image.at(base).unwrap();
        assert_eq!(placed.entry, base + 0x80);
        assert_eq!(word(&placed.segments[0], 0x100), virt + 0x55);
    }
}
