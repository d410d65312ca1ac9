//! Headers of kernels for other machines.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions)]

use super::*;

const FILE: usize = 0x1000;

/// A file with this header.
fn image(magic: [u8; 4], text_offset: u64, image_size: u64, flags: u64, version: u32) -> Vec<u8> {
    let mut file = b"MZ\0\0\0\0\0\0".to_vec();
    for field in [text_offset, image_size, flags] {
        file.extend(field.to_le_bytes());
    }
    file.extend(version.to_le_bytes());
    file.resize(0x38, 0);
    file.extend(magic);
    file.resize(FILE, 0);
    file
}

#[test]
fn kernels_of_debian() {
    // 6.12 for riscv64
    let file = image(RISCV_MAGIC, 0x20_0000, 0x1e6_c000, 0, 2);
    let expected = DtImage {
        machine: DtImageMachine::Riscv64,
        text_offset: 0x20_0000,
        image_size: 0x1e6_c000,
        file_size: FILE as u64,
        anywhere: true,
        efi_stub: true,
    };
    assert!(DtImage::is_one(&file));
    assert_eq!(DtImage::read(&file), Ok(expected));
    // for arm64: 4 KiB pages, anywhere
    let mut file = image(ARM64_MAGIC, 0, 0x263_0000, 0xa, 0);
    file[..2].copy_from_slice(b"\x00\x14");
    let expected = DtImage {
        machine: DtImageMachine::Arm64,
        text_offset: 0,
        image_size: 0x263_0000,
        efi_stub: false,
        ..expected
    };
    assert_eq!(DtImage::read(&file), Ok(expected));
    // before 4.6
    let file = image(ARM64_MAGIC, 0x8_0000, 0x100_0000, 0, 0);
    let image = DtImage::read(&file).unwrap();
    assert_eq!((image.text_offset, image.anywhere), (0x8_0000, false));
}

#[test]
fn memory_is_what_the_header_says() {
    let file = image(RISCV_MAGIC, 0, FILE as u64, 0, 2);
    assert_eq!(DtImage::read(&file).unwrap().image_size, FILE as u64);
    let small = DtImageError::TooSmall {
        image_size: FILE as u64 - 1,
        file_size: FILE as u64,
    };
    let file = image(RISCV_MAGIC, 0, FILE as u64 - 1, 0, 2);
    assert_eq!(DtImage::read(&file), Err(small));
    let file = image(ARM64_MAGIC, 0, 0, 0, 0);
    assert_eq!(DtImage::read(&file), Err(DtImageError::NoSize));
}

#[test]
fn headers_that_cannot_be_satisfied() {
    let refused = |magic, offset, flags, version| {
        DtImage::read(&image(magic, offset, u64::MAX, flags, version)).unwrap_err()
    };
    let error = refused(RISCV_MAGIC, 0, 0, 0x1_0002);
    assert_eq!(error, DtImageError::Version { version: 0x1_0002 });
    for magic in [RISCV_MAGIC, ARM64_MAGIC] {
        let error = refused(magic, 0, 1, 2);
        assert_eq!(error, DtImageError::BigEndian { flags: 1 });
    }
    for (magic, found, align, max) in [
        (RISCV_MAGIC, 0x1000, IMAGE_ALIGN, 64 * IMAGE_ALIGN),
        (RISCV_MAGIC, 65 * IMAGE_ALIGN, IMAGE_ALIGN, 64 * IMAGE_ALIGN),
        (
            RISCV_MAGIC,
            0u64.wrapping_sub(IMAGE_ALIGN),
            IMAGE_ALIGN,
            64 * IMAGE_ALIGN,
        ),
        (ARM64_MAGIC, 0x80, PAGE_SIZE, IMAGE_ALIGN - PAGE_SIZE),
        (ARM64_MAGIC, IMAGE_ALIGN, PAGE_SIZE, IMAGE_ALIGN - PAGE_SIZE),
    ] {
        let expected = DtImageError::Offset { found, align, max };
        assert_eq!(refused(magic, found, 0, 2), expected);
    }
    for (file, found) in [
        (vec![], [0; 4]),
        (image(RISCV_MAGIC, 0, 1, 0, 2)[..63].to_vec(), [0; 4]),
        (image(*b"abcd", 0, 1, 0, 2), *b"abcd"),
    ] {
        assert!(!DtImage::is_one(&file));
        assert_eq!(DtImage::read(&file), Err(DtImageError::NoHeader { found }));
    }
}
