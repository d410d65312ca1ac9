use super::*;
use crate::host::screen::tests::{framebuffer, text_mode};
use crate::image::Sections;
use handoff::addr::PhysRange;
use proptest::prelude::*;

fn r(start: u64, end: u64) -> PhysRange {
    PhysRange::new(start, end).unwrap()
}

fn parts() -> MultibootInputs<'static> {
    MultibootInputs {
        cmdline: "root=/dev/sda1",
        loader: "mbtool 0",
        modules: vec![
            (r(0x10_0000, 0x10_1234), "first module"),
            (r(0x20_0000, 0x20_0001), ""),
        ],
        mem_lower: 639,
        mem_upper: 1234,
        areas: &[],
        screen: None,
        sections: None,
    }
}

/// Reads the word at an offset of the specification's table in section 3.3.
fn field(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

#[test]
fn fields_are_at_the_offsets_of_the_specification() {
    let areas = [(r(0, 0x9fc00), 1), (r(1 << 32, 1 << 33), 5)];
    let parts = MultibootInputs {
        areas: &areas,
        ..parts()
    };
    let addr = 0x30_0000;
    let bytes = build(&parts, addr.into()).unwrap();
    let text = |at: usize| {
        let start = (field(&bytes, at) - addr) as usize;
        let end = start + bytes[start..].iter().position(|&byte| byte == 0).unwrap();
        std::str::from_utf8(&bytes[start..end]).unwrap()
    };
    // memory, command line, modules, memory map and loader name only
    assert_eq!(field(&bytes, 0), 0b10_0100_1101);
    assert_eq!((field(&bytes, 4), field(&bytes, 8)), (639, 1234));
    assert_eq!(field(&bytes, 12), 0, "boot device");
    assert_eq!((text(16), text(64)), ("root=/dev/sda1", "mbtool 0"));

    assert_eq!(field(&bytes, 20), 2);
    let mods = (field(&bytes, 24) - addr) as usize;
    assert_eq!(mods % 4, 0);
    let module = |n: usize| (0..4).map(move |word| mods + 16 * n + 4 * word);
    let found: Vec<u32> = module(0).map(|at| field(&bytes, at)).collect();
    assert_eq!((found[0], found[1], found[3]), (0x10_0000, 0x10_1234, 0));
    assert_eq!((text(mods + 8), text(mods + 24)), ("first module", ""));

    assert_eq!(field(&bytes, 44), 48);
    let map = (field(&bytes, 48) - addr) as usize;
    assert_eq!((field(&bytes, map), field(&bytes, map + 24)), (20, 20));
    assert_eq!(
        (field(&bytes, map + 4), field(&bytes, map + 12)),
        (0, 0x9fc00)
    );
    assert_eq!((field(&bytes, map + 28), field(&bytes, map + 32)), (0, 1));
    assert_eq!((field(&bytes, map + 36), field(&bytes, map + 40)), (0, 1));
    assert_eq!((field(&bytes, map + 20), field(&bytes, map + 44)), (1, 5));
    // drives, configuration table, APM, VBE, framebuffer
    assert!(bytes[52..64].iter().chain(&bytes[68..120]).all(|&b| b == 0));
}

#[test]
fn without_modules_and_sections_their_flags_are_clear() {
    let parts = MultibootInputs {
        modules: Vec::new(),
        ..parts()
    };
    let bytes = build(&parts, 0x1000).unwrap();
    assert_eq!(field(&bytes, 0), 0b10_0100_0101);
    assert!(bytes[20..44].iter().all(|&byte| byte == 0));
}

#[test]
fn section_headers_are_copied_and_moved() {
    let mut table = vec![0_u8; 80];
    table[8] = 2;
    table[12..16].copy_from_slice(&0x10_0000_u32.to_le_bytes());
    table[40 + 12..40 + 16].copy_from_slice(&0x5555_u32.to_le_bytes());
    let table = Sections {
        num: 2,
        entsize: 40,
        shndx: 1,
        bytes: table,
    };
    let parts = MultibootInputs {
        sections: Some((&table, 0x20_0000)),
        ..parts()
    };
    let bytes = build(&parts, 0x4000).unwrap();
    assert_ne!(field(&bytes, 0) & 1 << 5, 0);
    let words = [28, 32, 40].map(|at| field(&bytes, at));
    assert_eq!(words, [2, 40, 1]);
    let at = field(&bytes, 36) as usize - 0x4000;
    assert_eq!(field(&bytes, at + 12), 0x30_0000);
    assert_eq!(field(&bytes, at + 52), 0, "not loaded: no address");
}

#[test]
fn values_that_multiboot_cannot_express_are_refused() {
    let with = |range, text| MultibootInputs {
        modules: vec![(range, text)],
        ..parts()
    };
    let error = |parts: &MultibootInputs<'_>| build(parts, 0).unwrap_err();
    let nul = MultibootInputs {
        cmdline: "a\0b",
        ..parts()
    };
    assert!(matches!(error(&nul), MbiError::Nul { at: 1, .. }));
    let module = error(&with(r(0, 1), "\0"));
    assert!(
        matches!(&module, MbiError::Nul { what, at: 0 } if what.contains("module 0")),
        "{module}"
    );
    assert_eq!(
        error(&with(r(8, 8), "")),
        MbiError::EmptyModule { index: 0 }
    );
    let high = r(0xffff_f000, 1 << 32);
    assert!(matches!(
        error(&with(high, "")),
        MbiError::HighModule { .. }
    ));
    let error = build(&parts(), 0xffff_ffff).unwrap_err();
    assert!(matches!(error, MbiError::HighInformation { .. }));
}

proptest! {
    #[test]
    fn decoding_returns_the_input(
        cmdline in "[^\0]{0,40}",
        texts in prop::collection::vec(("[^\0]{0,9}", 0_u32..0xffff, 1_u32..0xffff), 0..6),
        map in prop::collection::vec((any::<u32>(), 1_u64..u64::from(u32::MAX), 1_u32..6), 0..9),
        page in 0_u64..0xff_fff,
        sections in any::<bool>(),
    ) {
        let range = |start: u64, len| PhysRange::from_len(start, len).unwrap();
        let areas: Vec<_> = map
            .iter()
            .map(|&(start, len, kind)| (range(u64::from(start) << 8, len), kind))
            .collect();
        let table = Sections { num: 1, entsize: 40, shndx: 0, bytes: vec![7; 40] };
        let parts = MultibootInputs {
            cmdline: &cmdline,
            modules: texts
                .iter()
                .map(|(text, start, len)| (range(u64::from(*start) << 12, (*len).into()), &**text))
                .collect(),
            areas: &areas,
            sections: sections.then_some((&table, 0)),
            ..parts()
        };
        let addr = page << 12;
        let bytes = build(&parts, addr).unwrap();
        prop_assert_eq!(bytes.len(), build(&parts, 0).unwrap().len());
        let sent = decode(&bytes, addr);
        prop_assert_eq!((&*sent.cmdline, &*sent.boot_loader_name), (&*cmdline, "mbtool 0"));
        prop_assert_eq!((sent.mem_lower, sent.mem_upper), (639, 1234));
        let modules: Vec<_> = parts
            .modules
            .iter()
            .map(|(range, text)| DecodedModule {
                start: Hex(range.start),
                end: Hex(range.end),
                cmdline: (*text).to_owned(),
            })
            .collect();
        prop_assert_eq!(sent.modules, modules);
        let found: Vec<_> = sent
            .mmap
            .iter()
            .map(|area| (range(area.base.0, area.length), area.kind))
            .collect();
        prop_assert_eq!(found, areas);
        prop_assert_eq!(sent.elf_sections.is_some(), sections);
        if let Some(found) = sent.elf_sections {
            let end = found.addr.0 + 40;
            prop_assert!(found.addr.0 >= addr && end <= addr + bytes.len() as u64);
            prop_assert_eq!((found.num, found.size, found.shndx), (1, 40, 0));
        }
    }
}

#[test]
fn the_framebuffer_fields_have_the_screen() {
    for (screen, place, kind, colors) in [
        (
            framebuffer(0x23).screen_left().unwrap(),
            (0x8000_0000, 5120, 1280, 800),
            [32, 1],
            [16, 8, 8, 8, 0, 8],
        ),
        (
            text_mode().screen_left().unwrap(),
            (0xb_8000, 160, 80, 25),
            [16, 2],
            [0; 6],
        ),
    ] {
        let parts = MultibootInputs {
            screen: Some(&screen),
            ..parts()
        };
        let bytes = build(&parts, 0x30_0000).unwrap();
        assert_eq!(field(&bytes, 0), 0b1_0010_0100_1101);
        assert_eq!(field(&bytes, 92), 0, "upper half of the address");
        let found = (
            field(&bytes, 88),
            field(&bytes, 96),
            field(&bytes, 100),
            field(&bytes, 104),
        );
        assert_eq!(found, place);
        assert_eq!(
            (&bytes[108..110], &bytes[110..116]),
            (&kind[..], &colors[..])
        );
        let decoded = decode(&bytes, 0x30_0000).framebuffer.unwrap();
        assert_eq!(
            (decoded.addr.0, decoded.height),
            (u64::from(place.0), place.3)
        );
    }
}
