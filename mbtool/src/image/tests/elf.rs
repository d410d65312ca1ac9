use super::super::synth::{
    ElfBuilder, HeaderBuilder, SynthSegment, program, words_to_bytes, xen_header, xen_like,
};
use super::*;
use crate::image::error::{ElfError, ProgramHeaderError};

/// Entry point of these images: after the header of the first segment.
const CODE: u64 = 0x10_0080;

fn code() -> Vec<u8> {
    program(HeaderBuilder::new(), 0x200)
}

/// One `PT_LOAD` at 1 MiB with the header, followed by `more`.
fn elf32(more: Vec<SynthSegment>) -> Vec<u8> {
    let mut elf = ElfBuilder::elf32(CODE).load(0x10_0000, code(), 0);
    elf.segments.extend(more);
    elf.build()
}

fn shape(image: &Image) -> Vec<(PhysRange, usize)> {
    image
        .segments
        .iter()
        .map(|segment| (segment.range, segment.data.len()))
        .collect()
}

#[test]
fn an_image_like_xen_loads_by_its_program_header() {
    let image = parse(&xen_like()).unwrap();
    assert_eq!(image.format, Format::Elf32);
    assert!(!image.position_independent);
    assert_eq!(shape(&image), [(range(0x20_0000, 0x20_3000), 0x800)]);
    assert_eq!(image.span, range(0x20_0000, 0x20_3000));
    assert_eq!(image.entry, 0x20_0000);
    assert_eq!(image.align, 0x40);
    assert_eq!(image.relocs, []);
    let build_id: Vec<u8> = (1..=20).collect();
    assert_eq!(
        image.notes,
        [ElfNote {
            name: "GNU".into(),
            kind: 3,
            desc: build_id
        }]
    );
    assert_eq!(image.sections, None);
}

#[test]
fn elf32_and_elf64_of_i386_and_x86_64_are_accepted() {
    for (wide, machine) in [(false, 3), (false, 62), (true, 62)] {
        let mut elf = ElfBuilder::elf64(CODE).load(0x10_0000, code(), 0x300);
        (elf.wide, elf.machine) = (wide, machine);
        let image = parse(&elf.build()).unwrap();
        assert_eq!(
            image.format,
            if wide { Format::Elf64 } else { Format::Elf32 }
        );
        assert_eq!(shape(&image), [(range(0x10_0000, 0x10_0300), 0x200)]);
    }
}

#[test]
fn an_unaligned_segment_is_accepted() {
    let bytes = ElfBuilder::elf32(0x20_1880)
        .load(0x20_1801, code(), 0x1000)
        .build();
    let image = parse(&bytes).unwrap();
    assert_eq!(shape(&image), [(range(0x20_1801, 0x20_2801), 0x200)]);
}

#[test]
fn segments_that_share_a_page_become_one_with_zeros_between() {
    let bytes = elf32(vec![
        SynthSegment::load(0x10_0800, vec![7; 0x100], 0x1900),
        SynthSegment::load(0x10_4000, vec![8; 4], 0),
    ]);
    let image = parse(&bytes).unwrap();
    assert_eq!(
        shape(&image),
        [
            (range(0x10_0000, 0x10_2100), 0x900),
            (range(0x10_4000, 0x10_4004), 4)
        ]
    );
    let data = &image.segments[0].data;
    assert_eq!(data[..0x200], code());
    assert_eq!(data[0x200..0x800], [0; 0x600]);
    assert_eq!(data[0x800..], [7; 0x100]);
    assert_eq!(
        image.warnings, [""; 0],
        "sharing a page is nothing to warn of"
    );
}

#[test]
fn adjacent_segments_without_a_shared_page_stay_separate() {
    let bytes = elf32(vec![SynthSegment::load(0x10_1000, vec![7; 4], 0)]);
    assert_eq!(
        shape(&parse(&bytes).unwrap()),
        [
            (range(0x10_0000, 0x10_0200), 0x200),
            (range(0x10_1000, 0x10_1004), 4)
        ]
    );
}

#[test]
fn the_order_of_program_headers_does_not_matter() {
    let elf = ElfBuilder::elf32(CODE)
        .load(0x10_0800, vec![7; 0x100], 0)
        .load(0x10_0000, code(), 0)
        .build();
    assert_eq!(
        shape(&parse(&elf).unwrap()),
        [(range(0x10_0000, 0x10_0900), 0x900)]
    );
}

