//! A compressed `Image` that EFI unpacks (Linux, drivers/firmware/efi/libstub/zboot-header.S).

use crate::abi::kernel_image::{ZBOOT_MAGIC, ZbootStart};
use crate::decompress::{DecompressError, decompress};
use crate::image::bytes;
use xen_shim::fix::{Fix, Remedy, tail};

/// Why the kernel inside cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZbootError {
    /// Outside of the file.
    #[error("its compressed kernel ends after the file: {size:#x} bytes at offset {offset:#x}, and the file has {len:#x}{}", tail(self.fix()))]
    Bounds {
        /// Field `payload_offset`.
        offset: u32,
        /// Field `payload_size`.
        size: u32,
        /// Length of the file in bytes.
        len: usize,
    },
    /// Nothing that is known.
    #[error("its kernel is compressed with \"{name}\", and has no magic number that is known{}", tail(self.fix()))]
    Unknown {
        /// Field `compression`, printable.
        name: String,
    },
    /// Damaged.
    #[error(transparent)]
    Unpack(#[from] DecompressError),
}

impl Fix for ZbootError {
    fn fix(&self) -> Remedy {
        match self {
            Self::Bounds { .. } => Some("the file is damaged or cut short: copy it again".into()),
            Self::Unknown { .. } => Some("give the kernel's Image, unpacked".into()),
            Self::Unpack(error) => error.fix(),
        }
    }
}

/// True for a file with such a header.
pub(in crate::image) fn is_zboot(file: &[u8]) -> bool {
    header(file).is_some()
}

/// The header of such a file.
pub(in crate::image) fn header(file: &[u8]) -> Option<ZbootStart> {
    bytes::read_at::<ZbootStart>(file, 0).filter(|start| start.magic == ZBOOT_MAGIC)
}

impl ZbootStart {
    /// Name of the compression, without the NUL.
    pub(in crate::image) fn compression_name(&self) -> &[u8] {
        let mut parts = self.compression.split(|byte| *byte == 0);
        parts.next().unwrap_or_default()
    }
}

/// Unpacks an EFI zboot image; any other file remains as it is.
///
/// # Errors
///
/// As of a kernel that is such an image.
pub fn unpacked(file: Vec<u8>, name: &str) -> Result<Vec<u8>, ZbootError> {
    match is_zboot(&file) {
        true => unpack(&file, name),
        false => Ok(file),
    }
}

/// The kernel inside.
///
/// # Errors
///
/// When it is outside of the file, damaged, or compressed in another way.
pub(in crate::image) fn unpack(file: &[u8], name: &str) -> Result<Vec<u8>, ZbootError> {
    let Some(start) = header(file) else {
        let (offset, size, len) = (0, 0, file.len());
        return Err(ZbootError::Bounds { offset, size, len });
    };
    let (offset, size) = (start.payload_offset.get(), start.payload_size.get());
    let payload = usize::try_from(offset)
        .ok()
        .and_then(|offset| file.get(offset..))
        .and_then(|rest| rest.get(..usize::try_from(size).ok()?));
    let payload = payload.ok_or(ZbootError::Bounds {
        offset,
        size,
        len: file.len(),
    })?;
    let unpacked = decompress(payload.to_vec(), name)?;
    if unpacked.layers.is_empty() {
        return Err(ZbootError::Unknown {
            name: start.compression_name().escape_ascii().to_string(),
        });
    }
    Ok(unpacked.bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use std::io::Write;

    fn zboot(payload: &[u8], size: usize) -> Vec<u8> {
        let mut file = vec![0; 64];
        file[..4].copy_from_slice(b"MZ\0\0");
        file[4..8].copy_from_slice(&ZBOOT_MAGIC);
        file[8..12].copy_from_slice(&64_u32.to_le_bytes());
        file[12..16].copy_from_slice(&u32::try_from(size).unwrap().to_le_bytes());
        file[24..28].copy_from_slice(b"gzip");
        file.extend(payload);
        file
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_kernel_is_unpacked() {
        let packed = gzip(b"a kernel");
        let file = zboot(&packed, packed.len());
        assert!(is_zboot(&file));
        assert_eq!(unpack(&file, "vmlinuz").unwrap(), b"a kernel");
    }

    #[test]
    fn damage_is_named() {
        let packed = gzip(b"a kernel");
        let outside = zboot(&packed, packed.len() + 1);
        assert!(matches!(
            unpack(&outside, "vmlinuz"),
            Err(ZbootError::Bounds { offset: 64, .. })
        ));
        let cut = zboot(&packed, packed.len() - 4);
        assert!(matches!(
            unpack(&cut, "vmlinuz"),
            Err(ZbootError::Unpack(_))
        ));
        let plain = zboot(b"no compression", 14);
        let name = "gzip".to_owned();
        assert_eq!(unpack(&plain, "vmlinuz"), Err(ZbootError::Unknown { name }));
    }
}
