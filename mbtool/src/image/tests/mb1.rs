//! Multiboot (1) headers, valid and invalid.

use super::super::mb1::{Mb1Header, VideoMode};
use super::super::synth::{
    ElfBuilder, HeaderBuilder, mb1_flat, mb1_header, mb1_program, program, words_to_bytes,
};
use super::hostile::{NASTY, check};
use super::*;
use crate::image::error::{AddressFieldsError, Mb1HeaderError};
use proptest::prelude::*;

const BASE: u32 = 0x10_0000;

fn mb1(bytes: &[u8]) -> Result<Image, ImageErrorReason> {
    Image::parse_as(bytes, "test", As::Multiboot).map_err(|error| error.reason)
}

fn reason(bytes: &[u8]) -> ImageErrorReason {
    mb1(bytes).expect_err("parsed")
}

/// The reason for a file with its header at offset 0.
fn refused(why: impl Into<Mb1HeaderError>) -> ImageErrorReason {
    let why = why.into();
    ImageErrorReason::Multiboot1 { offset: 0, why }
}

fn header(image: &Image) -> Mb1Header {
    match image.protocol {
        Protocol::Multiboot1(header) => header,
        ref other => panic!("{other:?}"),
    }
}

/// ELF32 with a Multiboot (1) header in its segment.
fn elf32(flags: u32) -> Vec<u8> {
    let load = mb1_program(0x10, &mb1_header(flags, &[]), 0x200);
    ElfBuilder::elf32(0x10_0040)
        .load(BASE.into(), load, 0x3000)
        .build()
}

/// A flat image with these five address fields.
fn fields(lead: usize, fields: [u32; 5]) -> Vec<u8> {
    mb1_program(lead, &mb1_header(0x1_0000, &fields), 0x200)
}

#[test]
fn elf32_is_loaded_by_its_program_headers() {
    let image = mb1(&elf32(3)).unwrap();
    assert_eq!(image.format, Format::Elf32);
    assert_eq!(image.span, range(BASE.into(), 0x10_3000));
    assert_eq!(image.entry, 0x10_0040);
    assert!(image.requirements.module_align);
    assert!(image.warnings.is_empty(), "{:?}", image.warnings);
    let header = header(&image);
    assert_eq!(
        (header.flags.bits(), header.address, header.video),
        (3, None, None)
    );
    assert!(!mb1(&elf32(2)).unwrap().requirements.module_align);
}

#[test]
fn elf64_is_accepted_and_its_entry_translated() {
    let virt = 0xffff_ffff_8010_0000;
    let load = mb1_program(0, &mb1_header(0, &[]), 0x200);
    let segment = super::super::synth::SynthSegment {
        vaddr: virt,
        ..super::super::synth::SynthSegment::load(BASE.into(), load, 0)
    };
    let bytes = ElfBuilder::elf64(virt + 0x40).segment(segment).build();
    let image = mb1(&bytes).unwrap();
    assert_eq!((image.format, image.entry), (Format::Elf64, 0x10_0040));
}

#[test]
fn address_fields_place_the_image() {
    let bytes = mb1_flat(BASE);
    let image = mb1(&bytes).unwrap();
    let start = u64::from(BASE);
    assert_eq!(image.format, Format::Flat);
    assert_eq!(image.span, range(start, start + 0x1200));
    assert_eq!(image.segments[0].data, bytes);
    assert_eq!(image.entry, start + 0x100);
    // from the middle of the file to its end, no bss
    let bytes = fields(0x80, [BASE + 0x20, BASE, 0, 0, BASE + 0x30]);
    let image = mb1(&bytes).unwrap();
    assert_eq!(image.segments[0].data, bytes[0x60..]);
    assert_eq!(image.span.len(), 0x1a0);
    // address fields have priority over an ELF header
    let load = fields(0x20, [BASE + 0x20, BASE, 0, 0, BASE + 0x30]);
    let elf = ElfBuilder::elf32(0x50_0000)
        .load(0x50_0000, load, 0)
        .build();
    let at = super::super::mb1::find(&elf).unwrap();
    let image = mb1(&elf).unwrap();
    assert_eq!(image.segments[0].data, elf[at - 0x20..]);
    assert!(
        image.warnings[0].contains("its ELF header ignored"),
        "{:?}",
        image.warnings
    );
}

