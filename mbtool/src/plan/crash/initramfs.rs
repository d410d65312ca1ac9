//! Memory that an initramfs occupies once Linux has unpacked it.
//!
//! Format: Documentation/driver-api/early-userspace/buffer-format.rst of Linux. A
//! sequence of "newc" cpio archives, compressed or not, with zeros between them.

use crate::decompress::{Compression, decompress_capped};
use crate::image::Protocol;
use crate::image::cpio::{self, without_zeros};
use crate::plan::Request;
use handoff::addr::{PAGE_SIZE, align_up};

/// Assumed compression ratio of a file that cannot be decompressed.
const UNKNOWN: u64 = 3;
/// Memory per file besides its pages: inode and directory entry, in bytes.
const PER_FILE: u64 = 1 << 10;
/// Maximum unpacked size of a compressed part, in bytes.
const LIMIT: u64 = 2 << 30;
/// Maximum number of parts.
const MAX_PARTS: usize = 64;

/// Size of the unpacked files of all initrds of `request`, in bytes.
pub(crate) fn files(request: &Request) -> u64 {
    // the first module of other images is a kernel
    let skip = match request.image.protocol {
        Protocol::Linux(_) | Protocol::DtLinux(_) => 0,
        Protocol::Multiboot1(_) | Protocol::Multiboot2 | Protocol::Pvh | Protocol::DtXen(..) => 1,
    };
    let initrds = request.modules.iter().skip(skip);
    let files = initrds.map(|module| {
        let packed = module.data.len() as u64;
        let unknown = packed.saturating_mul(UNKNOWN);
        unpacked(&module.data).unwrap_or(unknown).max(packed)
    });
    files.fold(0, u64::saturating_add)
}

/// Returns the memory that the files in `initrd` will occupy, in bytes; `None`
/// when the format is unknown or the data is damaged.
#[must_use]
pub fn unpacked(initrd: &[u8]) -> Option<u64> {
    let mut rest = initrd;
    let mut sum = 0_u64;
    for _ in 0..MAX_PARTS {
        rest = without_zeros(rest);
        if rest.is_empty() {
            return Some(sum);
        }
        let tail = if Compression::sniff(rest).is_some() {
            let unpacked = decompress_capped(rest.to_vec(), "initrd", LIMIT).ok()?;
            let end = unpacked.bytes.len().checked_sub(unpacked.raw_tail)?;
            sum = sum.checked_add(archives(unpacked.bytes.get(..end)?)?)?;
            unpacked.raw_tail
        } else {
            let (bytes, after) = archive(rest)?;
            sum = sum.checked_add(bytes)?;
            after.len()
        };
        rest = rest.get(rest.len().checked_sub(tail)?..)?;
    }
    None
}

/// Sums the files of uncompressed archives.
fn archives(mut rest: &[u8]) -> Option<u64> {
    let mut sum = 0_u64;
    loop {
        rest = without_zeros(rest);
        if rest.is_empty() {
            return Some(sum);
        }
        let (bytes, after) = archive(rest)?;
        sum = sum.checked_add(bytes)?;
        rest = after;
    }
}

/// Returns the size of the files of the archive at the start of `bytes`, and
/// the data after it.
fn archive(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut sum = Some(0_u64);
    let rest = cpio::archive(bytes, |entry| {
        sum = sum.and_then(|sum| {
            let pages = align_up(u64::try_from(entry.len).ok()?, PAGE_SIZE)?;
            sum.checked_add(pages)?.checked_add(PER_FILE)
        });
    })?;
    Some((sum?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression as Level;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use std::io::Write;

    fn archive(files: &[&[u8]]) -> Vec<u8> {
        let files: Vec<(&str, &[u8])> = files.iter().map(|data| ("file", *data)).collect();
        cpio::testing::cpio(&files)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Level::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn all_parts_are_counted() {
        let early = archive(&[&[1; 5000]]);
        let main = archive(&[&[2; 1], &[], &[3; 100_000]]);
        let last = archive(&[&[4; 4096]]);
        let one = 8192 + PER_FILE;
        let two = 4096 + 25 * 4096 + 3 * PER_FILE;
        let three = 4096 + PER_FILE;
        assert_eq!(unpacked(&early), Some(one));
        assert_eq!(unpacked(&gzip(&main)), Some(two));
        // microcode, padding, the main archive, padding, another archive
        let whole = [&early[..], &[0; 300], &gzip(&main), &[0; 3], &last].concat();
        assert_eq!(unpacked(&whole), Some(one + two + three));
        let whole = [&gzip(&main)[..], &gzip(&last), &[0; 512]].concat();
        assert_eq!(unpacked(&whole), Some(two + three));
        assert_eq!(unpacked(&[0; 512]), Some(0));
    }

    #[test]
    fn the_size_of_an_unknown_format_is_not_guessed() {
        let good = archive(&[&[1; 5000]]);
        assert_eq!(unpacked(b"\x53\xef an ext2 image"), None);
        assert_eq!(unpacked(&good[..good.len() - 20]), None);
        assert_eq!(unpacked(&gzip(&good[..200])), None);
        let packed = gzip(&good);
        assert_eq!(unpacked(&packed[..packed.len() - 9]), None);
        let mut negative = good.clone();
        negative[54] = b'-';
        assert_eq!(unpacked(&negative), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_handled(at in 0_usize..300, byte: u8, cut in 0_usize..300) {
            let mut bytes = archive(&[&[1; 10], &[2; 20]]);
            let last = bytes.len() - 1;
            bytes[at.min(last)] = byte;
            let _ = unpacked(&bytes[..cut.min(last)]);
        }
    }
}
