#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::as_conversions)]

use super::*;
use crate::image::cpio::testing::cpio;
use crate::image::synth::{
    ElfBuilder, HeaderBuilder, PE_AT, PeBuilder, bzimage, mb1_flat, pvh_kernel, words_to_bytes,
    xen_efi, xen_header, xen_like, xen_note,
};
use std::time::{Duration, Instant};

const X86: Option<FileMachine> = Some(FileMachine::X86_64);

fn pe(machine: FileMachine, role: PeRole) -> FileKind {
    let machine = Some(machine);
    FileKind::Pe(PeFile { machine, role })
}

fn elf(machine: FileMachine, role: ElfRole) -> FileKind {
    let machine = Some(machine);
    FileKind::Elf(ElfFile { machine, role })
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// `bytes` at offset `at` of a file that has nothing else.
fn at(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0xa5; at];
    file.extend(bytes);
    file.resize(file.len().max(0x1_1000), 0xa5);
    file
}

/// An ELF file whose header names this type and machine.
fn elf_of(kind: u16, machine: u16, data: &[u8]) -> Vec<u8> {
    let mut file = ElfBuilder::elf64(0x10_0000)
        .load(0x10_0000, data.to_vec(), 0)
        .build();
    file[16..18].copy_from_slice(&kind.to_le_bytes());
    file[18..20].copy_from_slice(&machine.to_le_bytes());
    file
}

/// A module of Linux: an object with the names of its sections.
fn module() -> Vec<u8> {
    let mut file = vec![0; 64];
    file[..16].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    file[16..24].copy_from_slice(&[1, 0, 62, 0, 1, 0, 0, 0]);
    let names = b"\0.shstrtab\0.modinfo\0";
    file[40..48].copy_from_slice(&(64 + names.len() as u64).to_le_bytes());
    file[52..64].copy_from_slice(&[64, 0, 0, 0, 0, 0, 64, 0, 3, 0, 1, 0]);
    file.extend(names);
    for (name, kind, offset, size) in [(0_u32, 0_u32, 0, 0), (1, 3, 64, 20), (11, 1, 64, 4)] {
        let mut section = [0; 64];
        section[..4].copy_from_slice(&name.to_le_bytes());
        section[4..8].copy_from_slice(&kind.to_le_bytes());
        section[24..32].copy_from_slice(&u64::to_le_bytes(offset));
        section[32..40].copy_from_slice(&u64::to_le_bytes(size));
        file.extend(section);
    }
    file
}