#[test]
fn inconsistent_address_fields_are_refused_with_their_values() {
    let base = u64::from(BASE);
    for (lead, values, why) in [
        (
            0,
            [BASE, BASE + 8, 0, 0, BASE],
            AddressFieldsError::LoadAboveHeader {
                load_addr: base + 8,
                header_addr: base,
            },
        ),
        (
            0x10,
            [u32::MAX, u32::MAX, 0, 0, BASE],
            AddressFieldsError::LoadAboveHeader {
                load_addr: u32::MAX.into(),
                header_addr: u32::MAX.into(),
            },
        ),
        (
            0x10,
            [BASE + 0x20, BASE, 0, 0, BASE],
            AddressFieldsError::BeforeFile {
                ahead: 0x20,
                header_offset: 0x10,
            },
        ),
        (
            0,
            [BASE, BASE, BASE, 0, BASE],
            AddressFieldsError::Empty {
                load_end: base,
                load_addr: base,
            },
        ),
        (
            0,
            [BASE, BASE, BASE + 0x201, 0, BASE],
            AddressFieldsError::PastFile {
                size: 0x201,
                offset: 0,
                len: 0x200,
                load_end: base + 0x201,
            },
        ),
        (
            0,
            [BASE, BASE, 0, BASE + 0x1ff, BASE],
            AddressFieldsError::Bss {
                bss_end: base + 0x1ff,
                end: base + 0x200,
            },
        ),
    ] {
        let expected = ImageErrorReason::Multiboot1 {
            offset: lead,
            why: why.into(),
        };
        assert_eq!(reason(&fields(lead, values)), expected);
    }
    assert!(matches!(
        reason(&fields(0, [BASE, BASE, 0, 0, BASE + 0x200])),
        ImageErrorReason::Entry {
            entry: 0x10_0200,
            source_of: "the header's entry_addr",
            ..
        }
    ));
    assert_eq!(
        reason(&mb1_program(0, &mb1_header(3, &[]), 0x200)),
        refused(Mb1HeaderError::NoAddresses)
    );
    let cut = fields(0, [BASE, BASE, 0, 0, BASE]);
    assert_eq!(
        reason(&cut[..28]),
        refused(Mb1HeaderError::Short {
            left: 28,
            limit: 28
        })
    );
}

#[test]
fn required_flags_are_refused_optional_ones_noted() {
    let unknown = |flags| match reason(&elf32(flags)) {
        ImageErrorReason::Multiboot1 {
            why:
                Mb1HeaderError::Flags {
                    flags: found,
                    unknown,
                },
            ..
        } => {
            assert_eq!(found, flags);
            unknown
        }
        other => panic!("{other:?}"),
    };
    for bit in 3..16 {
        assert_eq!(unknown(3 | 1 << bit), bit.to_string());
    }
    assert_eq!(unknown(0x0030), "4, 5");
    for bit in 17..32 {
        let image = mb1(&elf32(3 | 1 << bit)).unwrap();
        let says = format!("header flags {bit} are optional and unknown");
        assert!(image.warnings[0].contains(&says), "{:?}", image.warnings);
    }
}

#[test]
fn a_requested_video_mode_is_a_warning() {
    let words = [0, 0, 0, 0, 0, 1, 80, 25, 0];
    let load = mb1_program(0, &mb1_header(7, &words), 0x200);
    let bytes = ElfBuilder::elf32(0x10_0040)
        .load(BASE.into(), load, 0)
        .build();
    let image = mb1(&bytes).unwrap();
    let want = VideoMode {
        mode_type: 1,
        width: 80,
        height: 25,
        depth: 0,
    };
    assert_eq!(header(&image).video, Some(want));
    assert!(image.warnings[0].contains("wants a video mode (header flag 2)"));
}

