//! Decompresses files, with the format detected by magic number.
//!
//! 1. One container is unpacked: gzip, xz, zstd, lz4 (frames and the legacy
//!    format that `lz4 -l` and Linux use), bzip2 or lzma. Other data is
//!    returned unchanged.
//! 2. Concatenated members or frames of the same format are all unpacked. Data
//!    after them (zero padding, an uncompressed archive, another format) is
//!    appended unchanged, as an initrd may have it.
//! 3. A truncated stream is an error, and so is a wrong checksum or length.
//!    `.lzma` and legacy lz4 have no checksum.
//! 4. Output is limited. Memory is not allocated by size fields of headers
//!    alone.

mod error;
mod lz4;
mod lzma;
mod sink;
mod stream;
#[cfg(test)]
mod tests;
mod zstd;

pub use error::DecompressError;

use serde::Serialize;
use sink::{Fault, Sink};
use std::fmt;

/// Maximum unpacked size of a file, in bytes.
pub const MAX_UNPACKED: u64 = 4 << 30;

/// A compression container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// The .xz file format.
    Xz,
    /// RFC 8878.
    Zstd,
    /// LZ4 frame format.
    Lz4,
    /// LZ4 legacy format, magic 0x184c2102.
    Lz4Legacy,
    /// bzip2.
    Bzip2,
    /// LZMA-alone (.lzma).
    Lzma,
}

impl Compression {
    /// Detects the container at the start of `bytes` by magic number; for
    /// formats whose magic is short, by the fields after it as well.
    #[must_use]
    pub fn sniff(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(&stream::GZIP_MAGIC) {
            // a fourth byte with reserved flags is no gzip (RFC 1952 2.3.1.2)
            return bytes
                .get(3)
                .is_none_or(|flags| flags & 0xe0 == 0)
                .then_some(Self::Gzip);
        }
        if bytes.starts_with(&lzma::XZ_MAGIC) {
            return Some(Self::Xz);
        }
        if zstd::starts_with_frame(bytes) {
            return Some(Self::Zstd);
        }
        if bytes.starts_with(&lz4::FRAME_MAGIC) {
            return Some(Self::Lz4);
        }
        if bytes.starts_with(&lz4::LEGACY_MAGIC) {
            return Some(Self::Lz4Legacy);
        }
        if stream::is_bzip2(bytes) {
            return Some(Self::Bzip2);
        }
        lzma::is_lzma_alone(bytes).then_some(Self::Lzma)
    }

