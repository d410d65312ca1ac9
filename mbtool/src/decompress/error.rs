//! Why a file could not be unpacked.

use super::Compression;
use xen_shim::fix::{Fix, Remedy, tail};

/// Why a compressed file could not be unpacked. Every message names the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecompressError {
    /// The file stops before its compressed data does.
    #[error(
        "{what}: truncated {format} data: the file ends after {len} bytes inside a stream that \
         begins at byte {start}{}",
        tail(self.fix())
    )]
    Truncated {
        /// The file.
        what: String,
        /// Its container.
        format: Compression,
        /// Length of the file, in bytes.
        len: usize,
        /// Offset of the truncated member.
        start: usize,
    },
    /// The data is inconsistent or has a wrong checksum.
    #[error(
        "{what}: damaged {format} data in the stream that begins at byte {start}: {detail}{}",
        tail(self.fix())
    )]
    Corrupt {
        /// The file.
        what: String,
        /// Its container.
        format: Compression,
        /// Offset of the invalid member.
        start: usize,
        /// Problem.
        detail: String,
    },
    /// More output than allowed.
    #[error(
        "{what}: its {format} data unpacks to more than the limit of {limit} bytes{}",
        tail(self.fix())
    )]
    TooLarge {
        /// The file.
        what: String,
        /// Its container.
        format: Compression,
        /// Limit in bytes.
        limit: u64,
    },
    /// A feature of the format that is not supported.
    #[error("{what}: unsupported {format} data: {detail}")]
    Unsupported {
        /// The file.
        what: String,
        /// Its container.
        format: Compression,
        /// Name of the feature, and a fix.
        detail: String,
    },
    /// More output than the memory that is available.
    #[error(
        "{what}: its {format} data unpacks to more than the {available} bytes of memory that are available"
    )]
    TooLittleMemory {
        /// The file.
        what: String,
        /// Its container.
        format: Compression,
        /// Available memory in bytes.
        available: u64,
    },
    /// Not enough memory for the output.
    #[error("{what}: out of memory after unpacking {reached} bytes of {format} data")]
    Memory {
        /// The file.
        what: String,
        /// Its container.
        format: Compression,
        /// Number of bytes unpacked so far.
        reached: usize,
    },
}

impl Fix for DecompressError {
    fn fix(&self) -> Remedy {
        match self {
            Self::Truncated { format, .. } | Self::Corrupt { format, .. } => Some(
                format!(
                    "copy it again and check it with `{}`",
                    format.test_command()
                )
                .into(),
            ),
            Self::TooLarge { .. } => {
                Some("give it with --module-raw if it is to stay compressed".into())
            }
            Self::Unsupported { .. } | Self::TooLittleMemory { .. } | Self::Memory { .. } => None,
        }
    }
}
