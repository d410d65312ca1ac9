//! A log in which nothing is found.

use crate::decode::handoff_log::LogContext;
use crate::decode::noise::ByteCount;
use xen_shim::fix::{Fix, Remedy, tail};

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
    pub(super) fn of(name: &str, log: &LogContext, bytes: ByteCount, lines: usize) -> Self {
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
            Self::Jumped { guard: false, .. } => "if it died silently, load it with --guard",
            Self::Jumped { .. }
            | Self::Damaged { .. }
            | Self::NoJump { .. }
            | Self::Text { .. } => return None,
        };
        Some(fix.into())
    }
}
