#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::as_conversions)]

use super::super::error::{ImageErrorReason, LinuxImageError};
use super::super::kind::{DataFile, ElfFile, ElfRole, FileKind, FileMachine, SetupProgram};
use super::super::synth::{ElfBuilder, SynthSegment, bzimage};
use super::super::{As, Format, Image, ImageError, Preference, Protocol};
use super::*;
use crate::abi::boot_params::{HEADER, HEADER_END};
use proptest::prelude::*;
use zerocopy::IntoBytes;

fn parse(bytes: &[u8]) -> Result<Image, ImageErrorReason> {
    Image::parse_as(bytes, "vmlinuz", As::Linux).map_err(|error: ImageError| error.reason)
}

fn setup(image: &Image) -> &Setup {
    match &image.protocol {
        Protocol::Linux(setup) => setup,
        other => panic!("{other:?}"),
    }
}

fn reason(bytes: &[u8]) -> LinuxImageError {
    match parse(bytes) {
        Err(ImageErrorReason::Linux(why)) => why,
        other => panic!("{other:?}"),
    }
}

/// A vmlinux with a banner: a normal segment, and the per-CPU segment that is
/// linked at virtual address 0.
fn vmlinux() -> Vec<u8> {
    let mut text = vec![0x90; 0x3000];
    let banner = b"Linux version %s\0Linux version 6.1.0-50-amd64 (x@y) #1 SMP\n\0";
    text[0x800..0x800 + banner.len()].copy_from_slice(banner);
    let load = |vaddr, paddr, data, memsz| SynthSegment {
        kind: 1,
        vaddr,
        paddr,
        memsz,
        align: 0x20_0000,
        data,
        ..SynthSegment::default()
    };
    ElfBuilder::elf64(0x100_0040)
        .segment(load(0xffff_ffff_8100_0000, 0x100_0000, text, 0x20_0000))
        .segment(load(0, 0x120_0000, vec![1; 0x2000], 0x2000))
        .segment(load(
            0xffff_ffff_8120_2000,
            0x120_2000,
            vec![2; 0x100],
            0x10_0000,
        ))
        .build()
}

#[test]
fn a_bzimage_is_one_segment_of_init_size_bytes() {
    let file = bzimage();
    assert_eq!(FileKind::of(&file), FileKind::Setup(SetupProgram::Linux64));
    let image = Image::parse_as(&file, "vmlinuz", As::Auto).unwrap();
    assert_eq!(image.format, Format::BzImage);
    assert_eq!((image.span.start, image.span.end), (0x100_0000, 0x180_0000));
    assert_eq!(image.entry, 0x100_0200);
    let [segment] = &image.segments[..] else {
        panic!("{:?}", image.segments)
    };
    assert_eq!(
        segment.data,
        file[0x800..][..0x3000],
        "without the signature"
    );
    let tag = image.requirements.relocatable.unwrap();
    assert_eq!(
        (tag.min, tag.max, tag.align, tag.preference),
        (0x100_0000, 0xffff_ffff, 0x20_0000, Preference::Highest)
    );
    let setup = setup(&image);
    assert_eq!(setup.release(), Some("6.1.0-test"));
    assert_eq!(setup.protocol(), "2.15");
    assert_eq!(
        (setup.cmdline_size, setup.initrd_addr_max),
        (2047, 0x7fff_ffff)
    );
    let payload = setup.payload.unwrap();
    assert_eq!((payload.offset, payload.length), (0x300, 0x1000));
    // the rest of the header is unchanged
    let header = setup.header.as_bytes();
    assert_eq!(header[..0x26c - HEADER], file[HEADER..0x26c]);
    assert!(header[0x26c - HEADER..].iter().all(|byte| *byte == 0));
    assert!(image.warnings.is_empty(), "{:?}", image.warnings);
    // all segments move together
    let placed = image.at(0x7000_0000).unwrap();
    assert_eq!(placed.entry, 0x7000_0200);
    assert_eq!(placed.segments[0].range.end, 0x7080_0000);
}

#[test]
fn a_bzimage_that_is_not_relocatable_is_not_moved() {
    let mut file = bzimage();
    file[0x234] = 0;
    let image = parse(&file).unwrap();
    assert_eq!(image.requirements.relocatable, None);
    assert!(image.at(0x200_0000).is_err());
}

