//! The handoff, entered like by Xen's kexec: with page tables that map only the
//! segments, without access to GDT and IDT, on either CPU; and its features for
//! Xen: memory above 4 GiB, backups, lost pages.

// UNSAFETY: takes the address of assembled code.
#![expect(unsafe_code)]

mod support;

use handoff::abi::{Area, Extent, Tables};
use handoff::addr::PhysRange;
use handoff::blob;
use handoff::spec::{Digest, Exit, Fixup, OnCpu, Region, Spec, Verify, zero_pages};
use images::launch::{self, plan};
use images::payloads::{EXIT_STATUS, MB2_FIXED};
use images::report::PayloadReport;
use std::mem::offset_of;
use support::{MBI, Part, Run, load_elf, mbi, multiboot2_spec, run, run_with};

/// Address of the blob.
const BASE: u64 = 0x600_0000;
/// An address above 4 GiB; `-m 6144` provides memory there.
const HIGH: u64 = 0x1_4000_0000;
const SIX_GIB: [&str; 2] = ["-m", "6144"];
/// Addresses of segments.
const INITRD: u64 = 0x300_0000;
const PAGE: usize = 4096;

fn region(name: &str, part: &Part) -> Region {
    Region {
        name: name.into(),
        range: PhysRange::from_len(part.address, part.memsz).unwrap(),
        loaded: part.bytes.len() as u64,
        digest: Digest::Crc32(crc32fast::hash(&part.bytes)),
        zero_pages: zero_pages(&part.bytes, part.memsz),
    }
}

/// The blob of `spec`, and `parts`, as a plan.
fn xen_plan(spec: &Spec, mut parts: Vec<Part>, cpu: u32) -> Vec<u8> {
    let built = blob::build(spec).unwrap();
    parts.push(Part {
        address: BASE,
        memsz: built.memsz,
        bytes: built.bytes,
    });
    launch::pack_xen(&segments(&parts), built.entry, cpu)
}

fn segments(parts: &[Part]) -> Vec<launch::LaunchSegment<'_>> {
    parts
        .iter()
        .map(|part| (part.address, part.memsz, &part.bytes[..]))
        .collect()
}

/// Returns the payload and its boot information at their destinations.
fn payload() -> (Vec<Part>, u64) {
    let image = load_elf(MB2_FIXED, 0, true);
    let mut parts = image.parts;
    parts.push(Part {
        address: MBI.into(),
        memsz: 0x1000,
        bytes: mbi(&[]),
    });
    (parts, image.entry)
}

fn boot(cpu: u32, machine: &[&str]) -> Run {
    let (parts, entry) = payload();
    let regions = parts.iter().map(|part| region("payload", part)).collect();
    let spec = multiboot2_spec(BASE, entry, Verify::Crc32, regions);
    let run = run_with(machine, &xen_plan(&spec, parts, cpu), None);
    assert_eq!(run.status.code(), Some(EXIT_STATUS), "{}", run.serial);
    let report = PayloadReport::parse(&run.serial).unwrap();
    assert!(report.image.sha256_valid && report.bss.first_dirty.is_none());
    run
}

/// Returns the rest of the first line that contains `after`.
fn line<'a>(text: &'a str, after: &str) -> &'a str {
    let mut lines = text.lines().filter_map(|line| line.split_once(after));
    lines.next().unwrap_or_else(|| panic!("{after}: {text}")).1
}

#[test]
fn xen_is_recognized_and_its_state_reported() {
    let run = boot(plan::BOOT_CPU, &[]);
    let text = &run.serial;
    assert!(
        text.contains(", entered by xen in long mode on the boot CPU, apic id 0, "),
        "{text}"
    );
    let control = line(text, "[handoff] entry cr0 ");
    assert!(control.starts_with("0x80000033 cr3 0x"), "{text}");
    let rest = control.split_once(" cr4 ").unwrap().1;
    assert!(
        rest.starts_with("0x20 efer 0xd01 rflags 0x") && rest.contains("78 cs "),
        "{text}"
    );
    let selectors = " cs 0xe008 ds 0x0 es 0x0 fs 0x0 gs 0x0 ss 0x0 tr 0xe040 ldt 0x0";
    assert!(rest.trim_end().ends_with(selectors), "{text}");
    let tables = line(text, "[handoff] entry gdt ");
    let known = "0xffff82d0ffff2000 limit 0xefff idt 0xffff82d040345000 limit 0xfff rax ";
    assert!(tables.starts_with(known), "{text}");
    let entry = BASE + u64::from(blob::header().entry64);
    assert!(tables.contains(&format!(" rbp {entry:#x} ")), "{text}");
}

