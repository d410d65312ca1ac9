use super::*;
use crate::image::kind::DataFile;
use crate::image::synth::{
    ElfBuilder, HeaderBuilder, SynthSegment, flat, mb1_flat, pie, program, pvh_kernel,
    words_to_bytes, xen_header, xen_like, xen_note,
};
use crate::image::synth::{PeBuilder, bzimage, xen_efi};

#[test]
fn an_image_like_xen_is_described_tag_by_tag() {
    let bytes = xen_like();
    let report = inspect(&bytes, &[Compression::Gzip], "xen.gz");
    assert!(report.loadable);
    assert_eq!(report.problem, None);
    assert_eq!(report.xen, None, "it only looks like Xen");
    let header = report.header.as_ref().unwrap();
    assert_eq!((header.offset, header.length), (0x78, 0x88));
    let kinds: Vec<_> = header
        .tags
        .iter()
        .map(|tag| (tag.kind, tag.required))
        .collect();
    let (yes, no) = (true, false);
    assert_eq!(
        kinds,
        [
            (1, yes),
            (6, yes),
            (10, no),
            (4, no),
            (5, no),
            (7, no),
            (9, no)
        ]
    );
    let text = report.to_string();
    for expected in [
        "xen.gz: Multiboot2 image\n",
        "compression   gzip\n",
        "header        0x88 bytes at offset 0x78\n",
        "  0x0088  required   1 information request: basic memory (4), memory map (6)\n",
        "  0x00a0  optional  10 relocatable: min_addr 0x200000, max_addr 0xffffffff, align \
         0x200000, preference 0x2\n",
        "  0x200000-0x203000  0x800 bytes from the file, 0x2800 zeros\n",
        "entry         0x200000 physical, from the ELF header\n",
        "relocatable   yes, by tag 10\n",
        "  GNU 3 (build id): 0102030405060708090a0b0c0d0e0f1011121314\n",
        "  0x3000 bytes of RAM within 0x200000-0x100000000, aligned to 0x200000, as high as \
         possible\n",
        "  boot information, required: basic memory (4), memory map (6)\n",
        "  modules at page boundaries\n",
        "  a console: not required; it can use EGA text\n",
        "  a framebuffer, if available: any mode\n",
        "  no EFI services:",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
}

#[test]
fn the_json_document_has_the_same_facts() {
    let report = inspect(&xen_like(), &[Compression::Lz4Legacy], "xen");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["kind"], "multiboot2");
    assert_eq!(json["loadable"], true);
    assert_eq!(json["compression"], serde_json::json!(["lz4-legacy"]));
    assert_eq!(
        json["header"]["tags"][0]["requests"],
        serde_json::json!([4, 6])
    );
    assert_eq!(json["header"]["tags"][2]["type"], 10);
    assert_eq!(json["header"]["tags"][2]["fields"]["align"], 0x20_0000);
    assert_eq!(json["image"]["format"], "elf32");
    assert_eq!(json["image"]["entry"]["physical"], 0x20_0000);
    assert_eq!(json["image"]["relocatable"]["tag"]["preference"], "highest");
    assert_eq!(json["image"]["segments"][0]["file_bytes"], 0x800);
    assert_eq!(json["image"]["notes"][0]["meaning"], "build id");
}

#[test]
fn a_higher_half_entry_shows_both_addresses() {
    let virt = 0xffff_ffff_8010_0000;
    let load = program(HeaderBuilder::new(), 0x200);
    let segment = SynthSegment {
        vaddr: virt,
        ..SynthSegment::load(0x10_0000, load, 0)
    };
    let bytes = ElfBuilder::elf64(virt + 0x40).segment(segment).build();
    let text = inspect(&bytes, &[], "kernel").to_string();
    let entry = "0x100040 physical, from the ELF header; ELF header: 0xffffffff80100040\n";
    assert!(text.contains(entry), "{text}");
    assert!(text.contains("relocatable   no\n"), "{text}");
    assert!(
        text.contains("0x200 bytes of RAM at 0x100000-0x100200: it cannot be moved"),
        "{text}"
    );
}

