//! Tests the bytes of a built blob.

use core::mem::{offset_of, size_of};
use handoff::abi::{self, Area, Extent, Params, Tables};
use handoff::addr::{FOUR_GIB, PhysRange};
use handoff::arch::x86_64::paging;
use handoff::blob::{self, Built};
use handoff::spec::{Console, Digest, Drill, Exit, Fixup, OnFault, Region, Relocate, Spec, Verify};
use zerocopy::FromBytes;

fn spec(base: u64) -> Spec {
    Spec {
        base,
        consoles: vec![Console::Pio {
            port: 0x3f8,
            divisor: Some(1),
        }],
        on_fault: OnFault::Reset,
        verify: Verify::Crc32,
        regions: vec![Region {
            name: "module 1: a name that is longer than it may be".into(),
            range: PhysRange::new(0x20_0000, 0x30_0000).unwrap(),
            loaded: 0x1234,
            digest: Digest::Crc32(0xdead_beef),
            zero_pages: 0x5678,
        }],
        relocate: Relocate::default(),
        fixups: vec![Fixup::Store16 {
            addr: 0x40e,
            value: 0x9f00,
        }],
        exit: Exit::Multiboot2 {
            entry: 0x20_0000,
            mbi: 0x50_0000,
        },
        drill: Drill::Off,
        guard: false,
    }
}

/// The parameters in `built`, as the blob reads them.
fn params(built: &Built) -> Params {
    let area = blob::header().area as usize;
    Params::read_from_prefix(&built.bytes[area..]).unwrap().0
}

/// The tables in `built`, as the CPU reads them.
fn tables(built: &Built) -> Tables {
    let at = blob::header().area as usize + offset_of!(Area, tables);
    Tables::read_from_prefix(&built.bytes[at..]).unwrap().0
}

#[test]
fn the_image_is_small_and_starts_with_its_header() {
    let header = blob::header();
    assert_eq!((header.magic, header.version), (abi::MAGIC, abi::VERSION));
    assert!(blob::IMAGE.len() <= 20 << 10, "{} bytes", blob::IMAGE.len());
    assert!(blob::IMAGE.len() as u32 <= header.text_size);
    assert_eq!(header.area, header.text_size);
    assert_eq!(
        header.mem_size as usize,
        header.area as usize + size_of::<Area>()
    );
}

#[test]
fn gates_lead_to_stubs_and_the_entry_is_inside() {
    let header = blob::header();
    let base = 0x7ff0_0000;
    let built = blob::build(&spec(base)).unwrap();
    assert_eq!(built.memsz, blob::memsz());
    assert!(built.bytes.len() as u64 <= built.memsz);
    assert_eq!(built.entry, base + u64::from(header.entry64));
    let tables_at = base + (header.area as usize + offset_of!(Area, tables)) as u64;
    let tables = tables(&built);
    let walk = walker(&spec(base));
    let gdt = tables_at + offset_of!(Tables, gdt) as u64;
    assert_eq!(walk(gdt), Some(gdt | paging::DATA), "the CPU writes it");
    for (vector, [low, high]) in (0_u64..).zip(tables.idt64) {
        let handler = low & 0xffff | low >> 32 & 0xffff_0000 | high << 32;
        let stubs = tables_at + offset_of!(Tables, stubs64) as u64;
        assert_eq!(handler, stubs + 5 * vector);
        assert_ne!(low >> 32 & 7, 0, "every gate has a stack of its own");
        let [call, rel @ ..] = tables.stubs64[vector as usize];
        assert_eq!(call, 0xe8);
        let next = (handler - base) as u32 + 5;
        assert_eq!(next.wrapping_add(u32::from_le_bytes(rel)), header.trap64);
        assert_eq!(walk(handler), Some(handler & !0xfff | paging::TEXT));
    }
    for (vector, gate) in tables.idt32.into_iter().enumerate() {
        let handler = gate & 0xffff | gate >> 32 & 0xffff_0000;
        match vector {
            8 => assert_eq!((gate >> 40 & 0x9f, gate >> 16 & 0xffff), (0x85, 0x38)),
            _ => {
                assert_eq!((gate >> 40 & 0x9f, gate >> 16 & 0xffff), (0x8e, 8));
                let code = &built.bytes[(handler - base) as usize..];
                let at = if vector == 2 { 22 } else { 0 };
                let push = &code[at + 21..at + 23];
                assert_eq!(push, [0x6a, vector as u8], "push vector");
            }
        }
    }
}

