//! Files that are not loadable images.

use super::super::error::StrayHeaderError;
use super::super::kind::{DataFile, ElfFile, ElfRole, FileMachine, PeFile, PeRole, SetupProgram};
use super::super::synth::{ElfBuilder, HeaderBuilder, PeBuilder, bzimage, mb1_flat, xen_header};
use super::*;

fn auto(bytes: &[u8]) -> ImageErrorReason {
    Image::parse_as(bytes, "test", As::Auto)
        .expect_err("parsed")
        .reason
}

#[test]
fn without_a_type_the_file_is_named() {
    let elf = ElfBuilder::elf64(0).load(0x10_0000, vec![1; 16], 0).build();
    let application = PeFile {
        machine: Some(FileMachine::X86_64),
        role: PeRole::Application(None),
    };
    let program = ElfFile {
        machine: Some(FileMachine::X86_64),
        role: ElfRole::Program,
    };
    for (bytes, kind) in [
        (
            PeBuilder::efi().section(".text", b"x").build(),
            FileKind::Pe(application),
        ),
        (elf, FileKind::Elf(program)),
        (b"#!/bin/sh".to_vec(), FileKind::Data(DataFile::Script)),
        (b"hello\n".to_vec(), FileKind::Data(DataFile::Text)),
    ] {
        assert_eq!(auto(&bytes), ImageErrorReason::NotAnImage { kind });
    }
}

#[test]
fn with_a_type_the_wanted_one_is_named_too() {
    let multiboot2 = xen_header()
        .address(0x10_0000, 0x10_0000, 0, 0)
        .entry(0x10_0000)
        .build();
    for (bytes, what, wanted, kind) in [
        (
            bzimage(),
            As::Multiboot2,
            "Multiboot2",
            FileKind::Setup(SetupProgram::Linux64),
        ),
        (
            mb1_flat(0x10_0000),
            As::Multiboot2,
            "Multiboot2",
            FileKind::Multiboot,
        ),
        (multiboot2.clone(), As::Linux, "Linux", FileKind::Multiboot2),
        (
            multiboot2.clone(),
            As::Multiboot,
            "Multiboot (1)",
            FileKind::Multiboot2,
        ),
        (multiboot2, As::Elf, "ELF", FileKind::Multiboot2),
    ] {
        let error = Image::parse_as(&bytes, "test", what).expect_err("parsed");
        assert_eq!(error.reason, ImageErrorReason::NotThis { wanted, kind });
    }
}

#[test]
fn a_misplaced_header_is_reported() {
    let header = xen_header().build();
    let stray = |offset, why| ImageErrorReason::StrayHeader { offset, why };
    for parse in [auto, reason] {
        let late = [vec![1; 0x9000], header.clone()].concat();
        assert_eq!(parse(&late), stray(0x9000, StrayHeaderError::TooFar));
        let odd = [vec![1; 0x104], header.clone()].concat();
        assert_eq!(parse(&odd), stray(0x104, StrayHeaderError::Unaligned));
    }
}

#[test]
fn a_wrong_checksum_is_reported_with_the_expected_one() {
    let good = HeaderBuilder::new().build();
    let bad = HeaderBuilder {
        checksum_error: 1,
        ..HeaderBuilder::new()
    }
    .build();
    let expected = u32::from_le_bytes(good[12..16].try_into().unwrap());
    let why = StrayHeaderError::Checksum {
        found: expected + 1,
        expected,
    };
    assert_eq!(
        reason(&bad),
        ImageErrorReason::StrayHeader { offset: 0, why }
    );
    // in a file that is something else it is no header
    let text = [b"#!/bin/sh\n      ".to_vec(), bad].concat();
    assert_eq!(
        auto(&text),
        ImageErrorReason::NotAnImage {
            kind: FileKind::Data(DataFile::Script)
        }
    );
}

#[test]
fn a_pe_image_is_not_multiboot2_even_with_a_header() {
    let pe = PeBuilder::efi().section(".text", b"x").build();
    let placed = HeaderBuilder::new()
        .address(0x10_0200, u32::MAX, 0, 0)
        .entry(0x10_0000);
    assert!(parse(&[pe.clone(), placed.build()].concat()).is_ok());
    let bare = [pe, xen_header().build()].concat();
    let kind = FileKind::of(&bare);
    assert!(matches!(kind, FileKind::Pe(_)));
    let wanted = "Multiboot2";
    assert_eq!(reason(&bare), ImageErrorReason::NotThis { wanted, kind });
}