#[test]
fn much_bss_before_a_shared_page_is_not_stored() {
    let mut elf = ElfBuilder::elf32(CODE).load(0x10_0000, code(), 0x900_0010);
    elf.segments
        .push(SynthSegment::load(0x910_0020, vec![7; 8], 0x20));
    let image = parse(&elf.build()).unwrap();
    assert_eq!(
        shape(&image),
        [
            (range(0x10_0000, 0x910_0000), 0x200),
            (range(0x910_0000, 0x910_0040), 0x28)
        ]
    );
    assert_eq!(image.segments[1].data[..0x20], [0; 0x20]);
    assert_eq!(image.segments[1].data[0x20..], [7; 8]);
}

#[test]
fn file_bytes_override_the_bss_of_another_segment() {
    // the bss of the first segment overlaps the bytes of the second
    let mut elf = ElfBuilder::elf32(CODE).load(0x10_0000, code(), 0x4000);
    elf.segments
        .push(SynthSegment::load(0x10_1000, vec![7; 8], 0));
    let image = parse(&elf.build()).unwrap();
    assert_eq!(shape(&image), [(range(0x10_0000, 0x10_4000), 0x1008)]);
    assert_eq!(image.segments[0].data[0x1000..], [7; 8]);
    assert_eq!(
        image.warnings,
        [
            "program headers 0 and 1 (PT_LOAD) both have 0x101000-0x101008: file bytes win over zeros"
        ]
    );
    // bss over file bytes does not clear them
    let bytes = elf32(vec![SynthSegment::load(0x10_0010, vec![], 0x3000)]);
    let image = parse(&bytes).unwrap();
    assert_eq!(shape(&image), [(range(0x10_0000, 0x10_3010), 0x200)]);
    assert_eq!(image.segments[0].data, code());
}

#[test]
fn overlapping_file_bytes_must_agree() {
    let same = code()[0x100..].to_vec();
    let bytes = elf32(vec![SynthSegment::load(
        0x10_0100,
        [&same[..], &[9; 4]].concat(),
        0,
    )]);
    let image = parse(&bytes).unwrap();
    assert_eq!(shape(&image), [(range(0x10_0000, 0x10_0204), 0x204)]);
    let mut other = same;
    other[0x20] ^= 1;
    let bytes = elf32(vec![
        SynthSegment::load(0x10_1000, vec![1], 0),
        SynthSegment::load(0x10_0100, other, 0),
    ]);
    let expected = ImageErrorReason::Conflict {
        first: 0,
        second: 2,
        addr: 0x10_0120,
    };
    assert_eq!(parse(&bytes).unwrap_err(), expected);
}

#[test]
fn segments_without_memory_are_skipped() {
    let bytes = elf32(vec![SynthSegment::load(0xffff_ffff, vec![], 0)]);
    assert_eq!(parse(&bytes).unwrap().segments.len(), 1);
    let elf = ElfBuilder::elf32(CODE).load(CODE, vec![], 0);
    let note = SynthSegment {
        kind: 4,
        data: code(),
        ..SynthSegment::default()
    };
    assert_eq!(
        reason(&elf.segment(note).build()),
        ElfError::Loads { count: 0, max: 128 }.into()
    );
}

#[test]
fn a_higher_half_entry_is_translated() {
    let virt = 0xffff_ffff_8010_0000;
    let segment = SynthSegment {
        vaddr: virt,
        paddr: 0x10_0000,
        ..SynthSegment::load(0, code(), 0x1000)
    };
    let image = parse(
        &ElfBuilder::elf64(virt + 0x40)
            .segment(segment.clone())
            .build(),
    )
    .unwrap();
    assert_eq!(image.entry, 0x10_0040);
    assert_eq!(image.span, range(0x10_0000, 0x10_1000));
    assert_eq!(image.warnings, [""; 0]);
    // already a physical address
    let image = parse(&ElfBuilder::elf64(0x10_0040).segment(segment).build()).unwrap();
    assert_eq!(image.entry, 0x10_0040);
    assert_eq!(image.warnings.len(), 1);
    assert!(image.warnings[0].contains("is taken as physical"));
}

#[test]
fn a_virtual_entry_point_has_priority_over_a_physical_one() {
    // e_entry is physical in segment 0 and virtual in segment 1
    let low = SynthSegment {
        vaddr: 0xc010_0000,
        ..SynthSegment::load(0x10_0000, code(), 0)
    };
    let high = SynthSegment {
        vaddr: 0x10_0000,
        ..SynthSegment::load(0x20_0000, vec![0x90; 0x100], 0)
    };
    let elf = ElfBuilder::elf32(CODE).segment(low).segment(high);
    assert_eq!(parse(&elf.build()).unwrap().entry, 0x20_0080);
    // two virtual matches: the first is used, with a warning
    let first = SynthSegment {
        vaddr: 0x10_0000,
        ..SynthSegment::load(0x30_0000, code(), 0)
    };
    let elf = ElfBuilder {
        segments: vec![first, elf.segments[1].clone()],
        ..elf
    };
    let image = parse(&elf.build()).unwrap();
    assert_eq!(image.entry, 0x30_0080);
    assert!(
        image.warnings[0].contains("in program headers 0 and 1"),
        "{:?}",
        image.warnings
    );
}