#[test]
fn a_crash_may_end_on_an_application_cpu() {
    let run = boot(plan::APPLICATION_CPU, &["-smp", "2"]);
    let who = ", entered by xen in long mode on an application CPU, apic id 1, ";
    assert!(run.serial.contains(who), "{}", run.serial);
}

#[test]
fn an_image_staged_above_4_gib_is_verified_there_moved_and_its_bss_cleared() {
    let (parts, entry) = payload();
    let mut spec = multiboot2_spec(BASE, entry, Verify::Crc32, vec![]);
    let mut staged = Vec::new();
    for (n, part) in parts.iter().enumerate() {
        // the last one across the boundary of a GiB, at an odd address
        let from = match n {
            0 => HIGH,
            _ => HIGH + (n as u64) * 0x4000_0000 - 0x123,
        };
        let stage = Part {
            address: from,
            memsz: part.bytes.len() as u64,
            bytes: part.bytes.clone(),
        };
        spec.regions.push(region(&format!("stage {n}"), &stage));
        staged.push(stage);
        spec.relocate.extents.push(Extent {
            to: part.address,
            from,
            len: part.bytes.len() as u64,
        });
        let loaded = part.address + part.bytes.len() as u64;
        let clear = PhysRange::new(loaded, part.address + part.memsz).unwrap();
        if !clear.is_empty() {
            spec.relocate.clear.push(clear);
        }
        // the content before
        staged.push(Part {
            address: part.address,
            memsz: part.memsz,
            bytes: vec![0xe5; part.memsz as usize],
        });
    }
    assert!(spec.relocate.clear.len() > 1, "{:?}", spec.relocate);
    let run = run_with(&SIX_GIB, &xen_plan(&spec, staged, plan::BOOT_CPU), None);
    assert_eq!(run.status.code(), Some(EXIT_STATUS), "{}", run.serial);
    let report = PayloadReport::parse(&run.serial).unwrap();
    assert!(
        report.image.sha256_valid && report.bss.first_dirty.is_none(),
        "{}",
        run.serial
    );
    let verified = format!("verify stage 0 {HIGH:#x}-0x1");
    assert!(run.serial.contains(&verified), "{}", run.serial);
}

/// Long mode code that compares `count` bytes at `a` and `b` for each of the
/// triples at RSI, up to one of zeroes; COM1 gets `=` or `#`, then QEMU ends.
fn compare() -> &'static [u8] {
    code!(
        ".code64",
        "902: mov rbx, rsi",
        "2: mov rcx, [rbx]",
        "jrcxz 4f",
        "mov rsi, [rbx + 8]",
        "mov rdi, [rbx + 16]",
        "add rbx, 24",
        "cmp eax, eax",
        "repe cmpsb",
        "mov al, '='",
        "je 3f",
        "mov al, '#'",
        "3: mov edx, 0x3f8",
        "out dx, al",
        "jmp 2b",
        "4: mov al, 0x10",
        "mov edx, 0xf4",
        "out dx, al",
        "5: hlt",
        "jmp 5b",
    )
    .bytes
}

