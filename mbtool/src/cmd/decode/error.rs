//! A log that cannot be unpacked, or in which nothing is found.

use crate::decode::handoff_log::LogContext;
use crate::decode::noise::ByteCount;
use crate::decompress::{Compression, DecompressError};
use crate::image::FileKind;
use xen_shim::fix::{Fix, Remedy, tail};

/// Why a compressed log cannot be unpacked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackedLogError {
    /// It unpacks to more than the limit.
    #[error("{name}: its {format} data unpacks to more than the limit of {limit} bytes{}", tail(self.fix()))]
    TooLarge {
        /// Name of the log.
        name: String,
        /// Its container.
        format: Compression,
        /// Limit in bytes.
        limit: u64,
    },
    /// It is damaged, or of an unsupported kind.
    #[error(transparent)]
    Unpack(DecompressError),
}

impl From<DecompressError> for PackedLogError {
    fn from(error: DecompressError) -> Self {
        match error {
            DecompressError::TooLarge {
                what,
                format,
                limit,
            } => Self::TooLarge {
                name: what,
                format,
                limit,
            },
            error => Self::Unpack(error),
        }
    }
}

impl Fix for PackedLogError {
    fn fix(&self) -> Remedy {
        match self {
            Self::TooLarge { .. } => Some("unpack it, and give the part with the boot".into()),
            Self::Unpack(error) => error.fix(),
        }
    }
}

/// Why nothing is found, from the bytes of the log and the handoff's lines in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NothingFound {
    /// No byte.
    #[error("{name}: the log is empty{}", tail(self.fix()))]
    Empty {
        /// Name of the log.
        name: String,
    },
    /// Text of something else.
    #[error(
        "{name}: nothing found in {}: no line of mbtool's handoff; no boot, panic or known failure of Xen or \
         Linux; no exception dump (mbtool, Xen, Linux, EDK2, QEMU, KVM)",
        match lines {
            1 => "1 line".to_owned(),
            lines => format!("{lines} lines"),
        }
    )]
    Text {
        /// Name of the log.
        name: String,
        /// Number of lines.
        lines: usize,
    },
    /// A file of another kind.
    #[error("{name}: is {kind}, not a log{}", tail(self.fix()))]
    OtherFile {
        /// Name of the file.
        name: String,
        /// What it is.
        kind: FileKind,
    },
    /// Bytes that are no text.
    #[error("{name}: nothing found, and {percent} % of its {bytes} bytes are no text{}", tail(self.fix()))]
    Noise {
        /// Name of the log.
        name: String,
        /// Number of bytes.
        bytes: u64,
        /// Share of those that no console prints.
        percent: u64,
    },
    /// The handoff found damaged segments.
    #[error(
        "{name}: no exception dump, but damaged segments, which the handoff did not start: {}",
        segments.join(", ")
    )]
    Damaged {
        /// Name of the log.
        name: String,
        /// Names of the segments.
        segments: Vec<String>,
    },
    /// The log ends in the handoff.
    #[error("{name}: no exception dump, and the handoff at {base:#x} did not reach its jump")]
    NoJump {
        /// Name of the log.
        name: String,
        /// Address of the handoff.
        base: u64,
    },
    /// The target was started, and printed nothing.
    #[error(
        "{name}: no exception dump: the handoff jumped to {target} and saw no fault, and nothing follows{}",
        tail(self.fix())
    )]
    Jumped {
        /// Name of the log.
        name: String,
        /// Description of the target.
        target: String,
        /// True when the guard was active.
        guard: bool,
    },
}

impl NothingFound {
    /// The reason, for the log `name` of `lines` lines.
    pub(super) fn of(
        name: &str,
        log: &LogContext,
        bytes: ByteCount,
        kind: FileKind,
        lines: usize,
    ) -> Self {
        let name = name.to_owned();
        if !log.damaged.is_empty() {
            let segments = log.damaged.clone();
            return Self::Damaged { name, segments };
        }
        match (&log.jump, &log.handoff) {
            (Some(target), _) => Self::Jumped {
                name,
                target: target.clone(),
                guard: log.guard.is_some(),
            },
            (None, Some((_, base))) => Self::NoJump { name, base: *base },
            (None, None) if bytes.total == 0 => Self::Empty { name },
            (None, None) if bytes.is_noise() && !matches!(kind, FileKind::Unknown(_)) => {
                Self::OtherFile { name, kind }
            }
            (None, None) if bytes.is_noise() => Self::Noise {
                name,
                bytes: bytes.total,
                percent: bytes.percent(),
            },
            (None, None) => Self::Text { name, lines },
        }
    }
}

impl Fix for NothingFound {
    fn fix(&self) -> Remedy {
        let fix = match self {
            Self::Empty { .. } => "check that the console's output is recorded",
            Self::Noise { .. } => "check port and baud rate",
            Self::OtherFile {
                kind: FileKind::Compressed(_),
                ..
            } => "unpack it: of several layers, one is unpacked",
            Self::OtherFile { .. } => "give what the serial console printed",
            Self::Jumped { guard: false, .. } => "if it died silently, load it with --guard",
            Self::Jumped { .. }
            | Self::Damaged { .. }
            | Self::NoJump { .. }
            | Self::Text { .. } => return None,
        };
        Some(fix.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decompress::decompress_capped;

    #[test]
    fn a_log_that_unpacks_to_too_much_has_advice_of_its_own() {
        let packed = {
            use std::io::Write;
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(&[b'a'; 5000]).unwrap();
            gzip.finish().unwrap()
        };
        let error = |log: &[u8], limit| {
            let result = decompress_capped(log.to_vec(), "log", limit);
            PackedLogError::from(result.unwrap_err())
        };
        let expected = PackedLogError::TooLarge {
            name: "log".to_owned(),
            format: Compression::Gzip,
            limit: 4999,
        };
        assert_eq!(error(&packed, 4999), expected);
        assert!(!expected.fix().unwrap().contains("module"));
        let cut = error(&packed[..packed.len() - 4], 5000);
        let PackedLogError::Unpack(inner) = &cut else {
            panic!("{cut:?}");
        };
        assert_eq!(cut.fix(), inner.fix());
    }
}