#[test]
fn the_entry_address_tag_has_priority_over_e_entry() {
    let load = program(HeaderBuilder::new().entry(0x10_0123), 0x200);
    let image = parse(
        &ElfBuilder::elf32(0x10_0000)
            .load(0x10_0000, load, 0)
            .build(),
    )
    .unwrap();
    assert_eq!(image.entry, 0x10_0123);
}

#[test]
fn an_entry_outside_the_loaded_bytes_is_refused() {
    for entry in [0xf_ffff, 0x10_0200, 0x10_02ff, 0x10_0300] {
        let bytes = ElfBuilder::elf32(entry)
            .load(0x10_0000, code(), 0x300)
            .build();
        let reason = reason(&bytes);
        assert!(
            matches!(
                reason,
                ImageErrorReason::Entry { entry: found, source_of: "the ELF header", .. }
                    if found == entry
            ),
            "{reason:?}"
        );
    }
    let efi = ElfBuilder::elf32(0).load(0x10_0000, program(xen_header(), 0x200), 0);
    assert_eq!(
        reason(&efi.build()),
        ImageErrorReason::OnlyEfiEntry { kind: 9 }
    );
}

fn bad(index: usize, why: ProgramHeaderError) -> ImageErrorReason {
    ImageErrorReason::ProgramHeader { index, why }
}

#[test]
fn files_that_are_not_x86_programs_are_refused() {
    let good = ElfBuilder::elf32(CODE).load(0x10_0000, code(), 0);
    for (elf, why) in [
        (
            ElfBuilder {
                machine: 183,
                ..good.clone()
            },
            ElfError::Machine(183),
        ),
        (
            ElfBuilder {
                kind: 1,
                ..good.clone()
            },
            ElfError::Type(1),
        ),
        (
            ElfBuilder {
                kind: 4,
                ..good.clone()
            },
            ElfError::Type(4),
        ),
        (
            ElfBuilder {
                data: 2,
                ..good.clone()
            },
            ElfError::BigEndian,
        ),
    ] {
        assert_eq!(reason(&elf.build()), why.into());
    }
    let mut bytes = good.build();
    bytes[4] = 9;
    assert_eq!(reason(&bytes), ElfError::Class(9).into());
    let interp = SynthSegment {
        kind: 3,
        data: b"/lib/ld.so\0".to_vec(),
        ..SynthSegment::default()
    };
    assert_eq!(
        reason(&good.segment(interp).build()),
        bad(1, ProgramHeaderError::Interpreter)
    );
}

#[test]
fn tables_and_segments_must_be_in_the_file() {
    let good = ElfBuilder::elf32(CODE).load(0x10_0000, code(), 0).build();
    let patched = |at: usize, value: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + value.len()].copy_from_slice(value);
        reason(&bytes)
    };
    assert_eq!(
        patched(28, &0x1000_u32.to_le_bytes()),
        ElfError::Table {
            size: 0x20,
            offset: 0x1000,
            len: good.len()
        }
        .into()
    );
    let table = |count, size| ElfError::ProgramHeaders {
        count,
        size,
        expected: 32,
    };
    assert_eq!(patched(42, &[31, 0]), table(1, 31).into());
    assert_eq!(patched(44, &[0, 0]), table(0, 32).into());
    assert_eq!(patched(44, &[0xff, 0xff]), table(65535, 32).into());
    let cut = good.len() - 1;
    assert!(matches!(
        reason(&good[..cut]),
        ImageErrorReason::ProgramHeader {
            index: 0,
            why: ProgramHeaderError::CutShort { size: 0x200, len, .. }
        } if len == cut
    ));
    let wild = SynthSegment {
        offset: Some(u64::MAX),
        ..SynthSegment::load(0x20_0000, vec![1], 0)
    };
    let elf = ElfBuilder::elf64(CODE)
        .load(0x10_0000, code(), 0)
        .segment(wild);
    let file = elf.build();
    assert_eq!(
        reason(&file),
        bad(
            1,
            ProgramHeaderError::CutShort {
                size: 1,
                offset: u64::MAX,
                len: file.len()
            }
        )
    );
}