#[test]
fn memory_from_address_0_on_is_copied_before_the_fixups_and_high_memory_cleared() {
    const CODE: u64 = 0x70_0000;
    const LIST: u64 = 0x70_1000;
    const BACKUP: u64 = HIGH + 0x3f_f000;
    const WAS: u64 = 0x80_0000;
    const DIRTY: u64 = HIGH + 0x7ff_fff5;
    const ZEROES: u64 = 0x90_0000;
    let low: Vec<u8> = (0..PAGE as u32)
        .map(|n| (n * 7 + n / 5) as u8 | 1)
        .collect();
    let part = |address, memsz, bytes: &[u8]| Part {
        address,
        memsz,
        bytes: bytes.to_vec(),
    };
    let mut now = low.clone();
    now[0x413..0x415].copy_from_slice(&[0x34, 0x12]);
    now[0x500..0x520].fill(0);
    let triples = [
        (PAGE as u64, BACKUP, WAS),          // the backup has the old content
        (PAGE as u64, 0, WAS + PAGE as u64), // the fix-ups were made
        (40, DIRTY - 13, ZEROES),            // 13 bytes, 14 zeroes, 13 bytes
    ];
    let list = triples.iter().flat_map(|t| [t.0, t.1, t.2]);
    let list: Vec<u8> = list.chain([0]).flat_map(u64::to_le_bytes).collect();
    let dirty = [[0xe5; 13].as_slice(), &[0; 14], &[0xe5; 13]].concat();
    let parts = vec![
        part(0, PAGE as u64, &low),
        part(CODE, PAGE as u64, compare()),
        part(LIST, PAGE as u64, &list),
        part(WAS, 2 * PAGE as u64, &[low, now].concat()),
        part(HIGH + 0x7ff_f000, 2 * PAGE as u64, &[0xe5; 2 * PAGE]),
        part(ZEROES, PAGE as u64, &dirty),
    ];
    let mut spec = multiboot2_spec(BASE, 0, Verify::None, vec![]);
    spec.exit = Exit::Linux64 {
        entry: CODE,
        boot_params: LIST,
    };
    spec.relocate.extents = vec![Extent {
        to: BACKUP,
        from: 0,
        len: 0xa_0000,
    }];
    spec.relocate.clear = vec![PhysRange::from_len(DIRTY, 14).unwrap()];
    spec.fixups = vec![
        Fixup::Store16 {
            addr: 0x413,
            value: 0x1234,
        },
        Fixup::Zero {
            addr: 0x500,
            len: 0x20,
        },
    ];
    let run = run_with(&SIX_GIB, &xen_plan(&spec, parts, plan::BOOT_CPU), None);
    assert!(run.serial.ends_with("==="), "{}", run.serial);
}

/// An ACPI 1.0 RSDP by `oem`.
fn rsdp(oem: [u8; 6]) -> Vec<u8> {
    let mut bytes = b"RSD PTR \0".to_vec();
    bytes.extend(oem);
    bytes.resize(20, 0);
    let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    bytes[8] = 0_u8.wrapping_sub(sum);
    bytes
}

#[test]
fn the_rsdp_depends_on_the_cpu_of_the_handoff() {
    const CODE: u64 = 0x70_0000;
    const LIST: u64 = 0x70_1000;
    const EXPECTED: u64 = 0x70_2000;
    const TABLES: u64 = 0x80_0000;
    const EBDA: u64 = 0x9_e000;
    let (boot, other) = (rsdp(*b"BOOTED"), rsdp(*b"OTHERS"));
    let copy = |from, on| Fixup::CopyRsdp {
        from,
        to: EBDA,
        len: 20,
        on,
    };
    for (cpu, expected) in [(plan::BOOT_CPU, &boot), (plan::APPLICATION_CPU, &other)] {
        let part = |address, bytes: Vec<u8>| Part {
            address,
            memsz: PAGE as u64,
            bytes,
        };
        let list = [20, EBDA, EXPECTED, 0];
        let mut tables = boot.clone();
        tables.resize(64, 0);
        tables.extend(&other);
        let parts = vec![
            part(EBDA, vec![0xe5; PAGE]),
            part(CODE, compare().to_vec()),
            part(LIST, list.into_iter().flat_map(u64::to_le_bytes).collect()),
            part(EXPECTED, expected.clone()),
            part(TABLES, tables),
        ];
        let mut spec = multiboot2_spec(BASE, 0, Verify::None, vec![]);
        spec.exit = Exit::Linux64 {
            entry: CODE,
            boot_params: LIST,
        };
        spec.fixups = vec![copy(TABLES, OnCpu::Boot), copy(TABLES + 64, OnCpu::Other)];
        let plan = xen_plan(&spec, parts, cpu);
        let run = run_with(&["-smp", "2"], &plan, None);
        assert!(run.serial.ends_with('='), "{}", run.serial);
        let copies = run.serial.matches("[handoff] acpi: rsdp ").count();
        assert_eq!(copies, 1, "{}", run.serial);
    }
}

