// UNSAFETY: multiboot2's parser starts from a raw pointer
#![expect(unsafe_code)]

use super::*;
use crate::host::boot_facts::Raw;
use crate::host::screen::tests::{framebuffer, text_mode};
use crate::image::Sections;
use multiboot2::{BootInformation, BootInformationHeader};

fn r(start: u64, end: u64) -> PhysRange {
    PhysRange::new(start, end).unwrap()
}

fn parts<'a>() -> MultibootInputs<'a> {
    MultibootInputs {
        cmdline: "com1=115200,8n1",
        loader: "GRUB 2.x (mbtool 0)",
        modules: vec![
            (r(0x10_0000, 0x10_1234), "root=/dev/sda1 quiet"),
            (r(0x20_0000, 0x20_0001), ""),
        ],
        mem_lower: 639,
        mem_upper: 1234,
        areas: &[],
        screen: None,
        sections: None,
    }
}

const OWN: Own<'_> = Own {
    rsdp_v1: false,
    rsdp_v2: false,
    load_base: 0x7f80_0000,
    smbios: None,
    vbe: false,
};

/// Parses the boot information with the `multiboot2` crate.
fn with_parsed(bytes: &[u8], check: impl FnOnce(&BootInformation<'_>)) {
    let words: Vec<u64> = bytes
        .chunks_exact(8)
        .map(|c| u64::from_le_bytes(c.try_into().unwrap()))
        .collect();
    assert_eq!(words.len() * 8, bytes.len());
    // SAFETY: `words` is 8-byte aligned, holds the whole structure (its total
    // size field was just checked against the builder's), and outlives `info`.
    let info = unsafe { BootInformation::load(words.as_ptr().cast::<BootInformationHeader>()) };
    check(&info.unwrap());
}

#[test]
fn parsing_returns_the_input() {
    let areas = [
        (r(0, 0x9fc00), 1),
        (r(0xf_0000, 0x10_0000), 2),
        (r(1 << 32, 1 << 33), 5),
    ];
    let mbi = build(
        &MultibootInputs {
            areas: &areas,
            ..parts()
        },
        OWN,
    )
    .unwrap();
    let (start, _) = InfoStart::ref_from_prefix(&mbi.bytes).unwrap();
    assert_eq!(start.total_size.get(), mbi.bytes.len() as u32);
    with_parsed(&mbi.bytes, |info| {
        assert_eq!(
            info.command_line_tag().unwrap().cmdline(),
            Ok("com1=115200,8n1")
        );
        assert_eq!(
            info.boot_loader_name_tag().unwrap().name(),
            Ok("GRUB 2.x (mbtool 0)")
        );
        let memory = info.basic_memory_info_tag().unwrap();
        assert_eq!((memory.memory_lower(), memory.memory_upper()), (639, 1234));
        let modules: Vec<_> = info
            .module_tags()
            .map(|tag| {
                (
                    tag.start_address(),
                    tag.end_address(),
                    tag.cmdline().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            modules,
            [
                (0x10_0000, 0x10_1234, "root=/dev/sda1 quiet"),
                (0x20_0000, 0x20_0001, "")
            ]
        );
        let got: Vec<_> = info
            .memory_map_tag()
            .unwrap()
            .memory_areas()
            .iter()
            .map(|area| {
                (
                    r(area.start_address(), area.end_address()),
                    area.typ().val(),
                )
            })
            .collect();
        assert_eq!(got, areas);
        assert_eq!(
            info.load_base_addr_tag().unwrap().load_base_addr(),
            0x7f80_0000
        );
        let kinds: Vec<u32> = tags(&mbi.bytes).map(|tag| tag.kind).collect();
        assert_eq!(kinds, [1, 2, 3, 3, 4, 6, 21, 0]);
    });
}

#[test]
fn the_space_for_the_rsdp_is_zeroed_and_of_its_size() {
    let own = Own {
        rsdp_v1: true,
        rsdp_v2: true,
        ..OWN
    };
    let mbi = build(&parts(), own).unwrap();
    assert_eq!(
        mbi.rsdp.iter().map(|hole| hole.1).collect::<Vec<_>>(),
        [20, 36]
    );
    let mut bytes = mbi.bytes.clone();
    for &(at, len) in &mbi.rsdp {
        let hole = &mut bytes[at..at + len as usize];
        assert!(hole.iter().all(|&byte| byte == 0));
        // the handoff copies an ACPI 2.0 table: revision at 15, length at 20
        let mut table = [0_u8; 36];
        table[..8].copy_from_slice(b"RSD PTR ");
        table[15] = 2;
        table[20] = 36;
        let sum = |bytes: &[u8]| bytes.iter().fold(0_u8, |sum, &byte| sum.wrapping_add(byte));
        table[8] = sum(&table[..20]).wrapping_neg();
        table[32] = sum(&table).wrapping_neg();
        hole.copy_from_slice(&table[..hole.len()]);
    }
    with_parsed(&bytes, |info| {
        assert!(info.rsdp_v1_tag().unwrap().checksum_is_valid());
        assert!(info.rsdp_v2_tag().unwrap().checksum_is_valid());
    });
}

#[test]
fn sizes_do_not_depend_on_addresses() {
    let one = build(&parts(), OWN).unwrap().bytes.len();
    let mut other = parts();
    other.modules[0].0 = r(0xfff0_0000, 0xffff_f000);
    let own = Own {
        load_base: 0,
        ..OWN
    };
    assert_eq!(build(&other, own).unwrap().bytes.len(), one);
}

#[test]
fn section_addresses_are_relocated_with_the_image() {
    let mut elf32 = vec![0_u8; 80];
    elf32[8] = 2;
    elf32[12..16].copy_from_slice(&0x10_0000_u32.to_le_bytes());
    elf32[40 + 12..40 + 16].copy_from_slice(&0x5555_u32.to_le_bytes());
    let table = Sections {
        num: 2,
        entsize: 40,
        shndx: 1,
        bytes: elf32,
    };
    let mbi = build(
        &MultibootInputs {
            sections: Some((&table, 0x20_0000)),
            ..parts()
        },
        OWN,
    )
    .unwrap();
    with_parsed(&mbi.bytes, |info| {
        let got: Vec<u64> = info
            .elf_sections_tag()
            .unwrap()
            .sections()
            .map(|s| s.sh_addr)
            .collect();
        assert_eq!(got, [0x30_0000, 0]);
    });
    let mut elf64 = vec![0_u8; 64];
    elf64[8] = 6;
    elf64[16..24].copy_from_slice(&0xffff_ffff_8010_0000_u64.to_le_bytes());
    let table = Sections {
        num: 1,
        entsize: 64,
        shndx: 0,
        bytes: elf64,
    };
    let mbi = build(
        &MultibootInputs {
            sections: Some((&table, 0_u64.wrapping_sub(0x1000))),
            ..parts()
        },
        OWN,
    );
    with_parsed(&mbi.unwrap().bytes, |info| {
        let got: Vec<u64> = info
            .elf_sections_tag()
            .unwrap()
            .sections()
            .map(|s| s.sh_addr)
            .collect();
        assert_eq!(got, [0xffff_ffff_800f_f000]);
    });
}

#[test]
fn values_that_multiboot2_cannot_express_are_refused() {
    let error = build(
        &MultibootInputs {
            cmdline: "a\0b",
            ..parts()
        },
        OWN,
    )
    .unwrap_err();
    assert!(matches!(error, MbiError::Nul { at: 1, .. }), "{error}");
    let module = |range, text| {
        build(
            &MultibootInputs {
                modules: vec![(range, text)],
                ..parts()
            },
            OWN,
        )
    };
    assert_eq!(
        module(r(0x1000, 0x1000), "").unwrap_err(),
        MbiError::EmptyModule { index: 0 }
    );
    let range = r(0xffff_f000, 1 << 32);
    assert_eq!(
        module(range, "").unwrap_err(),
        MbiError::HighModule { index: 0, range }
    );
    assert!(
        module(r(0, 1), "x\0")
            .unwrap_err()
            .to_string()
            .contains("module 0")
    );
}

/// [`OWN`] with SMBIOS 3.3 and a table of 6 bytes.
fn smbios() -> Smbios {
    let mut entry_point = b"_SM3_\0\x18\x03\x03".to_vec();
    entry_point.resize(24, 0);
    let sum = entry_point
        .iter()
        .fold(0_u8, |sum, &byte| sum.wrapping_add(byte));
    entry_point[5] = sum.wrapping_neg();
    Smbios {
        entry_point: Raw(entry_point),
        table: Raw(vec![127, 4, 0, 0, 0, 0]),
    }
}

#[test]
fn the_screen_and_smbios_are_read_back() {
    let (pixels, text) = (
        framebuffer(0x70).screen_left().unwrap(),
        text_mode().screen_left().unwrap(),
    );
    let smbios = smbios();
    for (screen, vbe) in [(pixels, true), (pixels, false), (text, true)] {
        let parts = MultibootInputs {
            screen: Some(&screen),
            ..parts()
        };
        let own = Own {
            smbios: Some(&smbios),
            vbe,
            ..OWN
        };
        let mbi = build(&parts, own).unwrap();
        with_parsed(&mbi.bytes, |info| {
            let tag = info.framebuffer_tag().unwrap().unwrap();
            let kind = tag.buffer_type().unwrap();
            let place = (
                tag.address(),
                tag.pitch(),
                tag.width(),
                tag.height(),
                tag.bpp(),
            );
            let field = |position, size| FramebufferField { position, size };
            if screen == pixels {
                assert_eq!(place, (0x8000_0000, 5120, 1280, 800, 32));
                let rgb = FramebufferType::RGB {
                    red: field(16, 8),
                    green: field(8, 8),
                    blue: field(0, 8),
                };
                assert_eq!(kind, rgb);
            } else {
                assert_eq!(place, (0xb_8000, 160, 80, 25, 16));
                assert_eq!(kind, FramebufferType::Text);
            }
            // what Xen looks at: VBE 2.0, a linear color mode
            let described = info.vbe_info_tag().map(|tag| {
                let (control, mode) = (tag.control_info(), tag.mode_info());
                (
                    { control.version },
                    { control.total_memory },
                    { mode.mode_attributes }.bits() & 0x9b,
                    { mode.framebuffer_base_ptr },
                )
            });
            let expected = (screen == pixels && vbe).then_some((0x200, 63, 0x9b, 0x8000_0000));
            assert_eq!(described, expected);
            let tag = info.smbios_tags().next().unwrap();
            assert_eq!((tag.major(), tag.minor()), (3, 3));
            let tables = [&smbios.entry_point.0[..], &smbios.table.0].concat();
            assert_eq!(tag.tables(), tables);
        });
    }
}

#[test]
fn vbe_is_left_out_where_it_cannot_express_the_mode() {
    let Screen::Rgb(fb) = framebuffer(0x70).screen_left().unwrap() else {
        panic!("text")
    };
    assert!(shown_by_xen(&Screen::Rgb(fb)));
    let high = Framebuffer {
        addr: 1 << 32,
        ..fb
    };
    let wide = Framebuffer {
        pitch: 0x1_0000,
        ..fb
    };
    for fb in [high, wide] {
        assert!(!shown_by_xen(&Screen::Rgb(fb)), "{fb:?}");
    }
}
