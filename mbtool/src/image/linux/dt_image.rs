//! Linux's `Image` for machines with a device tree: riscv64 (Documentation/arch/riscv/boot-image-header.rst) and arm64
//! (Documentation/arch/arm64/booting.rst). All fields are untrusted input.

use crate::abi::kernel_image::{
    ARM64_MAGIC, Arm64ImageFlags, IMAGE_BIG_ENDIAN, ImageStart, RISCV_MAGIC,
};
use crate::image::bytes;
use crate::image::layout::ImageLayout;
use crate::image::{Format, LoadSegment};
use handoff::addr::{MIB, PAGE_SIZE, PhysRange};
use serde::Serialize;
use xen_shim::fix::{Fix, Remedy, tail};

/// Alignment of the address of such a kernel, in bytes.
pub const IMAGE_ALIGN: u64 = 2 * MIB;
/// Major version of riscv's header.
const RISCV_MAJOR: u32 = 0;

/// The header of an `Image`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DtImage {
    /// The machine that it is for.
    pub machine: DtImageMachine,
    /// riscv64: offset of the kernel from the start of RAM, a multiple of [`IMAGE_ALIGN`]. arm64: from a multiple of
    /// [`IMAGE_ALIGN`], whole pages. 32-bit ARM: of the file from the start of the kernel's memory.
    pub text_offset: u64,
    /// Memory that it needs from its first byte, in bytes: more than the file has.
    pub image_size: u64,
    /// Bytes of the file.
    pub file_size: u64,
    /// arm64: false for a kernel that wants to be near the start of RAM (before Linux 4.6).
    pub anywhere: bool,
    /// It is an EFI application, too.
    pub efi_stub: bool,
}

/// Machine of an [`DtImage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DtImageMachine {
    /// 64-bit RISC-V.
    Riscv64,
    /// 64-bit ARM.
    Arm64,
    /// 32-bit ARM: a zImage.
    Arm,
}

/// Why an `Image` cannot be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DtImageError {
    /// No header.
    #[error(
        "has no header of a Linux Image (\"RSC\\x05\" of riscv64 or \"ARMd\" of arm64 at offset 0x38, found \"{}\"){}",
        found.escape_ascii(), tail(self.fix())
    )]
    NoHeader {
        /// Bytes at the magic number's place; zeros where the file is shorter.
        found: [u8; 4],
    },
    /// Another major version.
    #[error("its header has version {}.{}, known is {RISCV_MAJOR}.x{}", version >> 16, version & 0xffff, tail(self.fix()))]
    Version {
        /// Major version in the upper half.
        version: u32,
    },
    /// A big-endian kernel.
    #[error("is big endian (flags {flags:#x}, bit 0){}", tail(self.fix()))]
    BigEndian {
        /// Field `flags`.
        flags: u64,
    },
    /// A header before the field was there.
    #[error("its image_size is 0, so the memory that it needs is unknown{}", tail(self.fix()))]
    NoSize,
    /// Less memory than bytes.
    #[error("its image_size is {image_size:#x}, less than the {file_size:#x} bytes of the file{}", tail(self.fix()))]
    TooSmall {
        /// Field `image_size`.
        image_size: u64,
        /// Bytes of the file.
        file_size: u64,
    },
    /// An offset that leaves the kernel unaligned.
    #[error("its text_offset is {found:#x}, expected a multiple of {align:#x}, at most {max:#x}{}", tail(self.fix()))]
    Offset {
        /// Field `text_offset`.
        found: u64,
        /// Its alignment.
        align: u64,
        /// Its maximum.
        max: u64,
    },
}

impl Fix for DtImageError {
    fn fix(&self) -> Remedy {
        let fix = match self {
            Self::NoHeader { .. } => {
                "give the kernel's Image (Debian's vmlinux of riscv64 and vmlinuz of arm64 are one), unpacked"
            }
            Self::Version { .. } => "a later mbtool may know it",
            Self::BigEndian { .. } => "give a little-endian kernel",
            Self::NoSize => "give a newer kernel, Linux 3.17 or later",
            Self::TooSmall { .. } | Self::Offset { .. } => "the file is damaged: copy it again",
        };
        Some(fix.into())
    }
}

