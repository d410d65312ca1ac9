//! The payloads, entered directly in the Multiboot2 machine state: their reports show
//! correct and incorrect loads.

mod support;

use images::payloads::{self, EXIT_STATUS, LAUNCHER_REFUSED_STATUS};
use images::report::{MULTIBOOT2_MAGIC, PayloadReport, Pointers, TagBody};
use images::{launch, payloads::REPORTING};
use sha2::{Digest, Sha256};
use support::{Loaded, MBI, MODULE, Part, load_elf, load_flat, mbi, run, tag, words};

/// Boots a loaded image with boot information and a module.
fn boot(image: &Loaded, mbi: &[u8], module: &[u8]) -> PayloadReport {
    let mut parts = image.parts.clone();
    parts.push(Part {
        address: MBI.into(),
        memsz: 0x1000,
        bytes: mbi.to_vec(),
    });
    parts.push(Part {
        address: MODULE,
        memsz: module.len() as u64,
        bytes: module.to_vec(),
    });
    let segments: Vec<_> = parts
        .iter()
        .map(|p| (p.address, p.memsz, &p.bytes[..]))
        .collect();
    let entry = u32::try_from(image.entry).unwrap();
    let plan = launch::pack_direct(&segments, entry, MULTIBOOT2_MAGIC as u32, MBI);
    let run = run(&plan, None);
    assert_eq!(run.status.code(), Some(EXIT_STATUS), "{}", run.serial);
    PayloadReport::parse(&run.serial).unwrap()
}

fn load(name: &str, file: &[u8], delta: u64) -> Loaded {
    if name == "flat" {
        load_flat(file)
    } else {
        load_elf(file, delta, true)
    }
}

/// All 32 pointers in one state.
fn pointers(relocated: u64, linked: u64, wrong: u64) -> Pointers {
    Pointers {
        relocated,
        linked,
        wrong,
    }
}

#[test]
fn every_variant_reports_where_and_how_it_was_loaded() {
    for (name, file) in REPORTING {
        let delta = if name == "dyn" { 0x123_4000 } else { 0 };
        let image = load(name, file, delta);
        let report = boot(&image, &mbi(&[]), &[1]);
        assert_eq!(report.variant, name);
        assert_eq!(report.load_base, image.parts[0].address, "{name}");
        assert_eq!(
            report.load_base,
            report.link_base_physical + delta,
            "{name}"
        );
        assert!(report.image.sha256_valid, "{name}");
        let want = if name == "higher_half" {
            pointers(0, 32, 0)
        } else {
            pointers(32, 0, 0)
        };
        assert_eq!(report.image.pointers, want, "{name}");
        assert_eq!(report.bss.first_dirty, None, "{name}");
        let last = image.parts.last().unwrap();
        let end = last.address + last.memsz;
        assert_eq!(
            report.bss.start + report.bss.bytes,
            end,
            "{name}: .bss ends the image"
        );
    }
}

#[test]
fn registers_are_those_at_entry() {
    let image = load_elf(payloads::MB2_FIXED, 0, true);
    let registers = boot(&image, &mbi(&[]), &[1]).registers;
    // documented for launch::pack_direct
    assert_eq!(
        (registers.eax, registers.ebx),
        (MULTIBOOT2_MAGIC, MBI.into())
    );
    assert_eq!(registers.ecx, image.entry);
    let poison = [
        registers.edx,
        registers.esi,
        registers.edi,
        registers.ebp,
        registers.esp,
    ];
    assert_eq!(
        poison,
        [0xdead0002, 0xdead0006, 0xdead0007, 0xdead0005, 0xdead0004]
    );
    let data = [
        registers.ds,
        registers.es,
        registers.fs,
        registers.gs,
        registers.ss,
    ];
    assert_eq!((registers.cs, data), (0x10, [0x18; 5]));
    assert_eq!((registers.cr0, registers.cr4, registers.efer), (0x33, 0, 0));
    assert_eq!((registers.idt_limit, registers.gdt_limit), (0, 31));
    assert_eq!(
        registers.eflags & (1 << 9 | 1 << 10 | 1 << 17),
        0,
        "IF, DF, VM"
    );
}

#[test]
fn an_image_moved_without_relocations_runs_and_reports_it() {
    for (file, delta) in [
        (payloads::MB2_RELOC_LOWEST, 0x1_0000),
        (payloads::MB2_RELOC_NONE, 0x1001_3000),
        (payloads::MB2_RELOC_HIGHEST, 0x3fa0_0000 - 0x40_0000),
        (payloads::MB2_ELF32, 0x1230),
    ] {
        let report = boot(&load_elf(file, delta, true), &mbi(&[]), &[1]);
        assert_eq!(report.load_base, report.link_base + delta);
        assert_eq!(
            report.image.pointers,
            pointers(0, 32, 0),
            "{}",
            report.variant
        );
        assert!(report.image.sha256_valid && report.bss.first_dirty.is_none());
    }
}

