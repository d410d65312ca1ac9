//! A log without an exception dump.

use crate::decode::scan::LogContext;
use xen_shim::fix::{Fix, Remedy, tail};

/// Why there is no dump, from the handoff's lines in the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoDump {
    /// No line of the handoff.
    #[error(
        "{name}: no exception dump, and no line of mbtool's handoff{}",
        tail(self.fix())
    )]
    NoHandoff {
        /// Name of the log.
        name: String,
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
    /// The target was started.
    #[error(
        "{name}: no exception dump: the handoff jumped to {target} and saw no fault{}",
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

impl NoDump {
    /// The reason, for the log `name`.
    pub(super) fn of(name: &str, log: &LogContext) -> Self {
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
            (None, None) => Self::NoHandoff { name },
        }
    }
}

impl Fix for NoDump {
    fn fix(&self) -> Remedy {
        let fix = match self {
            Self::NoHandoff { .. } => "check port and baud rate",
            Self::Jumped { guard: false, .. } => "if it died silently, load it with --guard",
            Self::Jumped { .. } | Self::Damaged { .. } | Self::NoJump { .. } => return None,
        };
        Some(fix.into())
    }
}
