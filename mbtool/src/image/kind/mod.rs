//! What a file is: an image that mbtool loads, or something else that is given in its place.

mod data;
mod elf;
mod machine;
mod pe;
mod setup;
#[cfg(test)]
mod tests;

pub use data::DataFile;
pub use elf::{ElfFile, ElfRole};
pub use machine::FileMachine;
pub use pe::{PeFile, PeRole};
pub(super) use pe::{UNIFIED_KERNEL, UNIFIED_XEN};
pub use setup::SetupProgram;

use super::bytes::read_at;
use super::header::{self, NoHeader};
use super::pe::is_pe;
use super::{linux, mb1, pvh};
use crate::abi::kernel_image::{
    ARM_ZIMAGE_AT, ARM_ZIMAGE_MAGIC, ARM64_MAGIC, ImageStart, RISCV_MAGIC,
};
use crate::arch::Architecture;
use crate::decompress::Compression;
use serde::{Serialize, Serializer};
use std::fmt;
use zerocopy::little_endian::U32;

/// Advice where nothing in the file is of use.
const KERNEL: &str = match Architecture::NATIVE {
    Architecture::X86_64 => {
        "give a kernel: Xen's xen.gz, an ELF file with a Multiboot header, or a Linux bzImage"
    }
    Architecture::Arm => "give a kernel: Linux's zImage",
    _ => "give a kernel: Linux's Image, compressed or not, or vmlinux",
};
/// Advice for a kernel of another CPU.
const OTHER_MACHINE: &str = match Architecture::NATIVE {
    Architecture::X86_64 => "give a kernel for x86-64",
    Architecture::Riscv64 => "give a kernel for riscv64",
    Architecture::Arm64 => "give a kernel for arm64",
    Architecture::Arm => "give a kernel for 32-bit ARM",
};
/// Advice for a file with defects.
const COPY_AGAIN: &str = "the file is damaged or cut short: copy or download it again";
/// First bytes to show of a file that is nothing known.
const SHOWN: usize = 8;

/// What a file is, after unpacking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Has a Multiboot2 header for any architecture. A PE image counts only with
    /// an address tag; without one its header is unusable.
    Multiboot2,
    /// Has Linux's setup header: a bzImage, or another program in this form.
    Setup(SetupProgram),
    /// An ELF file of x86-64 with Linux's banner.
    Vmlinux,
    /// Has a Multiboot (1) header and none of the above.
    Multiboot,
    /// PE image, such as an EFI application.
    Pe(PeFile),
    /// ELF with a PVH entry point (Xen ELF note 18) and none of the above.
    Pvh,
    /// ELF without any of the above.
    Elf(ElfFile),
    /// An uncompressed `Image` of Linux without an EFI stub.
    LinuxImage(FileMachine),
    /// A compressed Linux for 32-bit ARM.
    ArmZImage,
    /// Compressed once more than mbtool unpacks.
    Compressed(Compression),
    /// No program.
    Data(DataFile),
    /// No bytes.
    Empty,
    /// None of these; its first bytes.
    Unknown(Vec<u8>),
}

impl FileKind {
    /// Detects the kind of an unpacked file: the first of [`FileKind`] that matches.
    #[must_use]
    pub fn of(file: &[u8]) -> Self {
        match header::find(file) {
            Ok(header) if is_pe(file) && !header::has_address_tag(file, &header) => {
                Self::Pe(PeFile::of(file))
            }
            Ok(_) | Err(NoHeader::Foreign { .. }) => Self::Multiboot2,
            Err(_) if linux::is_bzimage(file) => Self::Setup(SetupProgram::of(file)),
            Err(_) if linux::is_vmlinux(file) => Self::Vmlinux,
            Err(_) if mb1::find(file).is_some() => Self::Multiboot,
            Err(_) if is_pe(file) => Self::Pe(PeFile::of(file)),
            Err(_) if pvh::is_pvh(file) => Self::Pvh,
            Err(_) if super::elf::is_elf(file) => Self::Elf(ElfFile::of(file)),
            Err(_) => Self::other(file),
        }
    }

    fn other(file: &[u8]) -> Self {
        if file.is_empty() {
            return Self::Empty;
        }
        if let Some(machine) = bare_image(file) {
            return Self::LinuxImage(machine);
        }
        if read_at::<U32>(file, ARM_ZIMAGE_AT).is_some_and(|magic| magic == ARM_ZIMAGE_MAGIC) {
            return Self::ArmZImage;
        }
        if let Some(format) = Compression::sniff(file) {
            return Self::Compressed(format);
        }
        let unknown = || Self::Unknown(file.iter().take(SHOWN).copied().collect());
        DataFile::of(file).map_or_else(unknown, Self::Data)
    }