#[test]
fn missing_relocations_are_reported() {
    let image = load_elf(payloads::MB2_DYN, 0x50_0000, false);
    let report = boot(&image, &mbi(&[]), &[1]);
    // RELA keeps its addends in the table, the places themselves hold zero
    assert_eq!(report.image.pointers, pointers(0, 0, 32));
}

#[test]
fn a_dirty_bss_and_a_changed_byte_are_reported() {
    let mut image = load_elf(payloads::MB2_FIXED, 0, true);
    let clean = boot(&image, &mbi(&[]), &[1]);
    let data = image.parts.last_mut().unwrap();
    let dirty = clean.bss.start + 0x4004;
    data.bytes.resize((dirty - data.address) as usize, 0);
    data.bytes.extend([0xcc; 9]);
    data.bytes[0x801] ^= 1; // in initialized data that is never read
    let report = boot(&image, &mbi(&[]), &[1]);
    assert_eq!(report.bss.first_dirty, Some(dirty));
    assert!(!report.image.sha256_valid);
}

#[test]
fn boot_information_and_module_arrive() {
    let module: Vec<u8> = (0..100_001_u32)
        .map(|i| (i.wrapping_mul(i) >> 7) as u8)
        .collect();
    let end = MODULE as u32 + module.len() as u32;
    let mut start_end = words(&[MODULE as u32, end]);
    start_end.extend(b"one two\0");
    let mut map = words(&[24, 0]);
    map.extend(words(&[0, 0, 0x9_fc00, 0, 1, 0]));
    map.extend(words(&[0, 1, 0, 2, 5, 0]));
    let tags = [
        tag(1, b"a \"quoted\" \\ word\xff\0"),
        tag(2, b"no end"),
        tag(3, &start_end),
        tag(4, &words(&[639, 0x10_0000])),
        tag(6, &map),
        tag(21, &words(&[0x40_0000])),
        tag(0x4242, &[1, 2, 3]),
    ];
    let mbi = mbi(&tags);
    let report = boot(&load_elf(payloads::MB2_FIXED, 0, true), &mbi, &module);
    let found = report.mbi.unwrap();
    assert_eq!((found.address, found.fault), (MBI.into(), None));
    assert_eq!(
        (found.total_size, found.reserved),
        (Some(mbi.len() as u64), Some(0))
    );
    let kinds: Vec<_> = found
        .tags
        .iter()
        .map(|tag| (tag.r#type, tag.size))
        .collect();
    assert_eq!(
        kinds,
        [
            (1, 27),
            (2, 14),
            (3, 24),
            (4, 16),
            (6, 64),
            (21, 12),
            (0x4242, 11),
            (0, 8)
        ]
    );
    let body = |i: usize| found.tags[i].body.clone();
    let text = "a \"quoted\" \\ word\u{ff}".into();
    assert_eq!(
        body(0),
        TagBody::Cmdline {
            text,
            terminated: true
        }
    );
    assert_eq!(
        body(1),
        TagBody::Loader {
            text: "no end".into(),
            terminated: false
        }
    );
    let TagBody::Module {
        start,
        end: found_end,
        cmdline,
        sha256,
        ..
    } = body(2)
    else {
        panic!("{:?}", body(2))
    };
    assert_eq!(
        (start, found_end, &cmdline[..]),
        (MODULE, end.into(), "one two")
    );
    let digest = Sha256::digest(&module);
    assert_eq!(
        sha256,
        digest
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    );
    assert_eq!(
        body(3),
        TagBody::Meminfo {
            lower_kib: 639,
            upper_kib: 0x10_0000
        }
    );
    let TagBody::Mmap { entries, .. } = body(4) else {
        panic!("{:?}", body(4))
    };
    let entries: Vec<_> = entries
        .iter()
        .map(|e| (e.base, e.length, e.r#type))
        .collect();
    assert_eq!(entries, [(0, 0x9_fc00, 1), (1 << 32, 2 << 32, 5)]);
    assert_eq!(body(5), TagBody::LoadBase { address: 0x40_0000 });
    assert_eq!(body(6), TagBody::Other);
    // SeaBIOS: a BDA, and its RSDP in the BIOS area
    assert_eq!(report.firmware.base_memory_kib, 639);
    assert!((0xe_0000..0x10_0000).contains(&report.firmware.rsdp.unwrap()));
}

#[test]
fn the_launcher_refuses_to_overwrite_itself() {
    let bytes = [0; 16];
    let plan = launch::pack(&[(launch::DEFAULT_BASE.into(), 16, &bytes)], 0);
    let run = run(&plan, None);
    assert_eq!(
        run.status.code(),
        Some(LAUNCHER_REFUSED_STATUS),
        "{}",
        run.serial
    );
    assert!(
        run.serial.contains("overlaps the launcher"),
        "{}",
        run.serial
    );
}
