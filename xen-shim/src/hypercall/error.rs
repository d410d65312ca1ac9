//! Errors of hypercalls.

use super::explain::Meaning;
use super::{Errno, LoadProblem};
use crate::fix::{Fix, Remedy, tail};

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HypercallError {
    /// No device for hypercalls.
    #[error("no access to Xen: neither /dev/xen/privcmd nor /proc/xen/privcmd exists{}", tail(self.fix()))]
    NoDevice,
    /// The device is there but does not open.
    #[error("{path}: {errno}{}", tail(self.fix()))]
    Open {
        /// The device.
        path: &'static str,
        /// Error of open(2).
        errno: Errno,
    },
    /// No memory for a hypercall buffer.
    #[error("cannot lock {len} bytes of memory for a hypercall ({errno}){}", tail(self.fix()))]
    Memory {
        /// Bytes asked for.
        len: usize,
        /// Error of mmap(2).
        errno: Errno,
    },
    /// Frames of the machine could not be mapped.
    #[error("Xen does not allow dom0 to map machine frame {mfn:#x} (domain {domain:#x}): {errno}")]
    Map {
        /// Owner of the frame.
        domain: u16,
        /// The first frame refused.
        mfn: u64,
        /// Error of the mapping.
        errno: Errno,
    },
    /// KEXEC_CMD_kexec_load failed.
    #[error("Xen refused the image ({errno}): {problem}")]
    Load {
        /// Xen's answer.
        errno: Errno,
        /// Its meaning for this image.
        problem: LoadProblem,
    },
    /// Any other hypercall failed.
    #[error("{call} failed ({errno}): {meaning}")]
    Call {
        /// Its name in Xen's headers.
        call: &'static str,
        /// Xen's answer.
        errno: Errno,
        /// Its meaning for this call.
        meaning: Meaning,
    },
    /// Xen returned an impossible answer.
    #[error("{call}: {answer}")]
    Nonsense {
        /// Its name in Xen's headers.
        call: &'static str,
        /// The answer, and the expected one.
        answer: String,
    },
}

impl Fix for HypercallError {
    fn fix(&self) -> Remedy {
        let fix = match self {
            Self::NoDevice => "load the kernel module (`modprobe xen-privcmd`)",
            Self::Open {
                errno: Errno::EACCES | Errno::EPERM,
                ..
            } => "run as root",
            Self::Memory { .. } => "free some memory in dom0, or raise RLIMIT_MEMLOCK",
            Self::Load { problem, .. } => return problem.fix(),
            Self::Call { meaning, .. } => return meaning.fix(),
            Self::Open { .. } | Self::Map { .. } | Self::Nonsense { .. } => return None,
        };
        Some(fix.into())
    }
}

impl HypercallError {
    /// The error number, where there is one.
    #[must_use]
    pub const fn errno(&self) -> Option<Errno> {
        match self {
            Self::NoDevice | Self::Nonsense { .. } => None,
            Self::Open { errno, .. }
            | Self::Memory { errno, .. }
            | Self::Map { errno, .. }
            | Self::Load { errno, .. }
            | Self::Call { errno, .. } => Some(*errno),
        }
    }
}