/// Page 0, two segments of which some pages are replaced by `lost`, and the
/// handoff's output about them.
fn damaged(
    page0: &[u8],
    lost: &[u8],
    pack: fn(&[launch::LaunchSegment<'_>], u64) -> Vec<u8>,
) -> String {
    let pages = |count: usize, seed: u32| -> Vec<u8> {
        let bytes = (0..(count * PAGE) as u32).map(|n| (n * seed + n / 13) as u8);
        let mut bytes: Vec<u8> = bytes.collect();
        bytes[4 * PAGE..5 * PAGE].fill(0);
        bytes
    };
    let part = |address, bytes: Vec<u8>| Part {
        address,
        memsz: bytes.len() as u64,
        bytes,
    };
    let mut parts = vec![
        part(INITRD, pages(16, 7)),
        part(INITRD + 0x10_0000, pages(9, 5)),
        part(INITRD + 0x20_0000, pages(5, 3)),
    ];
    let names = ["initrd", "kernel", "whole"];
    let regions = names
        .iter()
        .zip(&parts)
        .map(|(name, part)| region(name, part));
    let spec = multiboot2_spec(BASE, INITRD, Verify::Crc32, regions.collect());
    for (part, page) in [(0, 3), (0, 9), (0, 15), (1, 8)] {
        parts[part].bytes[page * PAGE..][..PAGE].copy_from_slice(lost);
    }
    parts.push(part(0, page0.to_vec()));
    let built = blob::build(&spec).unwrap();
    parts.push(Part {
        address: BASE,
        memsz: built.memsz,
        bytes: built.bytes,
    });
    let plan = pack(&segments(&parts), built.entry);
    let run = run(&plan, Some("halted (--on-fault halt)"));
    let text = run.serial;
    assert!(
        text.contains("2 segment(s) damaged: not starting it"),
        "{text}"
    );
    assert!(line(&text, "verify whole ").contains(" ok"), "{text}");
    text.lines()
        .filter(|line| line.contains("lost"))
        .fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

fn on_boot_cpu(segments: &[launch::LaunchSegment<'_>], entry: u64) -> Vec<u8> {
    launch::pack_xen(segments, entry, plan::BOOT_CPU)
}

#[test]
fn pages_that_xen_lost_are_counted_and_named() {
    let page0: Vec<u8> = (0..PAGE as u32).map(|n| (n * 11) as u8).collect();
    assert_eq!(
        damaged(&page0, &page0, on_boot_cpu),
        "[handoff] initrd: lost 3 page(s), first at 0x3003000: equal to physical page 0 (Xen \
         kimage_alloc_page)\n\
         [handoff] kernel: lost 1 page(s), first at 0x3108000: equal to physical page 0 (Xen \
         kimage_alloc_page)\n\
         [handoff] lost 4 page(s) in all (Xen kimage_alloc_page)\n"
    );
    // other damage, or with another kernel, is not attributed to Xen
    assert_eq!(damaged(&page0, &[0; PAGE], on_boot_cpu), "");
    assert_eq!(damaged(&page0, &page0, launch::pack), "");
}

#[test]
fn if_page_0_is_zero_loaded_zero_pages_do_not_count_as_lost() {
    assert_eq!(
        damaged(&[0; PAGE], &[0; PAGE], on_boot_cpu),
        "[handoff] initrd: lost 3 page(s), first unknown: equal to physical page 0 (Xen \
         kimage_alloc_page)\n\
         [handoff] kernel: lost 1 page(s), first unknown: equal to physical page 0 (Xen \
         kimage_alloc_page)\n\
         [handoff] lost 4 page(s) in all (Xen kimage_alloc_page)\n"
    );
    assert_eq!(damaged(&[0; PAGE], &[9; PAGE], on_boot_cpu), "");
}

#[test]
fn a_lost_page_of_the_handoff_itself_is_found() {
    let (mut parts, entry) = payload();
    let spec = multiboot2_spec(BASE, entry, Verify::None, vec![]);
    let mut built = blob::build(&spec).unwrap();
    // a page table: Xen's are in use until the damage has been printed
    let at = blob::header().area as usize + offset_of!(Area, tables) + offset_of!(Tables, pool);
    let page0: Vec<u8> = (0..PAGE as u32).map(|n| (n * 11) as u8).collect();
    built.bytes[at + PAGE..at + 2 * PAGE].copy_from_slice(&page0);
    parts.push(Part {
        address: BASE,
        memsz: built.memsz,
        bytes: built.bytes,
    });
    let plan = on_boot_cpu(&segments(&parts), built.entry);
    let run = run(&plan, Some("halted (--on-fault halt)"));
    assert!(
        run.serial
            .contains("handoff itself is damaged: expected 0x"),
        "{}",
        run.serial
    );
}
