use super::super::synth::{HeaderBuilder, program, words_to_bytes, xen_header, xen_like};
use super::*;
use crate::image::error::{RelocatableTagError, TagSizeRule};

/// A flat file that starts with `header`, placed at 1 MiB by tags 2 and 3.
fn with(header: HeaderBuilder) -> Vec<u8> {
    program(
        header.address(0x10_0000, 0x10_0000, 0, 0).entry(0x10_0100),
        0x400,
    )
}

#[test]
fn all_tags_of_xen_are_known() {
    let image = parse(&xen_like()).unwrap();
    let requirements = &image.requirements;
    assert_eq!(
        requirements.header_offset, 0x78,
        "after the ELF header and two program headers"
    );
    let request = |tag| InfoRequest {
        tag,
        required: true,
    };
    assert_eq!(requirements.info_requests, [request(4), request(6)]);
    assert!(requirements.module_align);
    assert!(requirements.efi_boot_services);
    assert_eq!(requirements.efi64_entry, Some(0x3dd531));
    assert_eq!(requirements.efi32_entry, None);
    assert_eq!(
        requirements.console,
        Some(ConsoleRequest {
            flags: ConsoleFlags::EGA_TEXT,
            required: false
        })
    );
    assert_eq!(
        requirements.framebuffer,
        Some(FramebufferRequest {
            width: 0,
            height: 0,
            depth: 0,
            required: false
        })
    );
    assert_eq!(
        requirements.relocatable,
        Some(Relocatable {
            min: 0x20_0000,
            max: 0xffff_ffff,
            align: 0x20_0000,
            preference: Preference::Highest
        })
    );
    assert_eq!(requirements.address, None);
    assert_eq!(requirements.entry_address, None);
    assert_eq!(requirements.ignored_tags, [0_u16; 0]);
    assert_eq!(image.warnings, [""; 0]);
}

#[test]
fn a_magic_number_with_a_wrong_checksum_is_skipped() {
    let decoy = HeaderBuilder {
        checksum_error: 1,
        ..xen_header()
    }
    .build();
    let decoys = decoy.len() as u64;
    let mut bytes = [decoy, with(HeaderBuilder::new())].concat();
    // header_addr - load_addr must be the decoy's length for the file's start
    let image = parse(&bytes).unwrap();
    assert_eq!(image.requirements.header_offset, decoys);
    assert_eq!(image.segments[0].data, bytes[decoys as usize..]);
    // nor does a header of another architecture before ours stop the search
    let foreign = HeaderBuilder {
        arch: 4,
        ..HeaderBuilder::new()
    }
    .build();
    bytes = [foreign, with(HeaderBuilder::new())].concat();
    assert_eq!(parse(&bytes).unwrap().requirements.header_offset, 24);
}

#[test]
fn another_architecture_is_named() {
    let bytes = with(HeaderBuilder {
        arch: 4,
        ..HeaderBuilder::new()
    });
    let expected = |arch, name| ImageErrorReason::Architecture {
        offset: 0,
        arch,
        name,
    };
    let reason = |bytes: &[u8]| parse(bytes).unwrap_err();
    assert_eq!(reason(&bytes), expected(4, "32-bit MIPS"));
    let bytes = with(HeaderBuilder {
        arch: 7,
        ..HeaderBuilder::new()
    });
    assert_eq!(reason(&bytes), expected(7, "unknown"));
}