#[test]
fn linux_is_described_by_its_setup_header() {
    let report = inspect(&bzimage(), &[], "vmlinuz");
    assert!(report.loadable);
    let text = report.to_string();
    for expected in [
        "vmlinuz: Linux bzImage, Linux 6.1.0-test\n",
        "version       6.1.0-test (somebody) #1 SMP\n",
        "boot protocol 2.15\n",
        "memory        0x800000 bytes to unpack in, wanted at 0x1000000, aligned to 0x200000\n",
        "initrd        anywhere\n",
        "command line  up to 2047 bytes\n",
        "payload       0x1000 bytes at 0x300\n",
        "flags         0x007f: can take over EFI from another kernel, supports five levels",
        "format        bzImage, protected-mode part\n",
        "entry         0x1000200 physical, from the boot protocol\n",
        "relocatable   yes, from 0x1000000 on, aligned to 0x200000\n",
        "in long mode, the first 4 GiB mapped to themselves",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["kind"], "linux");
    assert_eq!(json["linux"]["version"], 0x20f);
    assert_eq!(json["linux"]["payload"]["length"], 0x1000);
    assert_eq!(json["linux"]["header"], serde_json::Value::Null);
    assert_eq!(json["image"]["format"], "bzimage");
    // a damaged file has a report too
    let report = inspect(&bzimage()[..0x1000], &[], "vmlinuz");
    assert!(!report.loadable && report.linux.is_none());
    assert!(report.to_string().starts_with("vmlinuz: "));
}

#[test]
fn flat_and_position_independent_images_are_described() {
    let report = inspect(&flat(0x10_0000), &[], "flat");
    assert_eq!(report.image.as_ref().unwrap().entry.linked, None);
    let text = report.to_string();
    assert!(
        text.contains("flat, by addresses in its header\n"),
        "{text}"
    );
    assert!(
        text.contains("0x100100 physical, from the entry address tag\n"),
        "{text}"
    );
    let text = inspect(&pie(HeaderBuilder::new(), &[1, 2]), &[], "pie").to_string();
    assert!(
        text.contains("yes, ET_DYN with 2 relocations to apply\n"),
        "{text}"
    );
    assert!(
        text.contains("bytes of RAM anywhere below 4 GiB, aligned to 0x1000\n"),
        "{text}"
    );
}

#[test]
fn files_that_cannot_be_loaded_have_a_report_too() {
    let load = program(xen_header().words(0x77, &[5]), 0x200);
    let report = inspect(
        &ElfBuilder::elf32(0).load(0x10_0000, load, 0).build(),
        &[],
        "odd",
    );
    assert!(!report.loadable);
    let problem = report.problem.as_deref().unwrap();
    assert!(problem.contains(&0x77.to_string()), "{problem}");
    let tags = &report.header.as_ref().unwrap().tags;
    assert_eq!(
        tags.last().map(|tag| (tag.kind, tag.name)),
        Some((0x77, "unknown"))
    );
    let text = report.to_string();
    assert!(text.contains(problem), "{text}");
    let report = inspect(b"#!/bin/sh\n", &[], "script");
    assert_eq!(report.kind, FileKind::Data(DataFile::Script));
    assert!(report.header.is_none() && report.image.is_none());
    let problem = report.problem.as_deref().unwrap();
    assert!(report.to_string().contains(problem), "{report}");
}

#[test]
fn a_required_console_and_mode_are_needs() {
    let header = HeaderBuilder::new()
        .words(4, &[1])
        .words(5, &[1024, 768, 32])
        .optional(1, &[14, 99])
        .address(0x10_0000, 0x10_0000, 0, 0)
        .entry(0x10_0100);
    let report = inspect(&program(header, 0x200), &[], "test");
    assert!(
        report
            .needs
            .contains(&"a console: required; it cannot use EGA text".into())
    );
    assert!(
        report
            .needs
            .contains(&"a framebuffer, required: 1024x768, 32 bits".into())
    );
    let optional = "boot information, if available: ACPI 1.0 RSDP (14), unknown (99)";
    assert!(
        report.needs.contains(&optional.into()),
        "{:?}",
        report.needs
    );
}

