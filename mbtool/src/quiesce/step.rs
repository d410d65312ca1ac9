//! Results of the steps.

use super::listed;
use std::path::PathBuf;

/// Result of one step; its message is for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuiesceStep {
    /// This process is locked in memory.
    #[error("memory of this process locked")]
    Locked,
    /// It is not.
    #[error(
        "memory of this process is not locked ({why}): it may hang when its file cannot be read any \
         more"
    )]
    NotLocked {
        /// Error of the system call.
        why: String,
    },
    /// Guests that use devices of this dom0.
    #[error(
        "guests that use devices of this dom0 end without a shutdown: domain {}",
        listed(domains)
    )]
    Guests {
        /// Their domain numbers.
        domains: Vec<u32>,
    },
    /// No other process is left.
    #[error("all other processes ended")]
    Ended,
    /// Other processes are left.
    #[error("{left} processes do not end")]
    NotEnded {
        /// Their number.
        left: usize,
    },
    /// Dirty data is written.
    #[error("file systems synced")]
    Synced,
    /// It is not.
    #[error("file systems are not synced: {why}")]
    NotSynced {
        /// The reason.
        why: String,
    },
    /// No file system on a disk was writable.
    #[error("no file system on a disk is writable")]
    NoneWritable,
    /// All file systems on disks are read-only.
    #[error("{count} file systems read-only")]
    ReadOnly {
        /// Number of those that were writable.
        count: usize,
    },
    /// File systems that cannot be made read-only.
    #[error(
        "still writable after {seconds} s, but synced: {}",
        listed(&left.iter().map(|path| path.display()).collect::<Vec<_>>())
    )]
    Writable {
        /// The timeout.
        seconds: u64,
        /// Their mount points.
        left: Vec<PathBuf>,
    },
    /// Network interfaces are down.
    #[error("{down} network interfaces down{}", except(failed, "but not"))]
    Network {
        /// Number of interfaces.
        down: usize,
        /// Errors of the others.
        failed: Vec<String>,
    },
    /// PCI devices cannot write to memory any more.
    #[error(
        "bus mastering off: {off} PCI devices{}",
        except(failed, "but still on")
    )]
    BusMaster {
        /// Number of devices.
        off: usize,
        /// Addresses of the others, each with its error.
        failed: Vec<String>,
    },
    /// All changes are reverted.
    #[error("restored: {changes} settings of devices and file systems")]
    Restored {
        /// Their number.
        changes: usize,
    },
    /// Not all are.
    #[error("not everything is restored: {}", listed(failed))]
    NotRestored {
        /// The errors.
        failed: Vec<String>,
    },
}

impl QuiesceStep {
    /// False when something could not be done.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        match self {
            Self::Locked
            | Self::Ended
            | Self::Synced
            | Self::NoneWritable
            | Self::ReadOnly { .. }
            | Self::Restored { .. } => true,
            Self::Network { failed, .. } | Self::BusMaster { failed, .. } => failed.is_empty(),
            Self::NotLocked { .. }
            | Self::Guests { .. }
            | Self::NotEnded { .. }
            | Self::NotSynced { .. }
            | Self::Writable { .. }
            | Self::NotRestored { .. } => false,
        }
    }
}

/// `, WHAT: LIST`, or nothing.
fn except(failed: &[String], what: &str) -> String {
    match failed {
        [] => String::new(),
        failed => format!(", {what}: {}", listed(failed)),
    }
}
