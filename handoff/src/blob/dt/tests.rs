use super::*;
use crate::arch::arm64::abi::Arm64Area;
use crate::arch::arm64::paging::{DATA, DEVICE, TEXT, UNCACHED, walk};
use crate::pagelist::{self, PageMove};
use alloc::vec;

const MACHINE: DtMachine = DtMachine::Arm64 {
    exit: Arm64Exit::Xen,
    psci: PsciConduit::Smc,
};
const BASE: u64 = 0x4800_0000;
const TEXT_SIZE: u64 = 0x3000;

/// A blob without code.
fn image() -> Vec<u8> {
    let layout = BlobLayout::of(MACHINE);
    let header = DtHeader {
        magic: layout.magic,
        version: layout.version,
        text_size: TEXT_SIZE as u32,
        mem_size: TEXT_SIZE as u32 + size_of::<Arm64Area>() as u32,
        area: TEXT_SIZE as u32,
        entry: 0x40,
        pass1: 0,
        pass2: 0,
        reserved: 0,
    };
    let mut image = header.as_bytes().to_vec();
    image.resize(0x2345, 0x77);
    image
}

fn spec() -> DtSpec {
    DtSpec {
        base: BASE,
        machine: MACHINE,
        consoles: vec![
            Console::Pl011 { addr: 0x900_0000 },
            Console::RamLog {
                addr: 0x4900_0000,
                size: 0x10000,
            },
        ],
        on_fault: OnFault::Reset,
        verify: Verify::None,
        regions: vec![Region {
            name: "kernel".into(),
            range: PhysRange::new(0x4020_0000, 0x4230_1000).unwrap(),
            loaded: 5,
            digest: crate::spec::Digest::Crc32(0),
            zero_pages: 0,
        }],
        relocate: Relocate::default(),
        entry: 0x4020_0000,
        dtb: 0x4900_0000,
        drill: DtDrill::Off,
    }
}

fn parts(built: &Built) -> (DtParams, Vec<abi::PageTable>) {
    let area = TEXT_SIZE as usize;
    let (params, _) = DtParams::read_from_prefix(&built.bytes[area..]).unwrap();
    let tables = &built.bytes[area + BlobLayout::of(MACHINE).tables..];
    let words = tables
        .chunks_exact(8)
        .map(|word| u64::from_le_bytes(word.try_into().unwrap()));
    let words: Vec<u64> = words.collect();
    let pool = words
        .chunks_exact(512)
        .map(|table| table.try_into().unwrap());
    (params, pool.collect())
}

#[test]
fn arm64_tables_map_exactly_what_is_used() {
    let spec = DtSpec {
        drill: DtDrill::Call(0x4a00_0123),
        ..spec()
    };
    let built = build(&image(), &spec).unwrap();
    let (params, pool) = parts(&built);
    let root = BASE + TEXT_SIZE + BlobLayout::of(MACHINE).tables as u64;
    assert_eq!((params.root, params.exit, params.psci), (root, 2, 1));
    assert_eq!(built.entry, BASE + 0x40);
    let at = |address| {
        walk(&pool, root, address).map(|(found, flags)| {
            assert_eq!(found, address);
            flags
        })
    };
    for (address, expected) in [
        (BASE, Some(TEXT)),
        (BASE + TEXT_SIZE - 1, Some(TEXT)),
        (BASE + TEXT_SIZE, Some(DATA)),
        (BASE + built.memsz - 1, Some(DATA)),
        (BASE + built.memsz, None),
        (BASE - 1, None),
        (0x4020_0000, Some(DATA)),
        (0x4230_0fff, Some(DATA)),
        (0x4230_1000, None),
        (0x401f_ffff, None),
        (0x900_0018, Some(DEVICE)),
        (0x900_1000, None),
        (0x4900_0000, Some(UNCACHED)),
        (0x4901_0000, None),
        (0x4a00_0000, Some(TEXT)),
        (0x4a00_1000, None),
    ] {
        assert_eq!(at(address), expected, "{address:#x}");
    }
    // the checksum is that of all bytes with 0 in its place
    let mut bytes = built.bytes.clone();
    let sum = TEXT_SIZE as usize + offset_of!(DtParams, checksum);
    bytes[sum..sum + 4].fill(0);
    assert_eq!(params.checksum, crc32fast::hash(&bytes));
}

