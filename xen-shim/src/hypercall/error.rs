//! Errors of hypercalls, with their meaning and a fix.

use super::{Errno, LoadProblem};

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HypercallError {
    /// No device for hypercalls.
    #[error(
        "no way to Xen: neither /dev/xen/privcmd nor /proc/xen/privcmd exists; load the kernel \
         module (`modprobe xen-privcmd`)"
    )]
    NoDevice,
    /// The device is there but does not open.
    #[error("{path}: {errno}{}", if matches!(*errno, Errno::EACCES | Errno::EPERM) { ": run as root" } else { "" })]
    Open {
        /// The device.
        path: &'static str,
        /// Error of open(2).
        errno: Errno,
    },
    /// No memory for a hypercall buffer.
    #[error(
        "no {len} bytes of locked memory for a hypercall ({errno}): free some memory in dom0, or raise RLIMIT_MEMLOCK"
    )]
    Memory {
        /// Bytes asked for.
        len: usize,
        /// Error of mmap(2).
        errno: Errno,
    },
    /// Frames of the machine could not be mapped.
    #[error("Xen does not let dom0 map machine frame {mfn:#x} (domain {domain:#x}): {errno}")]
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
        /// Its meaning, and the remedy.
        meaning: String,
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