#[test]
fn the_header_is_in_the_first_8_kib_at_a_multiple_of_4() {
    let at = |lead: usize| mb1_program(lead, &mb1_header(0, &[]), 0x3000);
    assert_eq!(super::super::mb1::find(&at(8192 - 12)), Some(8192 - 12));
    for lead in [8192 - 8, 8192, 2, 6] {
        assert_eq!(super::super::mb1::find(&at(lead)), None, "{lead}");
    }
    // a magic number with a wrong checksum
    let decoy = words_to_bytes(&[0x1bad_b002, 3, 0]);
    let bytes = [decoy.clone(), mb1_header(0, &[])].concat();
    assert_eq!(super::super::mb1::find(&bytes), Some(12));
    assert_eq!(
        reason(&decoy),
        ImageErrorReason::Multiboot1Checksum { offset: 0 }
    );
    for short in 0..12 {
        assert_eq!(super::super::mb1::find(&mb1_header(0, &[])[..short]), None);
    }
    assert!(matches!(
        reason(b"hello, world, hello"),
        ImageErrorReason::NotThis {
            wanted: "Multiboot (1)",
            ..
        }
    ));
}

#[test]
fn multiboot2_has_priority_over_multiboot1_without_a_type() {
    let header = HeaderBuilder::new()
        .address(BASE, BASE, 0, 0)
        .entry(BASE + 0x40);
    let mut both = program(header, 0x400);
    let old = mb1_header(0x1_0000, &[BASE + 0x200, BASE, 0, 0, BASE + 0x48]);
    both[0x200..0x200 + old.len()].copy_from_slice(&old);
    let auto = Image::parse_as(&both, "test", As::Auto).unwrap();
    assert_eq!(
        (&auto.protocol, auto.entry),
        (&Protocol::Multiboot2, 0x10_0040)
    );
    assert_eq!(mb1(&both).unwrap().entry, 0x10_0048);
    let auto = Image::parse_as(&elf32(3), "test", As::Auto).unwrap();
    assert!(matches!(auto.protocol, Protocol::Multiboot1(_)));
}

fn seeds() -> Vec<Vec<u8>> {
    vec![elf32(7), mb1_flat(BASE)]
}

#[test]
fn every_prefix_and_extreme_word_is_accepted_or_refused() {
    for seed in seeds() {
        for len in 0..seed.len() {
            if let Ok(image) = mb1(&seed[..len]) {
                check(&seed[..len], &image);
            }
        }
        for at in (0..seed.len().min(0x120)).step_by(2) {
            for value in NASTY {
                let mut bytes = seed.clone();
                let end = (at + 4).min(bytes.len());
                bytes[at..end].copy_from_slice(&value.to_le_bytes()[..end - at]);
                if let Ok(image) = mb1(&bytes) {
                    check(&bytes, &image);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    /// The checksum stays right, so that the fields after it are parsed.
    #[test]
    fn any_flags_and_fields_are_accepted_or_refused(
        flags in prop_oneof![any::<u32>(), Just(0x1_0003), Just(0x1_0007)],
        fields in prop::collection::vec(
            prop_oneof![any::<u32>(), BASE - 0x40..BASE + 0x400], 0..9,
        ),
        lead in 0_usize..64,
        len in 0_usize..0x300,
    ) {
        let bytes = mb1_program(lead * 4, &mb1_header(flags, &fields), len);
        match mb1(&bytes) {
            Ok(image) => {
                prop_assert!(flags & 0xfff8 == 0 && flags & 0x1_0000 != 0);
                check(&bytes, &image);
            }
            Err(ImageErrorReason::NotThis { .. }) => prop_assert!(false, "the header was not found"),
            Err(_) => {}
        }
    }
}
