//! First bytes of Linux kernels that x86 does not start: the uncompressed `Image` of arm64, riscv64 and loongarch64, and
//! the compressed one that EFI unpacks ("zboot"). Linux, `arch/arm64/include/asm/image.h` and
//! `drivers/firmware/efi/libstub/zboot-header.S`.

use std::mem::offset_of;
use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `magic` of arm64.
pub const ARM64_MAGIC: [u8; 4] = *b"ARM\x64";
/// `magic` of riscv.
pub const RISCV_MAGIC: [u8; 4] = *b"RSC\x05";
/// `magic` of a zboot image.
pub const ZBOOT_MAGIC: [u8; 4] = *b"zimg";
/// `linux_magic` of kernels with an EFI stub.
pub const LINUX_PE_MAGIC: [u8; 4] = 0x8182_23cd_u32.to_le_bytes();

/// Bit of `flags`: the kernel is big endian.
pub const IMAGE_BIG_ENDIAN: u64 = 1;

bitflags::bitflags! {
    /// `flags` of arm64.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Arm64ImageFlags: u64 {
        /// The kernel runs at any multiple of 2 MiB, not only near the start of RAM.
        const ANYWHERE = 1 << 3;
        // endianness and the size of pages
        const _ = !0;
    }
}

/// Start of an `Image`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, Immutable, KnownLayout, Unaligned)]
pub struct ImageStart {
    /// Two instructions; "MZ" with an EFI stub.
    pub code: [u8; 8],
    /// Offset from the start of RAM.
    pub text_offset: U64,
    /// Memory that it takes.
    pub image_size: U64,
    /// Bit 0: [`IMAGE_BIG_ENDIAN`]; of arm64 also [`Arm64ImageFlags`].
    pub flags: U64,
    /// Of riscv: major version of the header in the upper half.
    pub version: U32,
    /// Reserved, and an older magic number of riscv.
    pub reserved: [u8; 20],
    /// [`ARM64_MAGIC`] or [`RISCV_MAGIC`].
    pub magic: [u8; 4],
    /// Offset of the PE header.
    pub pe_offset: U32,
}

/// Start of a zboot image.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, Immutable, KnownLayout, Unaligned)]
pub struct ZbootStart {
    /// "MZ".
    pub mz: [u8; 4],
    /// [`ZBOOT_MAGIC`].
    pub magic: [u8; 4],
    /// Offset of the compressed kernel.
    pub payload_offset: U32,
    /// Its length.
    pub payload_size: U32,
    /// Reserved.
    pub reserved: [u8; 8],
    /// Name of the compression, ended by a NUL.
    pub compression: [u8; 32],
    /// [`LINUX_PE_MAGIC`].
    pub linux_magic: [u8; 4],
    /// Offset of the PE header.
    pub pe_offset: U32,
}

const _: () = assert!(size_of::<ImageStart>() == 64);
const _: () = assert!(offset_of!(ImageStart, magic) == 0x38);
const _: () = assert!(size_of::<ZbootStart>() == 64);

/// Start of a zImage of 32-bit ARM (Linux, `arch/arm/boot/compressed/head.S`).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, Immutable, KnownLayout, Unaligned)]
pub struct ZImageStart {
    /// Instructions.
    pub code: [u8; ARM_ZIMAGE_AT],
    /// [`ARM_ZIMAGE_MAGIC`].
    pub magic: U32,
    /// Address of the first byte, where it was linked.
    pub start: U32,
    /// Address after the last one.
    pub end: U32,
    /// 0x04030201 in the kernel's byte order.
    pub endianness: U32,
    /// 0x45454545 if a table of tags follows.
    pub magic2: U32,
    /// Its offset.
    pub table: U32,
}

/// The tag of a zImage with the sizes of its kernel (Linux, `arch/arm/boot/compressed/vmlinux.lds.S`).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, Immutable, KnownLayout, Unaligned)]
pub struct ZImageSizes {
    /// Words of the tag; 0 after the last one.
    pub words: U32,
    /// Kind.
    pub tag: U32,
    /// Offset of a word: bytes of the unpacked kernel.
    pub size_at: U32,
    /// Bytes of its zeroed data.
    pub bss: U32,
    /// Offset of the kernel from the start of RAM.
    pub text_offset: U32,
}

const _: () = assert!(size_of::<ZImageStart>() == 0x3c && size_of::<ZImageSizes>() == 20);

/// Offset of [`ARM_ZIMAGE_MAGIC`] (Linux, `arch/arm/boot/compressed/head.S`).
pub const ARM_ZIMAGE_AT: usize = 0x24;
/// A zImage of 32-bit ARM.
pub const ARM_ZIMAGE_MAGIC: u32 = 0x016f_2818;
