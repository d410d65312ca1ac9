//! The Multiboot2 header: finding it and walking its tags (Multiboot2
//! specification, section 3.1).
//!
//! 1. It lies entirely in the first 32768 bytes, at a multiple of 8.
//! 2. Magic, architecture, length and checksum add up to 0 modulo 2^32. A magic
//!    number with another sum is ignored, and the search continues.
//! 3. A header for another architecture is skipped too, as in GRUB. If no other
//!    header follows, the error reports its architecture.
//! 4. Tags follow, each at a multiple of 8 from the header's start, up to an
//!    end tag within the header's length.

use super::bytes::read_at;
use super::error::{ImageErrorReason, TagSizeRule};
use crate::abi::multiboot2::{HeaderTagFlags, HeaderTagStart, Mb2HeaderStart};
use multiboot2_header::{HEADER_SEARCH_LIMIT, HeaderTagISA, MAGIC};

/// Bytes before the first tag.
const FIXED_BYTES: usize = size_of::<Mb2HeaderStart>();
/// Bytes before a tag's own fields.
pub const TAG_BYTES: usize = size_of::<HeaderTagStart>();
/// Alignment of the header in the file and of tags in the header, in bytes.
pub const ALIGN: usize = 8;

/// A Multiboot2 header. Only its checksum and architecture have been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mb2Header {
    /// Offset in the file, in bytes.
    pub offset: usize,
    /// Length field, in bytes.
    pub length: u32,
}

/// There is no header for x86.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoHeader {
    /// None at all.
    Missing,
    /// One for another architecture.
    Foreign {
        /// Where it is in the file, in bytes.
        offset: usize,
        /// Its architecture field.
        arch: u32,
    },
}

/// One tag, unparsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawTag<'a> {
    /// Offset in the file, in bytes.
    pub offset: usize,
    /// Tag type.
    pub kind: u16,
    /// Flags field.
    pub flags: HeaderTagFlags,
    /// Size field: 8 bytes of tag header plus `payload`, without padding.
    pub size: u32,
    /// Fields after the size field.
    pub payload: &'a [u8],
}

impl RawTag<'_> {
    /// True when the tag is not marked optional.
    #[must_use]
    pub const fn required(&self) -> bool {
        !self.flags.contains(HeaderTagFlags::OPTIONAL)
    }

    /// Returns the complete 32-bit words of the payload.
    pub fn words(&self) -> impl Iterator<Item = u32> + Clone + '_ {
        let (words, _) = self.payload.as_chunks::<4>();
        words.iter().map(|word| u32::from_le_bytes(*word))
    }
}

impl Mb2HeaderStart {
    /// True when the magic number is right.
    pub(super) const fn has_magic(&self) -> bool {
        self.magic.get() == MAGIC
    }

    /// Returns the checksum that makes the sum 0.
    pub(super) const fn expected_checksum(&self) -> u32 {
        0_u32
            .wrapping_sub(self.magic.get())
            .wrapping_sub(self.architecture.get())
            .wrapping_sub(self.length.get())
    }

    /// True when the magic number and the checksum are right.
    pub(super) const fn is_header(&self) -> bool {
        self.has_magic() && self.checksum.get() == self.expected_checksum()
    }
}

/// Finds the header in an unpacked file.
///
/// # Errors
/// When there is none, or only one for another architecture.
pub fn find(file: &[u8]) -> Result<Mb2Header, NoHeader> {
    let mut why = NoHeader::Missing;
    let limit = file.len().min(HEADER_SEARCH_LIMIT);
    for offset in (0..limit).step_by(ALIGN) {
        let Some(start) = read_at::<Mb2HeaderStart>(file, offset) else {
            break;
        };
        if !start.is_header() {
            continue;
        }
        let (arch, length) = (start.architecture.get(), start.length.get());
        if arch == HeaderTagISA::I386.val() {
            return Ok(Mb2Header { offset, length });
        }
        if why == NoHeader::Missing {
            why = NoHeader::Foreign { offset, arch };
        }
    }
    Err(why)
}

/// True when the header has an address tag (2).
pub(super) fn has_address_tag(file: &[u8], header: &Mb2Header) -> bool {
    tags(file, header).is_ok_and(|(tags, _)| tags.iter().any(|tag| tag.kind == 2))
}

/// Returns the tags of `header` in file order, without the end tag. Adds a
/// warning for each irregularity.
///
/// # Errors
/// When the header or a tag exceeds its bounds, or the end tag is missing.
pub fn tags<'a>(
    file: &'a [u8],
    header: &Mb2Header,
) -> Result<(Vec<RawTag<'a>>, Vec<String>), ImageErrorReason> {
    let Mb2Header { offset, length } = *header;
    let limit = file.len().min(HEADER_SEARCH_LIMIT);
    let available = limit.saturating_sub(offset);
    let end = usize::try_from(length)
        .ok()
        .and_then(|length| offset.checked_add(length));
    let (Some(end), true) = (end, length >= 0x18) else {
        return Err(bad_length(file, header, available));
    };
    if end > limit {
        return Err(bad_length(file, header, available));
    }
    let mut tags = Vec::new();
    let mut warnings = Vec::new();
    let mut at = offset + FIXED_BYTES;
    let no_end = ImageErrorReason::NoEndTag { offset, length };
    loop {
        let bytes = file.get(at..end).ok_or_else(|| no_end.clone())?;
        let Some(start) = read_at::<HeaderTagStart>(bytes, 0) else {
            return Err(no_end);
        };
        let (kind, size) = (start.kind.get(), start.size.get());
        let bad_size = |expected| ImageErrorReason::TagSize {
            kind,
            offset: at,
            found: size,
            expected,
        };
        let len = usize::try_from(size).unwrap_or(usize::MAX);
        if kind == 0 && len != TAG_BYTES {
            return Err(bad_size(TagSizeRule::End));
        }
        if kind == 0 {
            if at + TAG_BYTES != end {
                let extra = end - at - TAG_BYTES;
                warnings.push(format!("{extra} bytes of the header follow its end tag"));
            }
            return Ok((tags, warnings));
        }
        let payload = bytes
            .get(TAG_BYTES..len)
            .ok_or_else(|| bad_size(TagSizeRule::UpTo(bytes.len())))?;
        tags.push(RawTag {
            offset: at,
            kind,
            flags: HeaderTagFlags::from_bits_retain(start.flags.get()),
            size,
            payload,
        });
        // `len` is within `bytes`, so neither sum can overflow
        at += len.next_multiple_of(ALIGN);
    }
}

fn bad_length(file: &[u8], header: &Mb2Header, available: usize) -> ImageErrorReason {
    let limit = if file.len() < HEADER_SEARCH_LIMIT {
        "the end of the file"
    } else {
        "the first 32 KiB of the file"
    };
    ImageErrorReason::HeaderLength {
        offset: header.offset,
        length: header.length,
        available,
        limit,
    }
}
