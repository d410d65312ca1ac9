//! Multiboot2 headers of all layouts, each planned on a BIOS machine: what the specification asks of
//! the loader.

use super::*;
use crate::host::screen::NoScreen;
use crate::image::error::ImageErrorReason;
use crate::image::synth::{ElfBuilder, HeaderBuilder};
use crate::image::{As, ImageError};
use crate::plan::boot::mb2_requests::{Missing, NoConsole, RequestError};
use crate::plan::place::allocator::FixedError;

/// `hlt` in a loop.
const CODE: [u8; 4] = [0xfa, 0xf4, 0xeb, 0xfd];

/// Where an image is linked, what precedes its header, and its entry point if it is not the code.
#[derive(Clone, Copy)]
struct Layout {
    base: u64,
    before: usize,
    entry: Option<u64>,
}

const AT_1_MIB: Layout = Layout {
    base: MIB,
    before: 0,
    entry: None,
};

/// One `PT_LOAD` with the header and the code.
fn elf(header: HeaderBuilder, layout: Layout) -> Vec<u8> {
    let mut load = vec![0; layout.before];
    load.extend(header.build());
    load.resize(load.len().next_multiple_of(16), 0);
    let entry = layout.base + load.len() as u64;
    load.extend(CODE);
    let memsz = load.len() as u64 + 0x1000;
    ElfBuilder::elf32(layout.entry.unwrap_or(entry))
        .load(layout.base, load, memsz)
        .build()
}

fn linked(header: HeaderBuilder) -> Vec<u8> {
    elf(header, AT_1_MIB)
}

/// No container: the addresses of tag 2, with or without ends.
fn flat(ends: bool) -> Vec<u8> {
    let (base, at) = (0x20_0000, 64);
    let build = |len: u32| {
        let (load_end, bss_end) = match ends {
            true => (base + len, base + 0x3000),
            false => (0, 0),
        };
        let header = HeaderBuilder::new().address(base + at, base, load_end, bss_end);
        let mut file = vec![0; at as usize];
        file.extend(header.entry(base + 0x100).build());
        file.resize(0x100, 0);
        file.extend(CODE);
        file.resize(0x140, 0);
        file
    };
    build(0x140)
}

/// Plans the file on a BIOS machine without a screen and without SMBIOS.
fn planned(file: &[u8]) -> Result<Plan, PlanError> {
    let image = Image::parse_as(file, "image", As::Multiboot2)?;
    plan(&Request::new(image), &bios())
}

/// Asserts that the file is loaded, and returns its warnings.
fn loaded(name: &str, file: &[u8]) -> Vec<String> {
    let made = planned(file).unwrap_or_else(|error| panic!("{name}: {error}"));
    made.report.warnings
}

fn header() -> HeaderBuilder {
    HeaderBuilder::new()
}

#[test]
fn layouts_that_are_loaded() {
    let entry = 0x10_0040;
    for (name, file) in [
        ("no tags", linked(header())),
        ("EFI64 entry", linked(header().words(9, &[entry]))),
        (
            "EFI64 entry, optional",
            linked(header().optional(9, &[entry])),
        ),
        ("EFI32 entry", linked(header().words(8, &[entry]))),
        (
            "framebuffer, optional",
            linked(header().optional(5, &[1024, 768, 32]).words(6, &[])),
        ),
        (
            "unknown tag, optional",
            linked(header().tag(77, 1, b"abcdefg")),
        ),
        (
            "header near 32 KiB",
            elf(
                header(),
                Layout {
                    before: 0x8000 - 0x1000 - 32,
                    ..AT_1_MIB
                },
            ),
        ),
        (
            "relocatable",
            elf(
                header().relocatable(0x20_0000, u32::MAX, 0x20_0000, 2),
                Layout {
                    base: 0x20_0000,
                    ..AT_1_MIB
                },
            ),
        ),
        (
            "alignment 0",
            linked(header().relocatable(0x10_0000, u32::MAX, 0, 1)),
        ),
        ("address tag", flat(true)),
        ("address tag without ends", flat(false)),
        ("entry tag", linked(header().entry(0x10_0020))),
    ] {
        loaded(name, &file);
    }
    let optional = |tag| linked(header().optional(1, &[tag]));
    for tag in [5, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 18, 19, 20] {
        assert_eq!(
            loaded("an optional request", &optional(tag)).len(),
            1,
            "{tag}"
        );
    }
}