impl DtImage {
    /// Memory that it takes from its first byte, in bytes. On riscv64 Linux reserves whole pages of 2 MiB for itself
    /// (`setup_bootmem`), and drops an initrd that begins in the last one.
    #[must_use]
    pub const fn memory(&self) -> u64 {
        match self.machine {
            DtImageMachine::Riscv64 => {
                match self.image_size.checked_next_multiple_of(IMAGE_ALIGN) {
                    Some(size) => size,
                    None => u64::MAX,
                }
            }
            DtImageMachine::Arm64 | DtImageMachine::Arm => self.image_size,
        }
    }

    /// True when the file has the magic number of riscv64 or arm64.
    #[must_use]
    pub fn is_one(file: &[u8]) -> bool {
        start(file).is_some_and(|(_, machine)| machine.is_some())
    }

    /// Reads the header.
    ///
    /// # Errors
    ///
    /// When the file has none, or one that cannot be satisfied.
    pub fn read(file: &[u8]) -> Result<Self, DtImageError> {
        let (start, machine) = match start(file) {
            Some((start, Some(machine))) => (start, machine),
            other => {
                let found = other.map(|(start, _)| start.magic).unwrap_or_default();
                return Err(DtImageError::NoHeader { found });
            }
        };
        let (flags, version) = (start.flags.get(), start.version.get());
        if flags & IMAGE_BIG_ENDIAN != 0 {
            return Err(DtImageError::BigEndian { flags });
        }
        // 2 MiB is usual for riscv64, and 0 for a kernel that runs in machine mode
        let (align, max) = match machine {
            DtImageMachine::Riscv64 if version >> 16 != RISCV_MAJOR => {
                return Err(DtImageError::Version { version });
            }
            DtImageMachine::Riscv64 => (IMAGE_ALIGN, 64 * IMAGE_ALIGN),
            DtImageMachine::Arm64 | DtImageMachine::Arm => (PAGE_SIZE, IMAGE_ALIGN - PAGE_SIZE),
        };
        let found = start.text_offset.get();
        if !found.is_multiple_of(align) || found > max {
            return Err(DtImageError::Offset { found, align, max });
        }
        let (image_size, file_size) = (start.image_size.get(), bytes::len(file));
        match image_size {
            0 => return Err(DtImageError::NoSize),
            _ if image_size < file_size => {
                return Err(DtImageError::TooSmall {
                    image_size,
                    file_size,
                });
            }
            _ => {}
        }
        let arm64 = Arm64ImageFlags::from_bits_retain(flags);
        Ok(Self {
            machine,
            text_offset: found,
            image_size,
            file_size,
            anywhere: match machine {
                DtImageMachine::Riscv64 => true,
                DtImageMachine::Arm64 => arm64.contains(Arm64ImageFlags::ANYWHERE),
                DtImageMachine::Arm => false,
            },
            efi_stub: start.code.starts_with(b"MZ"),
        })
    }
}

/// Lays out an `Image`: one segment, entered at its first byte, at whatever address it is placed.
pub(in crate::image) fn layout(file: &[u8]) -> Result<(ImageLayout, DtImage), DtImageError> {
    let image = DtImage::read(file)?;
    let layout = ImageLayout {
        format: Format::Image,
        position_independent: true,
        segments: vec![LoadSegment {
            range: PhysRange {
                start: 0,
                end: image.image_size,
            },
            data: file.to_vec(),
        }],
        entry: Some(0),
        notes: Vec::new(),
        sections: None,
        relocs: Vec::new(),
        align: IMAGE_ALIGN,
        warnings: Vec::new(),
    };
    Ok((layout, image))
}

/// The first bytes, and the machine if its magic number is there.
fn start(file: &[u8]) -> Option<(ImageStart, Option<DtImageMachine>)> {
    let start: ImageStart = bytes::read_at(file, 0)?;
    let machine = match start.magic {
        RISCV_MAGIC => Some(DtImageMachine::Riscv64),
        ARM64_MAGIC => Some(DtImageMachine::Arm64),
        _ => None,
    };
    Some((start, machine))
}

#[cfg(test)]
mod tests;