    /// Returns the usual name of the format.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
            Self::Lz4Legacy => "lz4 (legacy)",
            Self::Bzip2 => "bzip2",
            Self::Lzma => "lzma",
        }
    }

    /// Returns the command that tests such a file.
    const fn test_command(self) -> &'static str {
        match self {
            Self::Gzip => "gzip -t",
            Self::Xz | Self::Lzma => "xz -t",
            Self::Zstd => "zstd -t",
            Self::Lz4 | Self::Lz4Legacy => "lz4 -t",
            Self::Bzip2 => "bzip2 -t",
        }
    }

    /// Unpacks one member at the start of `input`; returns its length there.
    fn member(self, input: &[u8], sink: &mut Sink) -> Result<usize, Fault> {
        match self {
            Self::Gzip => stream::gzip(input, sink),
            Self::Bzip2 => stream::bzip2(input, sink),
            Self::Xz => lzma::xz(input, sink),
            Self::Lzma => lzma::lzma_alone(input, sink),
            Self::Zstd => zstd::frames(input, sink),
            Self::Lz4 => lz4::frame(input, sink),
            Self::Lz4Legacy => lz4::legacy(input, sink),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Result of [`decompress`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// Unpacked bytes.
    pub bytes: Vec<u8>,
    /// Removed containers, outermost first; empty for a plain file.
    pub layers: Vec<Compression>,
    /// Number of bytes at the end of `bytes` that were uncompressed after the
    /// last compressed member. 0 for a plain file.
    pub raw_tail: usize,
}

/// Unpacks `bytes` if they are compressed, up to [`MAX_UNPACKED`]. `what` names
/// the file in errors.
///
/// # Errors
/// When the compressed data is truncated, damaged, unsupported or too large.
pub fn decompress(bytes: Vec<u8>, what: &str) -> Result<Unpacked, DecompressError> {
    decompress_capped(bytes, what, MAX_UNPACKED)
}

/// Like [`decompress`]; `available` is the memory that it may take, in bytes, if it is known.
///
/// # Errors
/// Those of [`decompress`], and when it takes more.
pub fn decompress_within(
    bytes: Vec<u8>,
    what: &str,
    available: Option<u64>,
) -> Result<Unpacked, DecompressError> {
    let available = available.filter(|available| *available < MAX_UNPACKED);
    let limit = available.unwrap_or(MAX_UNPACKED);
    decompress_capped(bytes, what, limit).map_err(|error| match error {
        DecompressError::TooLarge { what, format, .. } if available.is_some() => {
            let available = limit;
            DecompressError::TooLittleMemory {
                what,
                format,
                available,
            }
        }
        error => error,
    })
}

/// Like [`decompress`], with a limit of `limit` bytes.
///
/// # Errors
/// Those of [`decompress`].
pub fn decompress_capped(
    bytes: Vec<u8>,
    what: &str,
    limit: u64,
) -> Result<Unpacked, DecompressError> {
    let Some(format) = Compression::sniff(&bytes) else {
        return Ok(Unpacked {
            bytes,
            layers: Vec::new(),
            raw_tail: 0,
        });
    };
    let mut sink = Sink::new(limit);
    let raw_tail = members(&bytes, format, &mut sink)
        .map_err(|(start, fault)| explain(fault, what, format, bytes.len(), start, &sink))?;
    Ok(Unpacked {
        bytes: sink.into_bytes(),
        layers: vec![format],
        raw_tail,
    })
}

/// Unpacks the first `len` bytes of the result of [`decompress`], or all of a
/// shorter result. The rest is neither unpacked nor checked.
///
/// # Errors
/// Those of [`decompress`], for that part of the data.
pub fn decompress_prefix(bytes: &[u8], what: &str, len: u64) -> Result<Vec<u8>, DecompressError> {
    let Some(format) = Compression::sniff(bytes) else {
        let len = bytes.len().min(usize::try_from(len).unwrap_or(usize::MAX));
        return Ok(bytes.get(..len).unwrap_or_default().to_vec());
    };
    let mut sink = Sink::prefix(len);
    match members(bytes, format, &mut sink) {
        Ok(_) | Err((_, Fault::TooLarge)) => Ok(sink.into_bytes()),
        Err((start, fault)) => Err(explain(fault, what, format, bytes.len(), start, &sink)),
    }
}

/// Unpacks all members of `format` and appends the data after them; returns the
/// length of that data. An error contains the offset of its member.
fn members(bytes: &[u8], format: Compression, sink: &mut Sink) -> Result<usize, (usize, Fault)> {
    let mut start = 0;
    loop {
        let rest = bytes.get(start..).unwrap_or_default();
        if Compression::sniff(rest) != Some(format) {
            sink.push(rest).map_err(|fault| (start, fault))?;
            return Ok(rest.len());
        }
        let used = format.member(rest, sink).map_err(|fault| (start, fault))?;
        // a member has at least its magic number, so this loop ends
        start += used.max(1);
    }
}

fn explain(
    fault: Fault,
    what: &str,
    format: Compression,
    len: usize,
    start: usize,
    sink: &Sink,
) -> DecompressError {
    let what = what.to_string();
    match fault {
        Fault::Truncated => DecompressError::Truncated {
            what,
            format,
            len,
            start,
        },
        Fault::Corrupt(detail) => DecompressError::Corrupt {
            what,
            format,
            start,
            detail,
        },
        Fault::TooLarge => DecompressError::TooLarge {
            what,
            format,
            limit: sink.limit(),
        },
        Fault::Unsupported(detail) => DecompressError::Unsupported {
            what,
            format,
            detail,
        },
        Fault::Memory => DecompressError::Memory {
            what,
            format,
            reached: sink.len(),
        },
    }
}