#[test]
fn parameters_are_where_the_blob_reads_them() {
    let params = params(&blob::build(&spec(0x10_0000)).unwrap());
    assert_eq!(params.base, 0x10_0000);
    assert_eq!((params.entry, params.mbi), (0x20_0000, 0x50_0000));
    assert_eq!((params.region_count, params.fixup_count), (1, 1));
    let [region, ..] = params.regions;
    assert_eq!(&region.name, b"module 1: a name that is longer ");
    assert_eq!((region.loaded, region.zero_pages), (0x1234, 0x5678));
    assert_eq!(region.digest[..4], 0xdead_beef_u32.to_le_bytes());
    let [fixup, ..] = params.fixups;
    assert_eq!((fixup.to, fixup.from), (0x40e, 0x9f00));
}

#[test]
fn specs_beyond_a_limit_are_refused() {
    for base in [0x10_0800, 0, FOUR_GIB - 0x1000] {
        assert!(
            blob::build(&spec(base))
                .unwrap_err()
                .contains("handoff base"),
            "{base:#x}"
        );
    }
    let mut high = spec(0x10_0000);
    high.regions[0].range = PhysRange::from_len((1 << 47) - 0x1000, 0x2000).unwrap();
    assert!(blob::build(&high).unwrap_err().contains("module 1"));
    let mut fixup = spec(0x10_0000);
    fixup.fixups[0] = Fixup::Zero {
        addr: FOUR_GIB - 1,
        len: 2,
    };
    assert!(blob::build(&fixup).unwrap_err().contains("above 4 GiB"));
    let mut many = spec(0x10_0000);
    many.regions = vec![many.regions[0].clone(); abi::MAX_REGIONS + 1];
    assert!(blob::build(&many).unwrap_err().contains("33 segments"));
    let mut mmio = spec(0x10_0000);
    mmio.consoles.push(Console::Mmio {
        addr: 0xfe00_0000,
        stride: 3,
        width: 8,
        divisor: None,
    });
    assert!(blob::build(&mmio).unwrap_err().contains("stride 3"));
}

/// Looks addresses up in the page tables of the blob that `spec` makes.
fn walker(spec: &Spec) -> impl Fn(u64) -> Option<u64> + use<> {
    let built = blob::build(spec).unwrap();
    let at = blob::header().area as usize + offset_of!(Area, tables.pool);
    let pool = Box::new(tables(&built).pool.0);
    let base = spec.base + at as u64;
    move |addr| paging::walk(&pool, base, addr)
}

#[test]
fn memory_used_above_4_gib_is_mapped() {
    const GIB: u64 = 1 << 30;
    let mut spec = spec(0x10_0000);
    // across boundaries of 1 GiB, 512 GiB and 4 GiB, and at high addresses
    spec.regions[0].range = PhysRange::from_len(9 * GIB - 0x1000, 0x2000).unwrap();
    spec.relocate.extents = vec![
        Extent {
            to: 0x100_0000,
            from: 512 * GIB - 5,
            len: 10,
        },
        Extent {
            to: 0x7fff_ffff_f000,
            from: 0,
            len: 0x1000,
        },
    ];
    spec.relocate.clear = vec![PhysRange::new(FOUR_GIB - 1, FOUR_GIB + 1).unwrap()];
    // on a page that also has data: stays uncached
    spec.consoles = vec![Console::Mmio {
        addr: FOUR_GIB + 0x10_0000,
        stride: 1,
        width: 8,
        divisor: None,
    }];
    let walk = walker(&spec);
    let data = paging::DATA | paging::PS;
    for page in [
        9 * GIB - 0x1000,
        9 * GIB,
        512 * GIB - 0x1000,
        512 * GIB,
        0x7fff_ffff_f000,
    ] {
        assert_eq!(walk(page), Some(page | data), "{page:#x}");
    }
    assert_eq!(walk(FOUR_GIB), Some(FOUR_GIB | paging::DATA), "split");
    let device = FOUR_GIB + 0x10_0000;
    assert_eq!(walk(device), Some(device | paging::DEVICE));
    for outside in [FOUR_GIB + (2 << 20), 10 * GIB, 8 * GIB] {
        assert_eq!(walk(outside), None, "{outside:#x}");
    }
    // 29 GiB in one piece, and the pieces above: the maximum
    spec.consoles.clear();
    spec.relocate.clear = vec![PhysRange::from_len(16 * GIB, 29 * GIB).unwrap()];
    blob::build(&spec).unwrap();
    for last in [30 * GIB, 1 << 45] {
        spec.relocate.clear = vec![PhysRange::from_len(16 * GIB, last).unwrap()];
        let error = blob::build(&spec).unwrap_err();
        assert!(error.contains("too many different GiB"), "{error}");
    }
}

