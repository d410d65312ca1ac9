//! Linux's zImage for 32-bit ARM, which unpacks itself: `arch/arm/boot/compressed/head.S` and `vmlinux.lds.S` of Linux. All
//! fields are untrusted input.
//!
//! It is placed above the memory of the unpacked kernel, so that it need not move itself out of the way, and after its
//! initial page tables. [`DtImage::text_offset`] is the distance of the file from [`ARM_KERNEL_FLOOR`] above the start of
//! RAM.

use super::dt_image::{DtImage, DtImageMachine};
use crate::abi::kernel_image::{ARM_ZIMAGE_AT, ARM_ZIMAGE_MAGIC, ZImageSizes, ZImageStart};
use crate::image::bytes;
use crate::image::layout::ImageLayout;
use crate::image::{Format, LoadSegment};
use handoff::addr::{MIB, PAGE_SIZE, PhysRange, align_up};
use xen_shim::fix::{Fix, Remedy, tail};

/// Where the memory of a kernel begins, from the start of RAM: its first page tables (of five pages with LPAE) end at
/// 32 KiB.
pub const ARM_KERNEL_FLOOR: u64 = 0x3000;
/// Bytes of the header.
const HEADER: u64 = 0x3c;
/// `ARM_ZIMAGE_MAGIC2`: a table of tags follows.
const MAGIC2: u32 = 0x4545_4545;
/// The tag with the sizes of the kernel.
const TAG_SIZES: u32 = 0x5a53_4c4b;
/// Words of that tag that are used, with its header.
const TAG_WORDS: u32 = 5;
/// Largest unpacked kernel: the decompressor's own region of RAM is 128 MiB.
const MAX: u64 = 96 * MIB;
/// Without the table (before Linux 4.15): the kernel is at most so many times the file, and this far from the start of RAM.
const RATIO: u64 = 5;
const TEXT_OFFSET: u64 = 0x20_8000;
/// Memory that the decompressor uses after its file: its data, stack and heap, and a copy of the device tree.
const SCRATCH: u64 = 3 * MIB;

/// Why a zImage cannot be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZImageError {
    /// The file is shorter than its header says.
    #[error("has {len:#x} bytes, its header says {end:#x}{}", tail(self.fix()))]
    Truncated {
        /// Bytes of the file.
        len: u64,
        /// End of the zImage.
        end: u64,
    },
    /// A big-endian kernel.
    #[error("is big endian ({found:#x} at 0x30, expected 0x04030201){}", tail(self.fix()))]
    BigEndian {
        /// The word.
        found: u32,
    },
    /// A kernel that is larger than any.
    #[error(
        "unpacks to a kernel of {kernel:#x} bytes, which ends {end:#x} bytes from the start of RAM, more than {MAX:#x}{}",
        tail(self.fix())
    )]
    Size {
        /// Bytes of the kernel with its zeroed data.
        kernel: u64,
        /// Its end.
        end: u64,
    },
}

impl Fix for ZImageError {
    fn fix(&self) -> Remedy {
        Some(match self {
            Self::Truncated { .. } | Self::Size { .. } => {
                "the file is damaged: copy it again".into()
            }
            Self::BigEndian { .. } => "give a little-endian kernel".into(),
        })
    }
}

/// Returns true for a zImage.
#[must_use]
pub fn is_zimage(file: &[u8]) -> bool {
    bytes::read_at::<zerocopy::little_endian::U32>(file, ARM_ZIMAGE_AT)
        .is_some_and(|magic| magic == ARM_ZIMAGE_MAGIC)
}

/// Reads the header.
fn read(file: &[u8]) -> Result<DtImage, ZImageError> {
    let len = bytes::len(file);
    let start: ZImageStart =
        bytes::read_at(file, 0).ok_or(ZImageError::Truncated { len, end: HEADER })?;
    let endianness = start.endianness.get();
    if endianness != 0x0403_0201 && endianness != 0 {
        return Err(ZImageError::BigEndian { found: endianness });
    }
    let end = u64::from(start.end.get().wrapping_sub(start.start.get()));
    if end > len {
        return Err(ZImageError::Truncated { len, end });
    }
    let (text_offset, kernel) = match sizes(file, &start) {
        Some(sizes) => sizes,
        None => (TEXT_OFFSET, len * RATIO),
    };
    let end = text_offset.saturating_add(kernel);
    if end > MAX {
        return Err(ZImageError::Size { kernel, end });
    }
    // the file lies after it, on a MiB as loaders place it
    let file_at = align_up(end + PAGE_SIZE, MIB).unwrap_or(MAX);
    Ok(DtImage {
        machine: DtImageMachine::Arm,
        text_offset: file_at - ARM_KERNEL_FLOOR,
        image_size: file_at - ARM_KERNEL_FLOOR + len + SCRATCH,
        file_size: len,
        anywhere: false,
        efi_stub: file.starts_with(b"MZ"),
    })
}

