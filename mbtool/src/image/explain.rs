//! Why a file is not the image that it was taken for.

use super::bytes::read_at;
use super::error::{ImageErrorReason, StrayHeaderError};
use super::header::{self, NoHeader};
use super::kind::FileKind;
use super::mb1;
use crate::abi::multiboot2::Mb2HeaderStart;
use multiboot2_header::{HEADER_SEARCH_LIMIT, HeaderTagISA};
use zerocopy::little_endian::U32;

/// How far past the specified limit a Multiboot2 header is searched for, in
/// bytes.
const STRAY_LIMIT: usize = 1 << 20;

/// Explains a file that no loader of this tool takes.
pub(super) fn not_an_image(file: &[u8], kind: FileKind) -> ImageErrorReason {
    stray_header(file, &kind).unwrap_or(ImageErrorReason::NotAnImage { kind })
}

/// Explains a file without a Multiboot (1) header.
pub(super) fn not_multiboot1(file: &[u8]) -> ImageErrorReason {
    let magic = (0..file.len().min(mb1::SEARCH_LIMIT))
        .step_by(4)
        .find(|at| read_at::<U32>(file, *at).is_some_and(|magic| magic == mb1::MAGIC));
    match magic {
        Some(offset) => ImageErrorReason::Multiboot1Checksum { offset },
        None => ImageErrorReason::NotThis {
            wanted: "Multiboot (1)",
            kind: FileKind::of(file),
        },
    }
}

/// Explains a file without a Multiboot2 header for x86.
pub(super) fn not_multiboot2(file: &[u8], why: NoHeader) -> ImageErrorReason {
    if let NoHeader::Foreign { offset, arch } = why {
        let mips = arch == HeaderTagISA::MIPS32.val();
        let name = if mips { "32-bit MIPS" } else { "unknown" };
        return ImageErrorReason::Architecture { offset, arch, name };
    }
    let kind = FileKind::of(file);
    stray_header(file, &kind).unwrap_or(ImageErrorReason::NotThis {
        wanted: "Multiboot2",
        kind,
    })
}

/// Describes a Multiboot2 header that is misplaced or has a wrong checksum.
fn stray_header(file: &[u8], kind: &FileKind) -> Option<ImageErrorReason> {
    if !kind.may_be_a_kernel() {
        return None;
    }
    let mut bad_sum = None;
    for offset in (0..file.len().min(STRAY_LIMIT)).step_by(4) {
        let Some(start) = read_at(file, offset).filter(Mb2HeaderStart::has_magic) else {
            continue;
        };
        let whole = start.is_header();
        let why = match offset {
            _ if !whole => {
                bad_sum = bad_sum.or(Some((offset, start)));
                continue;
            }
            _ if offset >= HEADER_SEARCH_LIMIT => StrayHeaderError::TooFar,
            _ if offset % header::ALIGN != 0 => StrayHeaderError::Unaligned,
            _ => continue,
        };
        return Some(ImageErrorReason::StrayHeader { offset, why });
    }
    let (offset, start) = bad_sum?;
    let why = StrayHeaderError::Checksum {
        found: start.checksum.get(),
        expected: start.expected_checksum(),
    };
    Some(ImageErrorReason::StrayHeader { offset, why })
}
