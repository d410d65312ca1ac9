//! A Linux `vmlinux` of a machine with a device tree: the program that its `Image` is made of.

use super::dt_image::{DtImage, DtImageMachine};
use crate::image::elf;
use crate::image::error::{ImageErrorReason, LinuxImageError};
use crate::image::layout::ImageLayout;
use handoff::addr::{MIB, PhysRange};

/// Distance of a riscv64 kernel from the start of RAM (`text_offset` of its `Image`).
const TEXT_OFFSET: u64 = 2 * MIB;

/// Lays out a vmlinux for riscv64. Its segments begin at address 0, as in an `Image`.
///
/// A kernel that is built to be relocated (`ET_DYN`) adds the distance to its own addresses when it starts, by relocations
/// that its build takes out of `vmlinux`: without them it hangs before it prints anything.
///
/// # Errors
///
/// When the file is damaged, or lacks its relocations.
pub(in crate::image) fn layout(file: &[u8]) -> Result<(ImageLayout, DtImage), ImageErrorReason> {
    let (mut layout, relocations) = elf::self_relocating(file)?;
    if relocations == Some(0) {
        return Err(LinuxImageError::NoRelocations.into());
    }
    if let Some(entry) = layout.entry {
        layout.in_loaded(entry, "the ELF header")?;
    }
    let start = layout.segments.iter().map(|segment| segment.range.start);
    let start = start.min().unwrap_or(0);
    for segment in &mut layout.segments {
        segment.range = PhysRange {
            start: segment.range.start - start,
            end: segment.range.end - start,
        };
    }
    let ends = layout.segments.iter().map(|segment| segment.range.end);
    let image_size = ends.max().unwrap_or(0);
    let stored = layout.segments.iter().map(|segment| segment.data.len());
    layout.entry = layout.entry.and_then(|entry| entry.checked_sub(start));
    let image = DtImage {
        machine: DtImageMachine::Riscv64,
        text_offset: TEXT_OFFSET,
        image_size,
        file_size: u64::try_from(stored.sum::<usize>()).unwrap_or(u64::MAX),
        anywhere: true,
        efi_stub: false,
    };
    Ok((layout, image))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;
    use crate::image::synth::vmlinux_riscv64;
    use crate::image::{As, Format, Image, Protocol};

    const LINK: u64 = 0xffff_ffff_8000_0000;

    fn vmlinux(tags: Option<&[(u64, u64)]>) -> Vec<u8> {
        vmlinux_riscv64(tags).build()
    }

    #[test]
    fn its_segments_are_laid_out_as_in_an_image() {
        let image = Image::parse_as(&vmlinux(None), "vmlinux", As::Auto).unwrap();
        let Protocol::DtLinux(header) = &image.protocol else {
            panic!("{:?}", image.protocol);
        };
        assert_eq!(image.format, Format::Elf64);
        assert_eq!(
            (header.text_offset, header.image_size),
            (2 * MIB, 0x30_0000)
        );
        let starts: Vec<u64> = image.segments.iter().map(|one| one.range.start).collect();
        assert_eq!((starts, image.entry), (vec![0, 0x20_0000], 4));
        let placed = image.at(0x8040_0000).unwrap();
        assert_eq!(placed.entry, 0x8040_0004);
        assert_eq!(placed.segments[1].range.start, 0x8060_0000);
    }

    #[test]
    fn an_entry_point_outside_of_all_segments_is_named() {
        let mut file = vmlinux(None);
        let entry = LINK - 0x1000;
        file[24..32].copy_from_slice(&entry.to_le_bytes());
        let error = Image::parse_as(&file, "vmlinux", As::Auto).err().unwrap();
        assert!(
            matches!(error.reason, ImageErrorReason::Entry { entry: found, .. } if found == entry),
            "{error}"
        );
    }

    #[test]
    fn a_relocatable_kernel_needs_its_relocations() {
        const RELASZ: u64 = 8;
        let error = |tags: &[(u64, u64)]| {
            let file = vmlinux(Some(tags));
            Image::parse_as(&file, "vmlinux", As::Auto)
                .err()
                .map(|error| error.reason)
        };
        let missing = Some(ImageErrorReason::Linux(LinuxImageError::NoRelocations));
        assert_eq!(error(&[]), missing);
        assert_eq!(error(&[(RELASZ, 0)]), missing);
        assert_eq!(error(&[(RELASZ, 24)]), None);
    }
}