/// Offset of the kernel from the start of RAM, and its size with zeroed data, by the table of tags.
fn sizes(file: &[u8], start: &ZImageStart) -> Option<(u64, u64)> {
    if start.magic2.get() != MAGIC2 {
        return None;
    }
    let mut at = usize::try_from(start.table.get()).ok()?;
    loop {
        let tag: ZImageSizes = bytes::read_at(file, at)?;
        let words = tag.words.get();
        if words == 0 {
            return None;
        }
        if tag.tag.get() == TAG_SIZES && words >= TAG_WORDS {
            let size_at = usize::try_from(tag.size_at.get()).ok()?;
            let size: zerocopy::little_endian::U32 = bytes::read_at(file, size_at)?;
            let kernel = u64::from(size.get()) + u64::from(tag.bss.get());
            return Some((tag.text_offset.get().into(), kernel));
        }
        at = at.checked_add(usize::try_from(words).ok()?.checked_mul(4)?)?;
    }
}

/// Lays out a zImage: one segment with the memory that it uses after its file. Its address is
/// [`DtImage::text_offset`] from that of the kernel's memory.
pub(in crate::image) fn layout(file: &[u8]) -> Result<(ImageLayout, DtImage), ZImageError> {
    let image = read(file)?;
    let layout = ImageLayout {
        format: Format::ZImage,
        position_independent: true,
        segments: vec![LoadSegment {
            range: PhysRange {
                start: 0,
                end: image.file_size + SCRATCH,
            },
            data: file.to_vec(),
        }],
        entry: Some(0),
        notes: Vec::new(),
        sections: None,
        relocs: Vec::new(),
        align: MIB,
        warnings: Vec::new(),
    };
    Ok((layout, image))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions)]
    use super::*;
    use crate::image::synth;
    use proptest::prelude::*;

    /// Debian's 6.12 armmp.
    fn debian(len: u32) -> Vec<u8> {
        synth::zimage(len, 0x15b_9b64)
    }

    #[test]
    fn the_file_is_after_the_unpacked_kernel() {
        let image = read(&debian(0x5c_b200)).unwrap();
        // 0x208000 + 0x15b9b64 + 0x6a62c is 0x182c190
        assert_eq!(image.text_offset, 0x190_0000 - ARM_KERNEL_FLOOR);
        assert_eq!(image.image_size, image.text_offset + 0x5c_b200 + SCRATCH);
        assert_eq!(
            (image.machine, image.file_size),
            (DtImageMachine::Arm, 0x5c_b200)
        );
        // without the table the kernel is as large as it can be
        let mut old = debian(0x5c_b200);
        old[0x34] = 0;
        let image = read(&old).unwrap();
        assert!(image.text_offset + ARM_KERNEL_FLOOR >= TEXT_OFFSET + 5 * 0x5c_b200);
        // another tag before it
        let mut two = debian(0x1000);
        two.copy_within(0x40..0x5c, 0x80);
        two[0x40..0x48].copy_from_slice(&[16, 0, 0, 0, 1, 2, 3, 4]);
        assert_eq!(
            read(&two).unwrap().text_offset,
            0x190_0000 - ARM_KERNEL_FLOOR
        );
    }

    #[test]
    fn damaged_ones_are_named() {
        let whole = debian(0x1000);
        let found = |file: &[u8]| read(file).unwrap_err();
        assert_eq!(
            found(&whole[..0xfff]),
            ZImageError::Truncated {
                len: 0xfff,
                end: 0x1000
            }
        );
        assert!(matches!(
            found(&whole[..0x28]),
            ZImageError::Truncated { len: 0x28, .. }
        ));
        let mut big = whole.clone();
        big[0x30..0x34].copy_from_slice(&0x0403_0201_u32.to_be_bytes());
        assert_eq!(found(&big), ZImageError::BigEndian { found: 0x0102_0304 });
        let mut huge = whole;
        huge[0x63] = 0x40;
        assert!(matches!(found(&huge), ZImageError::Size { .. }));
    }

    proptest! {
        #[test]
        fn arbitrary_headers_are_handled(words in prop::collection::vec(any::<u32>(), 8..64), at in 0..0x100_u32) {
            let mut file: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            file.resize(file.len().max(0x40), 0);
            file[0x24..0x28].copy_from_slice(&ARM_ZIMAGE_MAGIC.to_le_bytes());
            file[0x34..0x38].copy_from_slice(&MAGIC2.to_le_bytes());
            file[0x38..0x3c].copy_from_slice(&at.to_le_bytes());
            if let Ok((layout, image)) = layout(&file) {
                prop_assert!(image.text_offset + ARM_KERNEL_FLOOR <= MAX + MIB);
                prop_assert_eq!(layout.segments[0].data.len() as u64, image.file_size);
            }
        }
    }
}
