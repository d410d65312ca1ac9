//! Why there was no jump.

use crate::backend::BackendError;
use rustix::io::Errno;
use std::path::PathBuf;
use xen_shim::fix::{Fix, Remedy, tail};

/// The end of `mbtool exec` without a jump.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// No image is loaded.
    #[error(
        "no image is loaded{}{}",
        if *crash_only { " (the crash image that is loaded runs when this kernel panics)" } else { "" },
        tail(self.fix())
    )]
    NotLoaded {
        /// True when a crash image is loaded.
        crash_only: bool,
    },
    /// The kernel would refuse.
    #[error(transparent)]
    Refused(#[from] BackendError),
    /// The init system cannot jump at the end of a shutdown.
    #[error("no orderly shutdown is possible: {}{}", .0, tail(self.fix()))]
    NoInit(InitProblem),
    /// mbtool itself would be unmounted before the jump.
    #[error("{}: {why}{}", path.display(), tail(self.fix()))]
    Program {
        /// Path of mbtool.
        path: PathBuf,
        /// Reason.
        why: ProgramProblem,
    },
    /// A file for the init system cannot be written.
    #[error("{}: {source}{}", path.display(), tail(self.fix()))]
    Write {
        /// The file.
        path: PathBuf,
        /// Error of the system call.
        source: std::io::Error,
    },
    /// The command of the init system failed.
    #[error("`{command}` failed: {why}{}", tail(self.fix()))]
    Command {
        /// The command.
        command: String,
        /// Exit status or error.
        why: String,
    },
    /// reboot(2) failed.
    #[error(
        "reboot(LINUX_REBOOT_CMD_KEXEC) failed: {errno}{}{}",
        match *errno {
            Errno::INVAL => ": the kernel has no image loaded",
            Errno::BUSY => ": a load or unload is in progress",
            Errno::PERM => ": it needs CAP_SYS_BOOT in the first user namespace",
            _ => "",
        },
        tail(self.fix())
    )]
    Reboot {
        /// Error of the system call.
        errno: Errno,
    },
}

impl Fix for ExecError {
    fn fix(&self) -> Remedy {
        let fix = match self {
            Self::NotLoaded { .. } => "run `mbtool load` first",
            Self::Refused(error) => return error.fix(),
            Self::NoInit(_) => {
                "stop services and unmount file systems yourself, then run `mbtool exec --force`"
            }
            Self::Program { .. } => {
                "copy mbtool to /usr/sbin, or stop services and guests yourself and run `mbtool \
                 exec --force`"
            }
            Self::Write { .. } | Self::Command { .. } => {
                "`mbtool exec --force` jumps without an orderly shutdown"
            }
            Self::Reboot { errno } => match *errno {
                Errno::INVAL => "run `mbtool load` again",
                Errno::BUSY => "try again",
                Errno::PERM => "run mbtool as root, outside of containers",
                _ => return None,
            },
        };
        Some(fix.into())
    }
}

/// Why the init system cannot jump.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InitProblem {
    /// Process 1 has no readable name.
    #[error("process 1 is not known")]
    Unknown,
    /// System V init or busybox, without kexec-tools.
    #[error(
        "process 1 ({name}) is neither systemd nor openrc-init, and without /etc/init.d/kexec and \
         /sbin/kexec (kexec-tools) it would reboot into firmware"
    )]
    Reboots {
        /// Name of process 1.
        name: String,
    },
    /// Any other program.
    #[error("process 1 ({name}) is not known to start a loaded kernel")]
    Other {
        /// Name of process 1.
        name: String,
    },
    /// OpenRC in a dom0.
    #[error(
        "OpenRC's `openrc-shutdown --kexec` starts an image that Linux holds, and in a dom0 Xen \
         holds it"
    )]
    OpenRcInDom0,
    /// Any other program in a dom0.
    #[error("process 1 ({name}) cannot start an image that Xen holds, only systemd can be told to")]
    OtherInDom0 {
        /// Name of process 1.
        name: String,
    },
}

/// Why mbtool cannot run at the end of a shutdown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramProblem {
    /// A path that systemd's syntax would split.
    #[error("systemd's files cannot name this path (letters, digits and /._+- only)")]
    Name,
    /// Its file system is neither / nor /usr.
    #[error("this file system is unmounted before mbtool runs")]
    Unmounted,
    /// The path cannot be read.
    #[error("{0}")]
    Io(String),
}
