//! Files that are not loadable images.

use super::super::sniff::{FileKind, kind};
use super::super::synth::{ElfBuilder, HeaderBuilder, words_to_bytes, xen_header};
use super::*;

fn found(bytes: &[u8]) -> (String, String) {
    match parse(bytes) {
        Err(ImageErrorReason::NotMultiboot2 { found, advice }) => (found, advice),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_type_of_file_is_named_with_a_suggestion() {
    let mut linux = vec![0x90; 0x400];
    linux[..2].copy_from_slice(b"MZ");
    linux[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    linux[0x202..0x206].copy_from_slice(b"HdrS");
    let mut pe = vec![1; 0x100];
    pe[..2].copy_from_slice(b"MZ");
    pe[0x3c..0x40].copy_from_slice(&0x80_u32.to_le_bytes());
    pe[0x80..0x84].copy_from_slice(b"PE\0\0");
    let magic: u32 = 0x1bad_b002;
    let sum = 0_u32.wrapping_sub(magic).wrapping_sub(3);
    let multiboot1 = [vec![1; 0x88], words_to_bytes(&[magic, 3, sum])].concat();
    let gzip = [&[0x1f, 0x8b, 8, 0][..], &[0; 20]].concat();
    let elf = ElfBuilder::elf64(0).load(0x10_0000, vec![1; 16], 0).build();
    for (bytes, is, do_this) in [
        (&linux[..], "a Linux bzImage", "--type linux"),
        (&pe, "a PE image", "not xen.efi"),
        (
            &multiboot1,
            "only a Multiboot 1 header (at offset 0x88)",
            "--type multiboot",
        ),
        (
            &gzip,
            "gzip data inside another compressed file",
            "unpack it once",
        ),
        (
            &elf,
            "ELF (type 2, machine 62) without such a header",
            "first 32 KiB",
        ),
        (&elf[..20], "damaged ELF", "first 32 KiB"),
        (b"070701000", "a cpio archive", "--module"),
        (b"#!/bin/sh", "a script", "32 KiB"),
        (&[0; 9000], "are zero, as in a disk image", "32 KiB"),
        (
            b"hello\n",
            "begins with 68 65 6c 6c 6f 0a and is nothing known",
            "32 KiB",
        ),
    ] {
        let (found, advice) = found(bytes);
        assert!(found.contains(is), "{found}");
        assert!(advice.contains(do_this), "{advice}");
    }
    let kinds = [&linux, &pe, &multiboot1, &gzip, &elf].map(|bytes| kind(bytes));
    assert_eq!(
        kinds,
        [
            FileKind::Linux,
            FileKind::Pe,
            FileKind::Multiboot,
            FileKind::Unknown,
            FileKind::Elf
        ]
    );
    assert_eq!(kind(&xen_header().build()), FileKind::Multiboot2);
    let mips = HeaderBuilder {
        arch: 4,
        ..HeaderBuilder::new()
    };
    assert_eq!(kind(&mips.build()), FileKind::Multiboot2);
}

#[test]
fn a_misplaced_header_is_reported() {
    let header = xen_header().build();
    let late = [vec![1; 0x9000], header.clone()].concat();
    assert!(
        found(&late)
            .0
            .contains("at offset 0x9000, past the first 32768 bytes")
    );
    let odd = [vec![1; 0x104], header].concat();
    assert!(
        found(&odd)
            .0
            .contains("at offset 0x104, which is not a multiple of 8")
    );
}

#[test]
fn a_wrong_checksum_is_reported_with_the_expected_one() {
    let good = HeaderBuilder::new().build();
    let bad = HeaderBuilder {
        checksum_error: 1,
        ..HeaderBuilder::new()
    }
    .build();
    let right = u32::from_le_bytes(good[12..16].try_into().unwrap());
    let (found, _) = found(&bad);
    let says = format!("checksum {:#010x} where {right:#010x} is needed", right + 1);
    assert!(found.contains(&says), "{found}");
}

#[test]
fn a_pe_image_is_not_multiboot2_even_with_a_header() {
    let mut pe = vec![1; 0x100];
    pe[..2].copy_from_slice(b"MZ");
    pe[0x3c..0x40].copy_from_slice(&0x80_u32.to_le_bytes());
    pe[0x80..0x84].copy_from_slice(b"PE\0\0");
    let placed = HeaderBuilder::new()
        .address(0x10_0100, u32::MAX, 0, 0)
        .entry(0x10_0000);
    let placed = [pe.clone(), placed.build()].concat();
    assert_eq!(kind(&placed), FileKind::Multiboot2);
    assert!(parse(&placed).is_ok());
    pe.extend(xen_header().build());
    assert_eq!(kind(&pe), FileKind::Pe);
    let (is, advice) = found(&pe);
    assert!(is.contains("a PE image") && advice.contains("not xen.efi"));
}
