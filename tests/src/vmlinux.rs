//! The uncompressed kernel inside a Linux image: Debian has no `vmlinux`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use mbtool::decompress::decompress;

// The setup header (Linux, Documentation/arch/x86/boot.rst).
const SETUP_SECTS: usize = 0x1f1;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;
/// Size of the field after the compressed bytes: their unpacked size.
const SIZE_BYTES: usize = 4;

/// Decompresses the ELF file in the bzImage at `path`.
pub fn extract(path: &Path) -> Result<Vec<u8>> {
    let image = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let word = |at: usize| {
        let bytes = image.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize)
    };
    let sectors = usize::from(*image.get(SETUP_SECTS).context("no setup header")?);
    let start = (sectors + 1) * 512 + word(PAYLOAD_OFFSET);
    let end = (start + word(PAYLOAD_LENGTH)).saturating_sub(SIZE_BYTES);
    let packed = image
        .get(start..end)
        .context("the payload is not in the file")?;
    let kernel = decompress(packed.to_vec(), "vmlinux")?.bytes;
    let size = word(end);
    ensure!(
        kernel.len() == size,
        "{} bytes, expected {size}",
        kernel.len()
    );
    ensure!(kernel.starts_with(b"\x7fELF"), "the payload is not ELF");
    Ok(kernel)
}