#[test]
fn the_header_ends_within_the_file_and_32_kib() {
    let bytes = with(HeaderBuilder {
        length_error: 0x1000,
        ..HeaderBuilder::new()
    });
    assert!(matches!(
        reason(&bytes),
        ImageErrorReason::HeaderLength {
            available: 0x400,
            limit: "the end of the file",
            ..
        }
    ));
    let header = HeaderBuilder {
        length_error: 0,
        ..HeaderBuilder::new()
    };
    let late = [vec![0; 0x7ff0], with(header)].concat();
    assert!(matches!(
        reason(&late),
        ImageErrorReason::HeaderLength {
            available: 0x10,
            limit: "the first 32 KiB of the file",
            ..
        }
    ));
    let bytes = with(HeaderBuilder {
        length_error: 0x18_u32.wrapping_neg(),
        ..Default::default()
    });
    assert!(parse(&bytes).is_err());
    // shorter than any header
    let short = words_to_bytes(&[0xe85250d6, 0, 8, 0_u32.wrapping_sub(0xe85250d6 + 8), 0, 8]);
    assert!(matches!(
        reason(&short),
        ImageErrorReason::HeaderLength { length: 8, .. }
    ));
}

#[test]
fn a_header_at_the_last_possible_offset_is_found() {
    let header = HeaderBuilder::new().entry(0x10_0000);
    let len = header.clone().address(0, 0, 0, 0).build().len();
    let at = 0x8000 - len;
    let address = 0x10_0000 + at as u32;
    let header = header.address(address, 0x10_0000, 0, 0).build();
    let bytes = [vec![0x90; at], header].concat();
    assert_eq!(parse(&bytes).unwrap().requirements.header_offset, at as u64);
}

#[test]
fn a_missing_end_tag_is_an_error() {
    let header = HeaderBuilder {
        no_end: true,
        ..HeaderBuilder::new()
    };
    assert_eq!(
        reason(&with(header)),
        ImageErrorReason::NoEndTag {
            offset: 0,
            length: 0x38
        }
    );
}

#[test]
fn an_end_tag_of_another_size_is_an_error() {
    assert_eq!(
        reason(&with(HeaderBuilder::new().sized_tag(0, 0, 16, &[0; 8]))),
        ImageErrorReason::TagSize {
            kind: 0,
            offset: 0x10,
            found: 0x10,
            expected: TagSizeRule::End
        }
    );
}

#[test]
fn bytes_after_the_end_tag_are_a_warning() {
    let header = HeaderBuilder::new()
        .address(0x10_0000, 0x10_0000, 0, 0)
        .entry(0x10_0100);
    let bytes = program(header.sized_tag(0, 0, 8, &[]), 0x400);
    assert_eq!(
        parse(&bytes).unwrap().warnings,
        ["8 bytes of the header follow its end tag"]
    );
}

#[test]
fn tag_sizes_are_bounded() {
    for size in [0, 7, 0x1_0000, u32::MAX] {
        let reason = reason(&with(HeaderBuilder::new().sized_tag(6, 0, size, &[])));
        assert!(
            matches!(
                reason,
                ImageErrorReason::TagSize {
                    kind: 6,
                    offset: 0x10,
                    found,
                    expected: TagSizeRule::UpTo(_)
                } if found == size
            ),
            "{reason:?}"
        );
    }
    for (tag, short) in [(2, 12), (3, 0), (4, 0), (5, 8), (8, 0), (9, 0), (10, 12)] {
        let payload = vec![0; short];
        let bytes = program(HeaderBuilder::new().tag(tag, 0, &payload), 0x400);
        let reason = reason(&bytes);
        assert!(
            matches!(
                reason,
                ImageErrorReason::TagSize {
                    kind,
                    offset: 0x10,
                    expected: TagSizeRule::AtLeast(_),
                    ..
                } if kind == tag
            ),
            "{reason:?}"
        );
    }
    assert_eq!(
        reason(&with(HeaderBuilder::new().tag(1, 0, &[4, 0, 0, 0, 6, 0]))),
        ImageErrorReason::TagSize {
            kind: 1,
            offset: 0x10,
            found: 14,
            expected: TagSizeRule::Words
        }
    );
}

#[test]
fn a_longer_tag_of_a_later_revision_is_read() {
    let image = parse(&with(HeaderBuilder::new().words(4, &[3, 99]))).unwrap();
    assert_eq!(
        image.requirements.console,
        Some(ConsoleRequest {
            flags: ConsoleFlags::REQUIRED | ConsoleFlags::EGA_TEXT,
            required: true
        })
    );
}