#[test]
fn invalid_ranges_to_clear_are_refused() {
    const BASE: u64 = 0x60_0000;
    let range = |start, len| PhysRange::from_len(start, len).unwrap();
    let build = |clear: Vec<PhysRange>, swap| {
        let mut spec = spec(BASE);
        spec.relocate.clear = clear;
        spec.relocate.swap = swap;
        spec.relocate.extents = vec![Extent {
            to: 0x80_0000,
            from: 0x90_0000,
            len: 0x1000,
        }];
        blob::build(&spec)
    };
    let many = vec![range(0, 1); abi::MAX_CLEARS];
    // any alignment and length, sources of moves too
    let odd = vec![range(0x80_1000, 3), range(0x90_0001, 7), range(0, 0x500)];
    for good in [many.clone(), odd] {
        build(good, false).unwrap();
    }
    let one_more = [many, vec![range(0, 1)]].concat();
    for (clear, swap, why) in [
        (one_more, false, "65 ranges to clear"),
        (vec![range(0, 1)], true, "could not be undone"),
        (vec![range(0x80_0fff, 1)], false, "would be lost"),
        (vec![range(BASE + 5, 1)], false, "meets the handoff itself"),
        (vec![range(1 << 47, 1)], false, "128 TiB"),
    ] {
        let error = build(clear, swap).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn console_memory_is_mapped_uncached() {
    const BASE: u64 = 0x10_0000;
    let mut spec = spec(BASE);
    let mmio = |addr| Console::Mmio {
        addr,
        stride: 4,
        width: 32,
        divisor: None,
    };
    spec.consoles = vec![
        mmio(0xfe00_0000),
        mmio(0x38_0000_0ff0), // two pages, above 4 GiB
        Console::RamLog {
            addr: 0x3f_f000, // over a 2 MiB boundary
            size: 0x3000,
        },
        mmio(0x7ff1_2340_0000),
    ];
    let walk = walker(&spec);
    for addr in [
        0xfe00_0000,
        0x38_0000_0000,
        0x38_0000_1000,
        0x3f_f000,
        0x40_0000,
        0x40_1000,
        0x7ff1_2340_0000,
    ] {
        assert_eq!(walk(addr), Some(addr | paging::DEVICE), "{addr:#x}");
    }
    for data in [0x3f_e000, 0x40_2000, 0xfe00_1000] {
        assert_eq!(walk(data), Some(data | paging::DATA), "{data:#x}");
    }
    assert_eq!(walk(0x38_0000_2000), None);
    // with segments all over memory, four consoles far apart above 4 GiB and over
    // boundaries take more tables than there are
    for (n, console) in spec.consoles.iter_mut().enumerate() {
        *console = mmio(((n as u64 + 1) << 39) - 16);
    }
    blob::build(&spec).unwrap();
    spec.relocate.clear = (0..34)
        .map(|n| PhysRange::from_len((40 + n) << 30, 1).unwrap())
        .collect();
    let error = blob::build(&spec).unwrap_err();
    assert!(error.contains("page table pool used up"), "{error}");
}

#[test]
fn global_pages_are_off_before_our_page_tables_are_loaded() {
    // `mov cr4, r` and `mov cr3, r` are 0f 22 and a byte with the number of the
    // control register in bits 3 to 5. The entry code loads CR4, the Rust code
    // that it then calls loads CR3.
    let entry = &blob::IMAGE[blob::header().entry64 as usize..];
    let loads: Vec<u8> = entry
        .windows(3)
        .filter(|code| code[..2] == [0x0f, 0x22])
        .map(|code| code[2] >> 3 & 7)
        .collect();
    assert_eq!(loads[..2], [0, 4], "CR0, CR4, and no CR3 before: {loads:?}");
}