#[test]
fn impossible_sizes_are_refused() {
    let more = SynthSegment {
        filesz: Some(0x101),
        ..SynthSegment::load(0x20_0000, vec![1; 0x100], 0)
    };
    let too_much = ProgramHeaderError::TooMuchData {
        filesz: 0x101,
        memsz: 0x100,
    };
    assert_eq!(reason(&elf32(vec![more])), bad(1, too_much));
    let elf = ElfBuilder::elf64(CODE).load(0x10_0000, code(), 0);
    let wraps = SynthSegment {
        vaddr: 0,
        ..SynthSegment::load(u64::MAX - 4, vec![1; 8], 0)
    };
    let past = |paddr, vaddr| {
        let memsz = 8;
        bad(
            1,
            ProgramHeaderError::Wraps {
                memsz,
                paddr,
                vaddr,
            },
        )
    };
    assert_eq!(
        reason(&elf.clone().segment(wraps).build()),
        past(u64::MAX - 4, 0)
    );
    let wraps = SynthSegment {
        paddr: 0,
        ..SynthSegment::load(u64::MAX - 4, vec![1; 8], 0)
    };
    assert_eq!(
        reason(&elf.clone().segment(wraps).build()),
        past(0, u64::MAX - 4)
    );
    assert_eq!(
        reason(&elf.clone().load(0x1000_0000, vec![], 1 << 32).build()),
        ImageErrorReason::TooMuchMemory {
            total: 0x1_0000_0200
        }
    );
    let again = |n: u64| SynthSegment {
        within: Some((0, 0)),
        ..SynthSegment::load(0x20_0000 + 0x1000 * n, code(), 0)
    };
    assert!(matches!(
        reason(&elf32((0..8).map(again).collect())),
        ImageErrorReason::Elf(ElfError::SharedBytes { stored: 0x1200, .. })
    ));
    let tiny = |n: u64| SynthSegment::load(0x20_0000 + 0x1000 * n, vec![1], 0);
    assert_eq!(
        reason(&elf32((0..128).map(tiny).collect())),
        ElfError::Loads {
            count: 129,
            max: 128
        }
        .into()
    );
}

#[test]
fn invalid_alignments_are_a_warning() {
    let odd = SynthSegment {
        align: 3,
        ..SynthSegment::load(0x20_0000, vec![1], 0)
    };
    let big = SynthSegment {
        align: 0x20_0000,
        ..SynthSegment::load(0x30_0000, vec![1], 0)
    };
    let none = SynthSegment {
        align: 0,
        ..SynthSegment::load(0x40_0000, vec![1], 0)
    };
    let image = parse(&elf32(vec![odd, big, none])).unwrap();
    assert_eq!(image.align, 0x20_0000);
    assert_eq!(
        image.warnings,
        ["program header 1: alignment 0x3 is not a power of two, ignored"]
    );
}

#[test]
fn broken_notes_are_a_warning() {
    let note = |data: Vec<u8>| SynthSegment {
        kind: 4,
        align: 4,
        data,
        ..SynthSegment::default()
    };
    let good = [
        words_to_bytes(&[4, 4, 6]),
        b"Xen\0".to_vec(),
        vec![1, 2, 3, 4],
    ]
    .concat();
    let huge = words_to_bytes(&[4, u32::MAX, 6, 0]);
    let image = parse(&elf32(vec![note([good, huge].concat()), note(vec![1])])).unwrap();
    assert_eq!(
        image.notes,
        [ElfNote {
            name: "Xen".into(),
            kind: 6,
            desc: vec![1, 2, 3, 4]
        }]
    );
    assert_eq!(
        image.warnings,
        [
            "program header 1 (PT_NOTE) is broken and ignored",
            "program header 2 (PT_NOTE) is broken and ignored"
        ]
    );
    let outside = SynthSegment {
        offset: Some(0x10_0000),
        ..note(vec![1; 16])
    };
    assert_eq!(parse(&elf32(vec![outside])).unwrap().warnings.len(), 1);
}

#[test]
fn valid_section_headers_are_kept() {
    let mut elf = ElfBuilder::elf32(CODE).load(0x10_0000, code(), 0);
    elf.sections = 3;
    let bytes = elf.build();
    let image = parse(&bytes).unwrap();
    let sections = image.sections.unwrap();
    assert_eq!((sections.num, sections.entsize, sections.shndx), (3, 40, 0));
    assert_eq!(sections.bytes, [0; 120]);
    let image = parse(&bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(image.sections, None);
    assert!(
        image.warnings[0].contains("section headers (3 of 40 bytes"),
        "{:?}",
        image.warnings
    );
}