    /// The CPU that it is for, if it is for one.
    #[must_use]
    pub const fn machine(&self) -> Option<FileMachine> {
        match self {
            Self::Vmlinux | Self::Setup(SetupProgram::Linux64) => Some(FileMachine::X86_64),
            Self::Setup(_) => Some(FileMachine::I386),
            Self::ArmZImage => Some(FileMachine::Arm),
            Self::Pe(PeFile { machine, .. }) | Self::Elf(ElfFile { machine, .. }) => *machine,
            Self::LinuxImage(machine) => Some(*machine),
            _ => None,
        }
    }

    /// What to do where it cannot be loaded, or another kind of file is needed.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Multiboot2 => "leave out --type, or give --type multiboot2",
            Self::Vmlinux => "leave out --type, or give --type linux",
            Self::Multiboot => "leave out --type, or give --type multiboot",
            Self::Pvh => "leave out --type, or give --type elf",
            Self::Setup(program) => program.advice(),
            Self::Pe(pe) => pe.advice(),
            Self::Elf(elf) => elf.advice(),
            Self::LinuxImage(_) | Self::ArmZImage => OTHER_MACHINE,
            Self::Compressed(_) => "only one layer is unpacked: unpack it once manually",
            Self::Data(data) => data.advice(),
            Self::Empty => COPY_AGAIN,
            Self::Unknown(_) => KERNEL,
        }
    }

    /// True for a unified kernel image for x86-64.
    #[must_use]
    pub const fn is_unified_kernel(&self) -> bool {
        matches!(
            self,
            Self::Pe(PeFile {
                machine: Some(FileMachine::X86_64),
                role: PeRole::UnifiedKernel(_),
            })
        )
    }

    /// True for xen.efi for x86-64, with dom0's files or without.
    #[must_use]
    pub const fn is_xen_efi(&self) -> bool {
        matches!(
            self,
            Self::Pe(PeFile {
                machine: Some(FileMachine::X86_64),
                role: PeRole::Xen | PeRole::UnifiedXen(_),
            })
        )
    }

    /// True where a Multiboot2 header with a defect can be meant to be one.
    pub(super) const fn may_be_a_kernel(&self) -> bool {
        matches!(
            self,
            Self::Elf(ElfFile {
                role: ElfRole::Program | ElfRole::Damaged,
                ..
            }) | Self::Unknown(_)
                | Self::Data(DataFile::Zeros)
        )
    }

    /// Its name in JSON, `type` of docs/files.md.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Multiboot2 => "multiboot2",
            Self::Setup(program) => program.name(),
            Self::Vmlinux => "vmlinux",
            Self::Multiboot => "multiboot",
            Self::Pvh => "pvh",
            Self::Pe(pe) => pe.name(),
            Self::Elf(elf) => elf.name(),
            Self::LinuxImage(_) => "linux-image",
            Self::ArmZImage => "arm-zimage",
            Self::Compressed(_) => "compressed",
            Self::Data(data) => data.name(),
            Self::Empty => "empty",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// The field `kind` of `inspect --json`, which is older than [`FileKind::name`].
impl Serialize for FileKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Setup(_)
            | Self::Vmlinux
            | Self::LinuxImage(FileMachine::RiscV64 | FileMachine::Arm64) => "linux",
            Self::Pe(_) => "pe",
            Self::Elf(_) => "elf",
            Self::Multiboot2 | Self::Multiboot | Self::Pvh => self.name(),
            Self::LinuxImage(_)
            | Self::ArmZImage
            | Self::Compressed(_)
            | Self::Data(_)
            | Self::Empty
            | Self::Unknown(_) => "unknown",
        })
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Multiboot2 => f.write_str("a Multiboot2 image"),
            Self::Setup(program) => program.fmt(f),
            Self::Vmlinux => f.write_str("a Linux vmlinux (ELF)"),
            Self::Multiboot => f.write_str("a Multiboot 1 image"),
            Self::Pvh => f.write_str("ELF with a PVH entry"),
            Self::Pe(pe) => pe.fmt(f),
            Self::Elf(elf) => elf.fmt(f),
            Self::LinuxImage(machine) => write!(f, "a Linux Image for {machine}"),
            Self::ArmZImage => f.write_str("a Linux zImage for arm"),
            Self::Compressed(format) => write!(f, "{format} data inside another compressed file"),
            Self::Data(data) => data.fmt(f),
            Self::Empty => f.write_str("an empty file"),
            Self::Unknown(head) => {
                let head: Vec<String> = head.iter().map(|byte| format!("{byte:02x}")).collect();
                write!(
                    f,
                    "a file of no known format (it begins with {})",
                    head.join(" ")
                )
            }
        }
    }
}

/// The machine of an uncompressed `Image` of Linux (`Documentation/arch/arm64/booting.rst`,
/// `Documentation/arch/riscv/boot-image-header.rst`).
fn bare_image(file: &[u8]) -> Option<FileMachine> {
    let start: ImageStart = read_at(file, 0)?;
    match start.magic {
        ARM64_MAGIC => Some(FileMachine::Arm64),
        RISCV_MAGIC => Some(FileMachine::RiscV64),
        _ => None,
    }
}