fn with(mut file: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

/// Linux's `Image` of arm64, without an EFI stub.
fn bare(magic: &[u8; 4]) -> Vec<u8> {
    with(vec![0x11; 0x400], 56, magic)
}

fn mbr() -> Vec<u8> {
    let sector = with(vec![0; 512], 446, &[0x80, 0, 1, 0, 0x83]);
    with(sector, 510, &[0x55, 0xaa])
}

/// One file of each kind, its kind, its name in JSON, and its machine.
fn table() -> Vec<(Vec<u8>, FileKind, &'static str, Option<FileMachine>)> {
    use DataFile as D;
    use FileMachine as M;
    let note = xen_note(18, &0x100_0080_u64.to_le_bytes());
    let unified = PeBuilder::efi()
        .section(".osrel", b"ID=debian")
        .section(".cmdline", b"quiet")
        .section(".linux", &bzimage());
    let xen = PeBuilder::efi().section(".text", b"x");
    let unified_xen = xen
        .clone()
        .section(".config", b"[global]")
        .section(".kernel", b"k")
        .section(".ramdisk", b"r");
    let sbat = b"sbat,1,SBAT Version,sbat,1,url\nsystemd-boot,1,x\n";
    let zboot = |machine| {
        let file = PeBuilder::new(machine, 10).section(".text", b"x").build();
        with(file, 4, b"zimg\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0gzip\0\0\0\0")
    };
    let lkrn = with(bzimage(), 0x600, b"iPXE 1.21.1+\0");
    let lkrn = with(lkrn, 0x206, &0x203_u16.to_le_bytes());
    let early = cpio(&[("kernel/x86/microcode/GenuineIntel.bin", &[1; 9])]);
    let mut rows = vec![
        (xen_like(), FileKind::Multiboot2, "multiboot2", None),
        (
            bzimage(),
            FileKind::Setup(SetupProgram::Linux64),
            "bzimage",
            X86,
        ),
        (
            lkrn,
            FileKind::Setup(SetupProgram::Ipxe),
            "ipxe-lkrn",
            Some(M::I386),
        ),
        (
            with(bzimage(), 0x236, &[0, 0]),
            FileKind::Setup(SetupProgram::Linux32),
            "bzimage-32",
            Some(M::I386),
        ),
        (
            with(bzimage(), 0x211, &[0]),
            FileKind::Setup(SetupProgram::ZImage),
            "zimage",
            Some(M::I386),
        ),
        (
            elf_of(2, 62, b"Linux version 6.1.0 (x) #1\n\0"),
            FileKind::Vmlinux,
            "vmlinux",
            X86,
        ),
        (mb1_flat(0x10_0000), FileKind::Multiboot, "multiboot", None),
        (pvh_kernel(&[note]), FileKind::Pvh, "pvh", None),
        (
            unified.build(),
            pe(
                M::X86_64,
                PeRole::UnifiedKernel(names(&[".linux", ".cmdline", ".osrel"])),
            ),
            "unified-kernel",
            X86,
        ),
        (
            PeBuilder::new(0xaa64, 10).section(".linux", b"x").build(),
            pe(M::Arm64, PeRole::UnifiedKernel(names(&[".linux"]))),
            "unified-kernel",
            Some(M::Arm64),
        ),
        (
            PeBuilder::efi().section(".cmdline", b"debug").build(),
            pe(M::X86_64, PeRole::KernelAddon(names(&[".cmdline"]))),
            "unified-kernel-addon",
            X86,
        ),
        (
            unified_xen.build(),
            pe(
                M::X86_64,
                PeRole::UnifiedXen(names(&[".config", ".kernel", ".ramdisk"])),
            ),
            "unified-xen",
            X86,
        ),
        (
            xen_efi().build(),
            pe(M::X86_64, PeRole::Xen),
            "xen-efi",
            X86,
        ),
        (
            zboot(0xaa64),
            pe(M::Arm64, PeRole::Zboot("gzip".into())),
            "efi-zboot",
            Some(M::Arm64),
        ),
        (
            zboot(0x6264),
            pe(M::LoongArch64, PeRole::Zboot("gzip".into())),
            "efi-zboot",
            Some(M::LoongArch64),
        ),
        (
            with(
                PeBuilder::new(0x5064, 10).section(".text", b"x").build(),
                56,
                b"RSC\x05",
            ),
            pe(M::RiscV64, PeRole::Linux),
            "linux-efi",
            Some(M::RiscV64),
        ),
        (
            with(
                PeBuilder::new(0xaa64, 10).section(".text", b"x").build(),
                56,
                b"ARM\x64",
            ),
            pe(M::Arm64, PeRole::Linux),
            "linux-efi",
            Some(M::Arm64),
        ),
        (
            PeBuilder::efi()
                .section(".text", b"http://ipxe.org/")
                .build(),
            pe(M::X86_64, PeRole::Application(Some("iPXE".into()))),
            "efi-application",
            X86,
        ),
        (
            PeBuilder::efi().section(".sbat", sbat).build(),
            pe(M::X86_64, PeRole::Application(Some("systemd-boot".into()))),
            "efi-application",
            X86,
        ),
        (
            xen.build(),
            pe(M::X86_64, PeRole::Application(None)),
            "efi-application",
            X86,
        ),
        (
            PeBuilder::new(0x8664, 11).build(),
            pe(M::X86_64, PeRole::Driver),
            "efi-driver",
            X86,
        ),
        (
            PeBuilder::new(0x14c, 3).build(),
            pe(M::I386, PeRole::Other(3)),
            "pe",
            Some(M::I386),
        ),
        (
            PeBuilder::efi().build()[..PE_AT + 10].to_vec(),
            FileKind::Pe(PeFile {
                machine: None,
                role: PeRole::Damaged,
            }),
            "pe-damaged",
            None,
        ),
        (
            elf_of(2, 62, b"x"),
            elf(M::X86_64, ElfRole::Program),
            "elf",
            X86,
        ),
        (
            elf_of(2, 183, b"x"),
            elf(M::Arm64, ElfRole::Program),
            "elf",
            Some(M::Arm64),
        ),
        (
            elf_of(2, 243, b"Linux version 6.1.0 (x) #1\n\0"),
            elf(M::RiscV64, ElfRole::Linux),
            "linux-elf",
            Some(M::RiscV64),
        ),
        (
            elf_of(1, 62, b"x"),
            elf(M::X86_64, ElfRole::Object),
            "elf-object",
            X86,
        ),
        (
            module(),
            elf(M::X86_64, ElfRole::LinuxModule),
            "linux-module",
            X86,
        ),
        (
            elf_of(4, 62, b"x"),
            elf(M::X86_64, ElfRole::Core),
            "core",
            X86,
        ),
        (
            elf_of(4, 62, b"VMCOREINFO"),
            elf(M::X86_64, ElfRole::Vmcore),
            "vmcore",
            X86,
        ),
        (
            elf_of(9, 62, b"x"),
            elf(M::X86_64, ElfRole::Other(9)),
            "elf-other",
            X86,
        ),
        (
            elf_of(2, 62, b"x")[..20].to_vec(),
            FileKind::Elf(ElfFile {
                machine: None,
                role: ElfRole::Damaged,
            }),
            "elf-damaged",
            None,
        ),
        (
            bare(b"ARM\x64"),
            FileKind::LinuxImage(M::Arm64),
            "linux-image",
            Some(M::Arm64),
        ),
        (
            bare(b"RSC\x05"),
            FileKind::LinuxImage(M::RiscV64),
            "linux-image",
            Some(M::RiscV64),
        ),
        (
            at(0x24, &0x016f_2818_u32.to_le_bytes()),
            FileKind::ArmZImage,
            "arm-zimage",
            Some(M::Arm),
        ),
        (
            [&[0x1f, 0x8b, 8, 0][..], &[0; 20]].concat(),
            FileKind::Compressed(Compression::Gzip),
            "compressed",
            None,
        ),
        (Vec::new(), FileKind::Empty, "empty", None),
        (
            vec![1, 2, 3],
            FileKind::Unknown(vec![1, 2, 3]),
            "unknown",
            None,
        ),
    ];
    let data = [
        (cpio(&[("init", b"x")]), D::Cpio { early: false }, "cpio"),
        (early, D::Cpio { early: true }, "cpio-early"),
        (mbr(), D::Disk("MBR"), "disk"),
        (at(0x200, b"EFI PART"), D::Disk("GPT"), "disk"),
        (at(0, b"QFI\xfb"), D::Disk("qcow2"), "disk"),
        (
            at(0x8001, b"CD001"),
            D::FileSystem("ISO 9660"),
            "file-system",
        ),
        (
            at(0x438, b"\x53\xef"),
            D::FileSystem("ext2, ext3 or ext4"),
            "file-system",
        ),
        (at(0, b"\xd0\x0d\xfe\xed"), D::DeviceTree, "device-tree"),
        (
            at(
                0,
                b"\xd0\x0d\xfe\xed\0\0\0\x01images\0\0\0\0\0\x01configurations\0",
            ),
            D::BootContainer("FIT image"),
            "boot-container",
        ),
        (at(257, b"ustar"), D::Archive("tar"), "archive"),
        (at(0, b"KDUMP   "), D::Dump, "vmcore"),
        (b"#!/bin/sh\n".to_vec(), D::Script, "script"),
        (b"default=xen\n".to_vec(), D::Text, "text"),
        ("naïve ".repeat(1000).into_bytes(), D::Text, "text"),
        (at(0, b"\x55\xaa"), D::OptionRom, "option-rom"),
        (at(0, b"MZ"), D::Dos, "dos-program"),
        (vec![0; 9000], D::Zeros, "zeros"),
    ];
    rows.extend(data.map(|(file, kind, name)| (file, FileKind::Data(kind), name, None)));
    rows
}

#[test]
fn each_kind_of_file_is_named_with_its_machine() {
    for (file, kind, name, machine) in table() {
        let found = FileKind::of(&file);
        assert_eq!(found, kind);
        assert_eq!((found.name(), found.machine()), (name, machine));
        assert!(!found.advice().is_empty());
    }
}

/// A new magic number needs no test of its own, but must not be hidden by an earlier one.
#[test]
fn each_magic_number_is_found() {
    for (offset, magic, kind) in data::MAGIC {
        let file = at(offset, magic);
        match (FileKind::of(&file), kind) {
            (FileKind::Data(found), _) => assert_eq!(found, kind),
            (other, _) => panic!("{kind:?}: {other:?}"),
        }
    }
}

#[test]
fn a_header_for_another_cpu_is_multiboot2() {
    let mips = HeaderBuilder {
        arch: 4,
        ..HeaderBuilder::new()
    };
    assert_eq!(FileKind::of(&mips.build()), FileKind::Multiboot2);
}

#[test]
fn a_pe_image_is_multiboot2_only_with_an_address_tag() {
    let mut file = PeBuilder::efi().section(".text", b"x").build();
    let placed = HeaderBuilder::new()
        .address(0x10_0200, u32::MAX, 0, 0)
        .entry(0x10_0000);
    let placed = [file.clone(), placed.build()].concat();
    assert_eq!(FileKind::of(&placed), FileKind::Multiboot2);
    file.extend(words_to_bytes(&[0, 0]));
    file.extend(xen_header().build());
    assert_eq!(
        FileKind::of(&file),
        pe(FileMachine::X86_64, PeRole::Application(None))
    );
}

/// Each "/4" names a string at an offset in the file; here it would be as long as the rest of the file.
#[test]
fn names_in_a_string_table_are_not_resolved() {
    let mut file = (0..96)
        .fold(PeBuilder::efi(), |pe, _| pe.section("/4", b""))
        .build();
    assert_eq!(
        FileKind::of(&file),
        pe(FileMachine::X86_64, PeRole::Application(None))
    );
    file[PE_AT + 6..PE_AT + 8].copy_from_slice(&u16::MAX.to_le_bytes());
    file.resize(40 * 0x1_0000 + 0x1000, b'a');
    let damaged = PeFile {
        machine: None,
        role: PeRole::Damaged,
    };
    assert_eq!(FileKind::of(&file), FileKind::Pe(damaged));
}

/// As many section headers of ELF as fit, each with a name that is as long as the rest of the file.
#[test]
fn names_of_elf_sections_are_compared_in_bounded_time() {
    let mut file = module();
    let table = file.len();
    file[40..48].copy_from_slice(&(table as u64).to_le_bytes());
    file[60..62].copy_from_slice(&0xfeff_u16.to_le_bytes());
    let mut section = [0; 64];
    section[..4].copy_from_slice(&2_u32.to_le_bytes());
    section[4] = 3;
    section[32..40].copy_from_slice(&(1_u64 << 22).to_le_bytes());
    for _ in 0..0xfeff {
        file.extend(section);
    }
    let start = Instant::now();
    assert_eq!(
        FileKind::of(&file),
        elf(FileMachine::X86_64, ElfRole::Object)
    );
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
}

/// No panic where a file ends, and none in the texts.
#[test]
fn every_prefix_has_a_kind() {
    for (file, ..) in table() {
        for len in (0..file.len().min(0x500)).chain([file.len()]) {
            let kind = FileKind::of(&file[..len]);
            let _ = (kind.to_string(), kind.advice(), kind.machine());
        }
    }
}

/// No panic, whatever the bytes are: mutations of good files, each cut at a random place.
#[test]
fn damaged_files_are_no_panic() {
    let files: Vec<Vec<u8>> = table().into_iter().map(|(file, ..)| file).collect();
    // xorshift: the same files each time
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for round in 0..10_000 {
        let mut file = files[round % files.len()].clone();
        file.truncate(0x1000);
        if file.is_empty() {
            continue;
        }
        for _ in 0..=random(6) {
            let at = match random(3) {
                0 => random(0x44),
                1 => random(0x200),
                _ => random(file.len()),
            };
            let at = at.min(file.len() - 1);
            file[at] = [0, 1, 0x7f, 0xff, random(256) as u8][random(5)];
        }
        file.truncate(random(file.len()) + 1);
        let kind = FileKind::of(&file);
        let _ = (kind.to_string(), kind.advice());
    }
}