#[test]
fn required_information_is_refused_by_name() {
    let screen = || NoConsole::Screen(NoScreen::Unknown);
    for (header, error) in [
        (
            header().words(5, &[1024, 768, 32]),
            RequestError::Framebuffer(screen()),
        ),
        (
            header().words(5, &[0, 0, 0]),
            RequestError::Framebuffer(screen()),
        ),
        (header().words(4, &[3]), RequestError::Console(screen())),
        (
            header().words(1, &[7]),
            RequestError::Info(7, Missing::Bios),
        ),
        (
            header().words(1, &[8]),
            RequestError::Info(8, Missing::Screen(NoScreen::Unknown)),
        ),
        (
            header().words(1, &[13]),
            RequestError::Info(13, Missing::Smbios),
        ),
        (
            header().words(1, &[12, 17]),
            RequestError::Info(12, Missing::EfiTables),
        ),
        (
            header().words(1, &[10]),
            RequestError::Info(10, Missing::Bios),
        ),
        (
            header().words(1, &[16]),
            RequestError::Info(16, Missing::Network),
        ),
        (
            header().words(1, &[5, 9]),
            RequestError::Info(5, Missing::BootDevice),
        ),
        (
            header().words(1, &[14, 15]),
            RequestError::Info(15, Missing::Acpi1),
        ),
    ] {
        match planned(&linked(header)) {
            Err(PlanError::Want(found)) => assert_eq!(found, error),
            other => panic!("{error:?}: {other:?}"),
        }
    }
}

#[test]
fn headers_that_cannot_be_used_are_refused() {
    let refused = |name: &str, file: &[u8]| match planned(file) {
        Err(PlanError::Image(ImageError { reason, .. })) => reason,
        other => panic!("{name}: {other:?}"),
    };
    let reason = refused("EFI boot services", &linked(header().words(7, &[])));
    assert!(
        matches!(reason, ImageErrorReason::EfiBootServices { .. }),
        "{reason:?}"
    );
    for (name, file) in [
        ("unknown tag", linked(header().tag(77, 0, b"abcdefg"))),
        (
            "no end tag",
            linked(HeaderBuilder {
                no_end: true,
                ..header().words(6, &[])
            }),
        ),
        (
            "checksum",
            linked(HeaderBuilder {
                checksum_error: 1,
                ..header()
            }),
        ),
        (
            "not at a multiple of 8",
            elf(
                header(),
                Layout {
                    before: 4,
                    ..AT_1_MIB
                },
            ),
        ),
        (
            "beyond 32 KiB",
            elf(
                header(),
                Layout {
                    before: 40_000,
                    ..AT_1_MIB
                },
            ),
        ),
        (
            "MIPS",
            linked(HeaderBuilder {
                arch: 4,
                ..header()
            }),
        ),
        (
            "entry outside",
            elf(
                header(),
                Layout {
                    entry: Some(0x90_0000),
                    ..AT_1_MIB
                },
            ),
        ),
        (
            "entry in the higher half",
            elf(
                header(),
                Layout {
                    entry: Some(0xc010_0020),
                    ..AT_1_MIB
                },
            ),
        ),
    ] {
        refused(name, &file);
    }
}

#[test]
fn addresses_that_are_not_free_are_refused() {
    let error = planned(&elf(
        header(),
        Layout {
            base: 0,
            ..AT_1_MIB
        },
    ))
    .unwrap_err();
    assert_error!(error, PlanError::Fixed(FixedError::Taken { by, .. }) if by == "page 0");
    // no room between the bounds of the tag
    let file = linked(header().relocatable(0x10_0000, 0x10_1000, 0x1000, 0));
    let error = planned(&file).unwrap_err();
    assert_error!(error, PlanError::NoFreeRange(error) if error.elsewhere.is_none());
}