#[test]
fn an_unknown_tag_is_refused_unless_optional() {
    assert_eq!(
        reason(&with(HeaderBuilder::new().words(0x77, &[1]))),
        ImageErrorReason::UnknownRequiredTag {
            kind: 0x77,
            offset: 0x10
        }
    );
    let image = parse(&with(
        HeaderBuilder::new().optional(0x77, &[1]).optional(11, &[]),
    ))
    .unwrap();
    assert_eq!(image.requirements.ignored_tags, [0x77, 11]);
}

#[test]
fn information_requests_are_combined_with_their_flags() {
    let header = HeaderBuilder::new()
        .words(1, &[4])
        .optional(1, &[14, 15])
        .words(1, &[]);
    let image = parse(&with(header)).unwrap();
    assert_eq!(
        image.requirements.info_requests,
        [
            InfoRequest {
                tag: 4,
                required: true
            },
            InfoRequest {
                tag: 14,
                required: false
            },
            InfoRequest {
                tag: 15,
                required: false
            },
        ]
    );
}

#[test]
fn a_repeated_tag_must_have_the_same_contents() {
    let header = HeaderBuilder::new().words(4, &[1]).words(4, &[1]);
    let image = parse(&with(header)).unwrap();
    assert_eq!(image.warnings, ["header tag 4 appears twice"]);
    let header = HeaderBuilder::new().words(4, &[1]).words(4, &[2]);
    assert_eq!(
        reason(&with(header)),
        ImageErrorReason::DuplicateTag {
            kind: 4,
            first: 0x10,
            second: 0x20
        }
    );
    let header = HeaderBuilder::new().words(4, &[1]).optional(4, &[1]);
    assert!(matches!(
        parse(&with(header)),
        Err(ImageErrorReason::DuplicateTag { kind: 4, .. })
    ));
}

#[test]
fn required_boot_services_are_refused_with_the_reason() {
    assert_eq!(
        reason(&with(HeaderBuilder::new().words(7, &[]))),
        ImageErrorReason::EfiBootServices { offset: 0x10 }
    );
}

#[test]
fn an_efi_entry_alone_is_refused() {
    for kind in [8, 9] {
        let header = HeaderBuilder::new().address(0x10_0000, 0x10_0000, 0, 0);
        let bytes = program(header.optional(kind, &[0x10_0000]), 0x400);
        assert_eq!(
            parse(&bytes).unwrap_err(),
            ImageErrorReason::OnlyEfiEntry { kind }
        );
        // with another entry point it is ignored, required or not
        let image = parse(&with(HeaderBuilder::new().words(kind, &[0x10_0000]))).unwrap();
        assert_eq!(image.entry, 0x10_0100);
    }
}

#[test]
fn the_relocatable_tag_is_checked() {
    let image = parse(&with(HeaderBuilder::new().relocatable(0, 0, 0, 0))).unwrap();
    let relocatable = image.requirements.relocatable.unwrap();
    assert_eq!(
        (relocatable.align, relocatable.preference),
        (1, Preference::None)
    );
    let image = parse(&with(HeaderBuilder::new().relocatable(1, 2, 4, 1))).unwrap();
    let relocatable = image.requirements.relocatable.unwrap();
    assert_eq!(
        (relocatable.align, relocatable.preference),
        (4, Preference::Lowest)
    );
    for (words, why) in [
        ([2, 1, 1, 0], RelocatableTagError::Order { min: 2, max: 1 }),
        ([0, 9, 0x3000, 0], RelocatableTagError::Alignment(0x3000)),
        ([0, 9, 1, 3], RelocatableTagError::Preference(3)),
    ] {
        assert_eq!(
            reason(&with(HeaderBuilder::new().words(10, &words))),
            ImageErrorReason::Relocatable { offset: 0x10, why }
        );
    }
}