#[test]
fn pages_of_a_list_are_mapped() {
    let list = pagelist::encode(
        &[PageMove {
            to: 0x5000_0000,
            from: 0x5100_0000,
        }],
        &[0x5200_0000],
        false,
    )
    .unwrap();
    let spec = DtSpec {
        relocate: Relocate {
            list: Some(list),
            ..Relocate::default()
        },
        ..spec()
    };
    let (params, pool) = parts(&build(&image(), &spec).unwrap());
    for page in [0x5000_0000, 0x5100_0000, 0x5200_0000] {
        assert_eq!(
            walk(&pool, params.root, page),
            Some((page, DATA)),
            "{page:#x}"
        );
        assert_eq!(walk(&pool, params.root, page + 0x1000), None);
    }
}

#[test]
fn what_a_blob_cannot_do_is_refused() {
    let refused = |spec: DtSpec, why: &str| {
        let error = build(&image(), &spec).unwrap_err();
        assert!(error.contains(why), "{error}");
    };
    refused(
        DtSpec {
            base: BASE + 1,
            ..spec()
        },
        "page aligned",
    );
    refused(
        DtSpec {
            base: (1 << 48) - 0x1000,
            ..spec()
        },
        "below 0x1000000000000",
    );
    let mut high = spec();
    high.regions[0].range = PhysRange::new(1 << 48, (1 << 48) + 5).unwrap();
    refused(high, "256 TiB");
    let mut scattered = spec();
    scattered.regions = (0..30u64)
        .map(|n| Region {
            range: PhysRange::new(n << 40 | 0x1000, n << 40 | 0x2000).unwrap(),
            ..spec().regions[0].clone()
        })
        .collect();
    refused(scattered, "too scattered");
    let error = header(b"short", MACHINE).unwrap_err();
    assert!(error.contains("5 bytes"), "{error}");
    let riscv64 = DtMachine::Riscv64 {
        mode: PagingMode::Sv39,
    };
    let error = header(&image(), riscv64).unwrap_err();
    assert!(error.contains("no handoff for riscv64"), "{error}");
}

#[test]
fn the_first_level_of_32_bit_arm_is_the_second_table() {
    let machine = DtMachine::Arm {
        psci: PsciConduit::Hvc,
    };
    let layout = BlobLayout::of(machine);
    let mut image = image();
    image[..8].copy_from_slice(&layout.magic.to_le_bytes());
    let spec = DtSpec { machine, ..spec() };
    let built = build(&image, &spec).unwrap();
    let (params, _) = DtParams::read_from_prefix(&built.bytes[TEXT_SIZE as usize..]).unwrap();
    let pool = BASE + TEXT_SIZE + layout.tables as u64;
    assert_eq!(
        (params.root, params.psci, params.exit),
        (pool + 0x1000, 2, 0)
    );
    // the root's only entry leads to it
    let at = TEXT_SIZE as usize + layout.tables;
    let root = u64::from_le_bytes(built.bytes[at..at + 8].try_into().unwrap());
    assert_eq!(root, params.root | 3);
    let high = DtSpec {
        base: crate::addr::FOUR_GIB,
        ..spec
    };
    let error = build(&image, &high).unwrap_err();
    assert!(error.contains("below 0x100000000"), "{error}");
}

#[test]
fn a_blob_of_another_architecture_is_absent() {
    let built = native(&spec()).unwrap();
    assert_eq!(built.is_absent(), !cfg!(target_arch = "aarch64"));
    assert!(built.memsz > size_of::<Arm64Area>() as u64);
}
