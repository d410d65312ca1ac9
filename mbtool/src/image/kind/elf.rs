//! ELF files that are no kernels for mbtool.

use super::machine::FileMachine;
use crate::image::bytes::slice;
use ::elf::ElfBytes;
use ::elf::abi;
use ::elf::endian::AnyEndian;
use ::elf::file::{FileHeader, parse_ident};
use memchr::memmem;
use std::fmt;

/// Maximum number of sections in which a name is searched; modules have some hundreds.
const SECTIONS: usize = 0x4000;
/// Bytes at the start of a dump in which the notes are.
const NOTES: usize = 1 << 20;

/// An ELF file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElfFile {
    /// CPU; `None` when its header is damaged.
    pub machine: Option<FileMachine>,
    /// What it is for.
    pub role: ElfRole,
}

/// What an ELF file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElfRole {
    /// A program (`ET_EXEC`, `ET_DYN`), with a boot header or not.
    Program,
    /// Linux, by its banner; for a machine that mbtool does not start.
    Linux,
    /// A module of Linux (`ET_REL` with `.modinfo`).
    LinuxModule,
    /// An object file (`ET_REL`).
    Object,
    /// Memory of a kernel that crashed (`ET_CORE` with `VMCOREINFO`).
    Vmcore,
    /// Memory of a process (`ET_CORE`).
    Core,
    /// Another `e_type`.
    Other(u16),
    /// Its header is invalid.
    Damaged,
}

impl ElfFile {
    /// What to do with it where it cannot be loaded.
    pub(super) fn advice(&self) -> &'static str {
        match self.role {
            ElfRole::LinuxModule => "give a kernel; modprobe loads a module",
            ElfRole::Vmcore => "give a kernel; crash(8) reads a dump",
            ElfRole::Damaged => super::COPY_AGAIN,
            ElfRole::Linux if self.machine == Some(FileMachine::Arm64) => {
                "give the Image of the same build (arch/arm64/boot/Image, or the distribution's vmlinuz), on arm64"
            }
            _ if self.machine.is_some_and(|machine| !machine.is_ours()) => super::OTHER_MACHINE,
            ElfRole::Program => {
                "give a file with a Multiboot2 header in its first 32 KiB, a Multiboot (1) header in its first 8 KiB, or \
                 a PVH note"
            }
            _ => super::KERNEL,
        }
    }

    /// Its name in JSON.
    pub(super) const fn name(&self) -> &'static str {
        match self.role {
            ElfRole::Program => "elf",
            ElfRole::Linux => "linux-elf",
            ElfRole::LinuxModule => "linux-module",
            ElfRole::Object => "elf-object",
            ElfRole::Vmcore => "vmcore",
            ElfRole::Core => "core",
            ElfRole::Other(_) => "elf-other",
            ElfRole::Damaged => "elf-damaged",
        }
    }

    /// Describes a file that begins with ELF's magic number.
    pub(super) fn of(file: &[u8]) -> Self {
        // it parses the tables, too, which need not be good
        let Some(header) = header(file) else {
            return Self {
                machine: None,
                role: ElfRole::Damaged,
            };
        };
        let machine = FileMachine::of_elf(header.e_machine, header.class);
        let role = match header.e_type {
            abi::ET_EXEC | abi::ET_DYN if !machine.is_ours() && is_linux(file) => ElfRole::Linux,
            abi::ET_EXEC | abi::ET_DYN => ElfRole::Program,
            abi::ET_REL if is_module(file) => ElfRole::LinuxModule,
            abi::ET_REL => ElfRole::Object,
            abi::ET_CORE if has_notes_of_a_kernel(file) => ElfRole::Vmcore,
            abi::ET_CORE => ElfRole::Core,
            other => ElfRole::Other(other),
        };
        Self {
            machine: Some(machine),
            role,
        }
    }
}

fn header(file: &[u8]) -> Option<FileHeader<AnyEndian>> {
    let (ident, rest) = file.split_at_checked(abi::EI_NIDENT)?;
    let ident = parse_ident::<AnyEndian>(ident).ok()?;
    FileHeader::parse_tail(ident, rest).ok()
}

fn is_linux(file: &[u8]) -> bool {
    memmem::find(file, b"Linux version ").is_some()
}

/// True for a section `.modinfo`. Each name is compared where it is, and the number of sections is limited: names can
/// be as long as the file.
fn is_module(file: &[u8]) -> bool {
    let Ok(elf) = ElfBytes::<AnyEndian>::minimal_parse(file) else {
        return false;
    };
    let (Some(sections), Some(names)) = (elf.section_headers(), names(&elf, file)) else {
        return false;
    };
    let mut sections = sections.iter().take(SECTIONS);
    sections.any(|section| {
        let at = usize::try_from(section.sh_name).unwrap_or(usize::MAX);
        names
            .get(at..)
            .is_some_and(|name| name.starts_with(b".modinfo\0"))
    })
}

/// The names of the sections.
fn names<'a>(elf: &ElfBytes<'a, AnyEndian>, file: &'a [u8]) -> Option<&'a [u8]> {
    let index = usize::from(elf.ehdr.e_shstrndx);
    let section = elf.section_headers()?.get(index).ok()?;
    slice(file, section.sh_offset, section.sh_size)
}

fn has_notes_of_a_kernel(file: &[u8]) -> bool {
    let start = file.get(..file.len().min(NOTES)).unwrap_or_default();
    memmem::find(start, b"VMCOREINFO").is_some()
}

impl fmt::Display for ElfFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            ElfRole::Program => f.write_str("an ELF program")?,
            ElfRole::Linux => f.write_str("a Linux kernel (ELF)")?,
            ElfRole::LinuxModule => f.write_str("a module of a Linux kernel (.ko)")?,
            ElfRole::Object => f.write_str("an object file (ELF)")?,
            ElfRole::Vmcore => f.write_str("a dump of a kernel (vmcore)")?,
            ElfRole::Core => f.write_str("a core dump of a process")?,
            ElfRole::Other(kind) => write!(f, "an ELF file of type {kind}")?,
            ElfRole::Damaged => f.write_str("an ELF file whose header is damaged")?,
        }
        if let Some(machine) = self.machine {
            write!(f, " for {machine}")?;
        }
        match self.role {
            ElfRole::Program => f.write_str(" without a boot header"),
            _ => Ok(()),
        }
    }
}
