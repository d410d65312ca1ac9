//! Why a dump is not saved.

use crate::config::target::DeviceSpec;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use xen_shim::fix::{Fix, Remedy, tail};

/// Failures of the steps of a save.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// There is no /proc/vmcore.
    #[error(
        "there is no dump, {}: this kernel was not started by a crash, or not with elfcorehdr=",
        path.display()
    )]
    NoDump {
        /// Path of the dump.
        path: PathBuf,
        /// Error of the system call.
        source: io::Error,
    },
    /// The dump is a directory.
    #[error("{} is a directory", path.display())]
    Directory {
        /// Path of the dump.
        path: PathBuf,
    },
    /// No page of the dump is readable.
    #[error("nothing of {} can be read", path.display())]
    Unreadable {
        /// Path of the dump.
        path: PathBuf,
    },
    /// The disk of the target is not there.
    #[error(
        "the disk {device} did not appear in {seconds} s: is its driver in the initramfs? Disks \
         there are: {}",
        if disks.is_empty() { "none".to_owned() } else { disks.join(" ") }
    )]
    NoDisk {
        /// The disk.
        device: DeviceSpec,
        /// The timeout.
        seconds: u64,
        /// Names of those that exist.
        disks: Vec<String>,
    },
    /// The target is on a file system in memory.
    #[error(
        "{} is in memory, so that a dump there is lost{}", dir.display(), tail(self.fix())
    )]
    InMemory {
        /// The directory.
        dir: PathBuf,
        /// The configured target.
        target: PathBuf,
    },
    /// All names for a new directory exist.
    #[error("cannot make {}: all names are taken", dir.display())]
    NamesTaken {
        /// The last name.
        dir: PathBuf,
    },
    /// Not even a part of the dump fits.
    #[error("there is no space for the dump")]
    NoSpace,
    /// fsync(2) makes no progress.
    #[error("the disk has taken nothing for {seconds} s (fsync)")]
    DiskStalled {
        /// The timeout.
        seconds: u64,
    },
    /// The collector wrote less than a header.
    #[error("{program} succeeded, but wrote {bytes} bytes")]
    TooShort {
        /// The collector.
        program: String,
        /// Size of the file.
        bytes: u64,
    },
    /// The other machine is unreachable.
    #[error("no connection to {host} in {seconds} s: {why}")]
    NoConnection {
        /// The other machine.
        host: String,
        /// The timeout.
        seconds: u64,
        /// The last error.
        why: String,
    },
    /// A transfer changed the data.
    #[error("the received file differs: sha256 {found}, expected {expected}")]
    Differs {
        /// Checksum on the other machine.
        found: String,
        /// Checksum of the sent data.
        expected: String,
    },
    /// A panic of mbtool.
    #[error("a defect of mbtool: {0}")]
    Panic(String),
    /// The kernel does not end.
    #[error("the machine does not reboot")]
    StillRunning,
}

impl Fix for SaveError {
    fn fix(&self) -> Remedy {
        match self {
            Self::InMemory { target, .. } => {
                let target = target.display();
                Some(format!("set save.device to the file system of {target}").into())
            }
            _ => None,
        }
    }
}

/// Failures of a child process.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It could not be run.
    #[error("{name} does not start")]
    NotStarted {
        /// The program.
        name: String,
        /// Error of the system call.
        source: io::Error,
    },
    /// It ended with a status other than 0.
    #[error("{name} failed ({status}){}", said(output))]
    Failed {
        /// The program.
        name: String,
        /// Its exit status.
        status: ExitStatus,
        /// Its last lines.
        output: Vec<String>,
    },
    /// It made no progress.
    #[error(
        "{name} {stall} for {seconds:.0} s, {}{}",
        if *killed { "and was killed" } else { "and cannot be killed" },
        said(output)
    )]
    Stalled {
        /// The program.
        name: String,
        /// Kind of stall.
        stall: StallKind,
        /// Time since the last progress.
        seconds: f32,
        /// False if it still runs.
        killed: bool,
        /// Its last lines.
        output: Vec<String>,
    },
    /// Data for a program whose input is closed.
    #[error("the input of {name} is closed")]
    InputClosed {
        /// The program.
        name: String,
    },
    /// Its input cannot be written, and it does not end.
    #[error("{name}: {why}{}", said(output))]
    Write {
        /// The program.
        name: String,
        /// Error of the system call.
        why: io::Error,
        /// Its last lines.
        output: Vec<String>,
    },
    /// It ended, but a child of it runs.
    #[error("{name} has ended, and its output is still open")]
    OutputOpen {
        /// The program.
        name: String,
    },
}

/// Kinds of stall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StallKind {
    /// No output, no data.
    #[error("made no progress")]
    Silent,
    /// Output, but no data.
    #[error("printed, but wrote no data")]
    NoData,
}

/// `: LAST LINES`, or nothing.
fn said(output: &[String]) -> String {
    match output {
        [] => String::new(),
        lines => format!(": {}", lines.join(" / ")),
    }
}