#[test]
fn a_multiboot_1_image_shows_its_header_and_its_needs() {
    let report = inspect(&mb1_flat(0x10_0000), &[], "old");
    assert!(report.loadable, "{:?}", report.problem);
    assert_eq!(report.kind, FileKind::Multiboot);
    let text = report.to_string();
    for expected in [
        "old: Multiboot 1 image\n",
        "multiboot 1   flags 0x10003 at offset 0x20\n",
        "  header_addr 0x100020, load_addr 0x100000, load_end_addr 0x100200, bss_end_addr \
         0x101200, entry_addr 0x100100\n",
        "entry         0x100100 physical, from the Multiboot header\n",
        "EAX = 0x2badb002",
        "  boot information, required: memory sizes and memory map\n",
        "  modules at page boundaries\n",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["multiboot1"]["address"]["entry_addr"], 0x10_0100);
    assert_eq!(json["header"], serde_json::Value::Null);
}

#[test]
fn a_pvh_kernel_shows_its_entry_point() {
    let entry = xen_note(18, &0x100_0080_u64.to_le_bytes());
    let kernel = pvh_kernel(&[entry, xen_note(19, &[])]);
    let report = inspect(&kernel, &[], "vmlinux");
    assert!(report.loadable, "{:?}", report.problem);
    assert_eq!(report.kind, FileKind::Pvh);
    let text = report.to_string();
    for expected in [
        "vmlinux: ELF with a PVH entry\n",
        "entry         0x1000080 physical, from the PVH note",
        "relocatable   yes, by its PVH notes\n",
        "EBX = address of the start info",
        "  Xen 19 (PVH placement): \n",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
}

#[test]
fn xen_notes_are_named() {
    let note = [
        words_to_bytes(&[4, 4, 18]),
        b"Xen\0".to_vec(),
        vec![0, 0, 0x10, 0],
    ]
    .concat();
    let note = SynthSegment {
        kind: 4,
        align: 4,
        data: note,
        ..SynthSegment::default()
    };
    let load = program(HeaderBuilder::new(), 0x200);
    let elf = ElfBuilder::elf32(0x10_0040)
        .load(0x10_0000, load, 0)
        .segment(note);
    let text = inspect(&elf.build(), &[], "guest").to_string();
    assert!(
        text.contains("  Xen 18 (PVH entry point): 00001000\n"),
        "{text}"
    );
}

#[test]
fn a_unified_kernel_image_shows_its_parts_and_its_kernel() {
    let uki = PeBuilder::efi()
        .section(".osrel", b"ID=debian\nNAME=\x1b[31mred\n")
        .section(".cmdline", b"root=/dev/vda1 quiet\n")
        .section(".initrd", &[7; 0x1234])
        .section(".linux", &bzimage());
    let report = inspect(&uki.build(), &[], "uki.efi");
    assert!(report.loadable, "{:?}", report.problem);
    let text = report.to_string();
    for expected in [
        "uki.efi: unified kernel image (a PE image for x86-64 with .linux, .initrd, .cmdline, .osrel), Linux 6.1.0-test\n",
        "machine       x86-64\n",
        "  .cmdline  21 bytes\n    root=/dev/vda1 quiet\n",
        "    NAME=[31mred\n",
        "  .initrd   4660 bytes\n",
        "boot protocol 2.15\n",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["kind"], "pe");
    assert_eq!(json["file"]["type"], "unified-kernel");
    assert_eq!(json["file"]["machine"], "x86-64");
    assert_eq!(json["file"]["advice"], serde_json::Value::Null);
    let cmdline =
        serde_json::json!({"name": ".cmdline", "bytes": 21, "text": "root=/dev/vda1 quiet"});
    assert_eq!(json["file"]["parts"][1], cmdline);
    let arm = inspect(
        &PeBuilder::new(0xaa64, 10).section(".linux", b"x").build(),
        &[],
        "arm.efi",
    );
    assert!(!arm.loadable);
    let json = serde_json::to_value(&arm).unwrap();
    assert_eq!(json["file"]["machine"], "arm64");
    assert_eq!(json["file"]["advice"], "give a kernel for x86-64");
}

#[test]
fn xen_efi_shows_its_header_and_its_entry_point() {
    let report = inspect(&xen_efi().build(), &[], "xen.efi");
    assert!(report.loadable, "{:?}", report.problem);
    let text = report.to_string();
    for expected in [
        "xen.efi: xen.efi (a PE image for x86-64), Xen of unknown version\n",
        "format        PE, by its sections\n",
        "entry         0x200000 physical, from the start of the code\n",
        "relocatable   yes, by tag 10\n",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
}
