//! The Multiboot (1) payloads, entered directly: their reports about
//! information structures made by the tests.

mod support;

use images::launch;
use images::payloads::{EXIT_STATUS, REPORTING_MB1};
use images::report::{MULTIBOOT1_MAGIC, Module1, Multiboot1, PayloadReport, Sections1};
use sha2::{Digest, Sha256};
use support::{Loaded, MBI, MODULE, Part, load_elf, run, words};

/// Lays out a file by the address fields of its header, which is at its start.
fn load_flat(file: &[u8]) -> Loaded {
    let word =
        |index: usize| u32::from_le_bytes(file[4 * index..4 * index + 4].try_into().unwrap());
    assert_eq!(word(0), 0x1bad_b002);
    assert_eq!(word(3), word(4), "the header leads the image");
    let (load, load_end, bss_end) = (word(4), word(5), word(6));
    assert_eq!(load_end - load, file.len() as u32);
    Loaded {
        parts: vec![Part {
            address: load.into(),
            memsz: (bss_end - load).into(),
            bytes: file.to_vec(),
        }],
        entry: word(7).into(),
    }
}

/// Boots a loaded image with an information structure and a module.
fn boot(image: &Loaded, info: &[u8], module: &[u8]) -> PayloadReport {
    let mut segments: Vec<(u64, u64, &[u8])> = image
        .parts
        .iter()
        .map(|part| (part.address, part.memsz, &part.bytes[..]))
        .collect();
    segments.push((MBI.into(), 0x1000, info));
    segments.push((MODULE, module.len() as u64, module));
    let entry = u32::try_from(image.entry).unwrap();
    let plan = launch::pack_direct(&segments, entry, MULTIBOOT1_MAGIC as u32, MBI);
    let run = run(&plan, None);
    assert_eq!(run.status.code(), Some(EXIT_STATUS), "{}", run.serial);
    PayloadReport::parse(&run.serial).unwrap()
}

/// Builds the structure with these words at these offsets, and the data that
/// they point to.
fn info(fields: &[(usize, u32)], rest: &[(usize, &[u8])]) -> Vec<u8> {
    let mut info = vec![0; 0x800];
    for &(at, value) in fields {
        info[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    for (at, bytes) in rest {
        info[*at..*at + bytes.len()].copy_from_slice(bytes);
    }
    info
}

#[test]
fn every_variant_reports_all_of_the_information() {
    let module: Vec<u8> = (0..70_001_u32)
        .map(|i| (i.wrapping_mul(i) >> 5) as u8)
        .collect();
    let end = MODULE as u32 + module.len() as u32;
    let fields = [
        (0, 0b10_0110_1101),
        (4, 639),
        (8, 0x10_0000),
        (16, MBI + 0x200),
        (20, 2),
        (24, MBI + 0x300),
        (28, 7),
        (32, 40),
        (36, 0x1234_5678),
        (40, 6),
        (44, 24 + 28 + 3),
        (48, MBI + 0x400),
        (64, MBI + 0x500),
    ];
    let modules = words(&[MODULE as u32, end, MBI + 0x210, 0, end, end, MBI + 0x220, 9]);
    // an entry may be longer than its fields
    let mut map = words(&[20, 0, 0, 0x9_fc00, 0, 1]);
    map.extend(words(&[24, 0, 1, 0, 2, 5, 0xffff]));
    let bytes = info(
        &fields,
        &[
            (0x200, b"a \"b\"\0"),
            (0x210, b"one\0"),
            (0x300, &modules),
            (0x400, &map),
            (0x500, b"hand\0"),
        ],
    );
    for (name, file) in REPORTING_MB1 {
        let image = if name == "mb1_flat" {
            load_flat(file)
        } else {
            load_elf(file, 0, true)
        };
        let report = boot(&image, &bytes, &module);
        assert_eq!(report.variant, name);
        assert_eq!(report.load_base, image.parts[0].address);
        assert!(report.image.sha256_valid && report.bss.first_dirty.is_none());
        assert_eq!(report.registers.eax, MULTIBOOT1_MAGIC);
        assert_eq!(report.mbi, None);
        let digest = |bytes: &[u8]| -> String {
            let digest = Sha256::digest(bytes);
            digest.iter().map(|byte| format!("{byte:02x}")).collect()
        };
        let mut found = report.multiboot1.unwrap();
        let map = found.mmap.take().unwrap();
        let map: Vec<_> = map.iter().map(|e| (e.base, e.length, e.r#type)).collect();
        assert_eq!(map, [(0, 0x9_fc00, 1), (1 << 32, 2 << 32, 5)]);
        let want = Multiboot1 {
            address: MBI.into(),
            flags: Some(0b10_0110_1101),
            mem_lower: Some(639),
            mem_upper: Some(0x10_0000),
            cmdline: Some("a \"b\"".to_owned()),
            modules: Some(vec![
                Module1 {
                    start: MODULE,
                    end: end.into(),
                    cmdline: Some("one".to_owned()),
                    reserved: 0,
                    sha256: digest(&module),
                },
                Module1 {
                    start: end.into(),
                    end: end.into(),
                    cmdline: Some(String::new()),
                    reserved: 9,
                    sha256: digest(&[]),
                },
            ]),
            elf_sections: Some(Sections1 {
                count: 7,
                entry_size: 40,
                address: 0x1234_5678,
                names: 6,
            }),
            mmap: None,
            mmap_trailing_bytes: Some(3),
            framebuffer: None,
            loader: Some("hand".to_owned()),
            rest_zero: Some(true),
        };
        assert_eq!(found, want, "{name}");
    }
}

#[test]
fn missing_and_wrong_fields_are_reported() {
    let (name, file) = REPORTING_MB1[0];
    let image = load_elf(file, 0, true);
    // a boot device without its flag; a memory map and modules at unreadable
    // addresses
    let fields = [
        (0, 0b100_1000),
        (12, 0x8000_ffff),
        (20, 3),
        (24, 0xffff_fff0),
        (44, 24),
        (48, 0xffff_fff8),
    ];
    let found = boot(&image, &info(&fields, &[]), &[1]).multiboot1.unwrap();
    assert_eq!((found.cmdline, found.mem_lower), (None, None), "{name}");
    assert_eq!(found.modules, Some(vec![]));
    assert_eq!(found.mmap, Some(vec![]));
    assert_eq!(found.rest_zero, Some(false));
}