#[test]
fn a_header_longer_than_its_field_in_boot_params_is_truncated() {
    let mut file = bzimage();
    file[0x201] = 0xff;
    let image = parse(&file).unwrap();
    assert_eq!(setup(&image).header.as_bytes(), &file[HEADER..HEADER_END]);
}

#[test]
fn unbootable_bzimages_are_refused_with_the_reason() {
    let with = |at: usize, bytes: &[u8]| {
        let mut file = bzimage();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    type Expected = fn(&LinuxImageError) -> bool;
    for file in [with(0x202, b"Hdrs"), with(0x1fe, &[0, 0])] {
        let wanted = "Linux";
        let kind = FileKind::Data(DataFile::Dos);
        assert_eq!(
            parse(&file).unwrap_err(),
            ImageErrorReason::NotThis { wanted, kind }
        );
    }
    let cases: [(Vec<u8>, Expected); 15] = [
        (with(0x206, &[0x0b, 2]), |why| {
            *why == LinuxImageError::Protocol { version: 0x20b }
        }),
        (with(0x201, &[0x40]), |why| {
            matches!(why, LinuxImageError::HeaderEnd { end: 0x242, .. })
        }),
        (with(0x211, &[0]), |why| *why == LinuxImageError::ZImage),
        (with(0x236, &[0x7e]), |why| {
            *why == LinuxImageError::No64BitEntry { xloadflags: 0x7e }
        }),
        (with(0x1f4, &[0, 0, 1, 0]), |why| {
            matches!(
                why,
                LinuxImageError::ProtectedMode {
                    expected: 0x10_0000,
                    ..
                }
            )
        }),
        (bzimage()[..0x1800].to_vec(), |why| {
            matches!(why, LinuxImageError::ProtectedMode { there: 0x1000, .. })
        }),
        (bzimage()[..0x250].to_vec(), |why| {
            matches!(why, LinuxImageError::Short { len: 0x250, .. })
        }),
        (with(0x230, &[3, 0, 0, 0]), |why| {
            matches!(why, LinuxImageError::Alignment { alignment: 3, .. })
        }),
        (with(0x230, &[0; 4]), |why| {
            matches!(why, LinuxImageError::Alignment { alignment: 0, .. })
        }),
        (with(0x260, &[0, 0x10, 0, 0]), |why| {
            matches!(
                why,
                LinuxImageError::InitSize {
                    init_size: 0x1000,
                    ..
                }
            )
        }),
        (with(0x258, &[0, 0, 0xc0, 0xff]), |why| {
            matches!(
                why,
                LinuxImageError::PreferredAddress {
                    pref_address: 0xffc0_0000,
                    ..
                }
            )
        }),
        (with(0x258, &[0xff; 8]), |why| {
            matches!(
                why,
                LinuxImageError::PreferredAddress {
                    pref_address: u64::MAX,
                    ..
                }
            )
        }),
        (with(0x258, &[0, 0, 0x10, 1]), |why| {
            matches!(
                why,
                LinuxImageError::Unaligned {
                    alignment: 0x20_0000,
                    ..
                }
            )
        }),
        (with(0x238, &[0; 4]), |why| {
            matches!(
                why,
                LinuxImageError::Limits {
                    cmdline_size: 0,
                    ..
                }
            )
        }),
        (with(0x22c, &[0; 4]), |why| {
            matches!(
                why,
                LinuxImageError::Limits {
                    initrd_addr_max: 0,
                    ..
                }
            )
        }),
    ];
    for (file, expected) in cases {
        let why = reason(&file);
        assert!(expected(&why), "{why:?}");
    }
}

#[test]
fn invalid_informational_fields_are_warnings() {
    let mut file = bzimage();
    file[0x248] = 0xff;
    file[0x24a] = 0xff;
    file[0x20e..0x210].copy_from_slice(&[0xff, 0xff]);
    let image = parse(&file).unwrap();
    assert_eq!(setup(&image).payload, None);
    assert_eq!(setup(&image).kernel_version, None);
    assert_eq!(image.warnings.len(), 1, "{:?}", image.warnings);
}

#[test]
fn a_vmlinux_moves_in_steps_of_2_mib() {
    let file = vmlinux();
    assert_eq!(FileKind::of(&file), FileKind::Vmlinux);
    let image = Image::parse_as(&file, "vmlinux", As::Auto).unwrap();
    assert_eq!(image.format, Format::Elf64);
    assert_eq!((image.span.start, image.entry), (0x100_0000, 0x100_0040));
    let tag = image.requirements.relocatable.unwrap();
    assert_eq!(tag.align, 0x20_0000);
    let setup = setup(&image);
    assert_eq!(
        setup.release(),
        Some("6.1.0-50-amd64"),
        "not the format string"
    );
    assert!(!setup.bzimage && setup.header.version == 0);
    assert!(image.warnings.is_empty(), "{:?}", image.warnings);
    assert_eq!(image.at(0x4000_0000).unwrap().entry, 0x4000_0040);
}

#[test]
fn other_elf_files_are_linux_only_with_type_linux() {
    let elf = ElfBuilder::elf64(0x10_0000).load(0x10_0000, vec![1; 64], 0);
    let program = ElfFile {
        machine: Some(FileMachine::X86_64),
        role: ElfRole::Program,
    };
    assert_eq!(FileKind::of(&elf.build()), FileKind::Elf(program));
    let image = parse(&elf.build()).unwrap();
    assert!(image.warnings[0].contains("no \"Linux version\" banner"));
    // linked 1 MiB off: it cannot move
    assert_eq!(image.requirements.relocatable, None);
    let small = ElfBuilder::elf32(0x10_0000).load(0x10_0000, vec![1; 64], 0);
    assert_eq!(
        reason(&small.build()),
        LinuxImageError::Not64Bit { machine: 3 }
    );
}

/// Values at the limits of address arithmetic.
const NASTY: [u64; 9] = [
    0,
    1,
    0x1ff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0xffff_f000,
    0xffff_ffff_ffff_f000,
    u64::MAX,
];

/// Checks the invariants of an accepted image.
fn check(bytes: &[u8], image: &Image) {
    let stored: usize = image
        .segments
        .iter()
        .map(|segment| segment.data.len())
        .sum();
    assert!(stored <= 2 * bytes.len() + image.segments.len() * (64 << 10));
    assert!(
        image
            .segments
            .iter()
            .any(|segment| segment.range.contains(image.entry))
    );
    for segment in &image.segments {
        assert!(segment.data.len() as u64 <= segment.range.len());
    }
    let setup = setup(image);
    assert!(!setup.bzimage || image.span.end <= 1 << 32);
    if let Some(tag) = image.requirements.relocatable {
        assert!(tag.align.is_power_of_two() && tag.min.is_multiple_of(tag.align));
        assert!(image.span.start.is_multiple_of(tag.align));
    }
}

#[test]
fn every_prefix_and_extreme_field_value_is_accepted_or_refused() {
    for seed in [bzimage(), vmlinux()] {
        for len in (0..seed.len()).step_by(if seed.len() > 0x4000 { 61 } else { 1 }) {
            if let Ok(image) = parse(&seed[..len]) {
                check(&seed[..len], &image);
            }
        }
        for at in (0..0x270).chain(0x1f0..0x270) {
            for value in NASTY {
                let mut bytes = seed.clone();
                bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
                if let Ok(image) = parse(&bytes) {
                    check(&bytes, &image);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn mutations_never_panic(
        elf in any::<bool>(),
        changes in prop::collection::vec((0_usize..0x270, 0_usize..4, any::<u64>(), any::<bool>()), 1..5),
    ) {
        let mut bytes = if elf { vmlinux() } else { bzimage() };
        for (at, width, random, nasty) in changes {
            let value = if nasty { NASTY[random as usize % NASTY.len()] } else { random };
            let end = at + (1 << width);
            bytes[at..end].copy_from_slice(&value.to_le_bytes()[..end - at]);
        }
        if let Ok(image) = parse(&bytes) {
            check(&bytes, &image);
        }
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        prop_assert!(parse(&bytes).is_err());
    }
}
