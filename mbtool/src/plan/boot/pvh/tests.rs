use super::*;
use proptest::prelude::*;

fn r(start: u64, end: u64) -> PhysRange {
    PhysRange::new(start, end).unwrap()
}

/// Reads the field at an offset from Xen's start_info.h.
fn field<const N: usize>(bytes: &[u8], at: usize) -> u64 {
    let mut long = [0; 8];
    long[..N].copy_from_slice(&bytes[at..at + N]);
    u64::from_le_bytes(long)
}

#[test]
fn fields_are_at_the_offsets_of_start_info_h() {
    let areas = [(r(0, 0x9fc00), 1), (r(1 << 32, 1 << 33), 5)];
    let parts = PvhInputs {
        cmdline: "console=ttyS0",
        modules: vec![(r(0x10_0000, 0x10_1234), "first"), (r(0x2000, 0x2001), "")],
        areas: &areas,
        rsdp: 0x7f77_e014,
    };
    let addr = 0x30_0000;
    let bytes = build(&parts, addr).unwrap();
    let word = |at| field::<4>(&bytes, at);
    let long = |at| field::<8>(&bytes, at);
    let text = |at: usize| {
        let start = (long(at) - addr) as usize;
        let end = start + bytes[start..].iter().position(|&byte| byte == 0).unwrap();
        std::str::from_utf8(&bytes[start..end]).unwrap()
    };
    assert_eq!((word(0), word(4), word(8)), (0x336e_c578, 1, 0));
    assert_eq!(text(24), "console=ttyS0");
    assert_eq!(long(32), 0x7f77_e014);

    assert_eq!(word(12), 2);
    let list = (long(16) - addr) as usize;
    assert_eq!((long(list), long(list + 8)), (0x10_0000, 0x1234));
    assert_eq!((long(list + 32), long(list + 40)), (0x2000, 1));
    assert_eq!((text(list + 16), text(list + 48)), ("first", ""));
    assert_eq!((long(list + 24), long(list + 56)), (0, 0), "reserved");

    assert_eq!((word(48), word(52)), (2, 0));
    let map = (long(40) - addr) as usize;
    assert_eq!((long(map), long(map + 8), word(map + 16)), (0, 0x9fc00, 1));
    let second = (long(map + 24), long(map + 32), word(map + 40));
    assert_eq!(second, (1 << 32, 1 << 32, 5));
    assert_eq!((word(map + 20), word(map + 44)), (0, 0), "reserved");
}

#[test]
fn absent_fields_are_zero() {
    let parts = PvhInputs {
        cmdline: "",
        modules: Vec::new(),
        areas: &[],
        rsdp: 0,
    };
    let bytes = build(&parts, 0x1000).unwrap();
    assert_eq!((field::<4>(&bytes, 12), field::<8>(&bytes, 16)), (0, 0));
    assert_eq!(decode(&bytes, 0x1000).rsdp, None);
}

#[test]
fn values_that_pvh_cannot_express_are_refused() {
    let parts = |cmdline, range, text| PvhInputs {
        cmdline,
        modules: vec![(range, text)],
        areas: &[],
        rsdp: 0,
    };
    for parts in [
        parts("a\0b", r(0, 1), ""),
        parts("", r(0, 1), "\0"),
        parts("", r(8, 8), ""),
        parts("", r(0xffff_f000, 1 << 32), ""),
    ] {
        assert!(build(&parts, 0).is_err(), "{parts:?}");
    }
}

proptest! {
    #[test]
    fn decoding_returns_the_input(
        cmdline in "[^\0]{0,40}",
        texts in prop::collection::vec(("[^\0]{0,9}", 0_u32..0xffff, 1_u32..0xffff), 0..6),
        map in prop::collection::vec((any::<u32>(), 1_u64..1 << 40, 1_u32..8), 0..9),
        page in 0_u64..0x3_ffff,
        rsdp in any::<u64>(),
    ) {
        let range = |start: u64, len| PhysRange::from_len(start, len).unwrap();
        let areas: Vec<_> = map
            .iter()
            .map(|&(start, len, kind)| (range(u64::from(start) << 8, len), kind))
            .collect();
        let parts = PvhInputs {
            cmdline: &cmdline,
            modules: texts
                .iter()
                .map(|(text, start, len)| (range(u64::from(*start) << 12, (*len).into()), &**text))
                .collect(),
            areas: &areas,
            rsdp,
        };
        let addr = page << 12;
        let bytes = build(&parts, addr).unwrap();
        prop_assert_eq!(bytes.len(), build(&parts, 0).unwrap().len());
        let sent = decode(&bytes, addr);
        prop_assert_eq!((sent.version, sent.flags.0), (1, 0));
        prop_assert_eq!(&sent.cmdline, &cmdline);
        prop_assert_eq!(sent.rsdp.map_or(0, |rsdp| rsdp.0), rsdp);
        let found: Vec<_> = sent
            .modules
            .iter()
            .map(|module| (r(module.start.0, module.end.0), &*module.cmdline))
            .collect();
        prop_assert_eq!(found, parts.modules);
        let found: Vec<_> = sent
            .memmap
            .iter()
            .map(|area| (range(area.base.0, area.length), area.kind))
            .collect();
        prop_assert_eq!(found, areas);
    }
}
