//! System calls needed to quiesce, each with a timeout.

use crate::sys::timeout::within;
use rustix::mm::MlockAllFlags;
use rustix::mount::MountFlags;
use rustix::process::{Pid, Signal};
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// Timeout of sync(2) with much dirty data.
const SYNC: Duration = Duration::from_secs(60);
/// Timeout of one mount or interface.
const ONE: Duration = Duration::from_secs(10);

/// The operations, replaced by a fake in tests. None of them may take much
/// longer than a minute.
pub trait Ops {
    /// Locks all memory of this process, now and later.
    ///
    /// # Errors
    ///
    /// The reason, as a clause.
    fn lock_memory(&self) -> Result<(), String>;
    /// Writes dirty data of all file systems.
    ///
    /// # Errors
    ///
    /// The reason, as a clause.
    fn sync(&self) -> Result<(), String>;
    /// Makes the file system mounted at `target` read-only, or writable.
    ///
    /// # Errors
    ///
    /// The reason, as a clause.
    fn remount(&self, target: &Path, read_only: bool) -> Result<(), String>;
    /// Writes a file of /sys or /proc.
    ///
    /// # Errors
    ///
    /// The reason, as a clause.
    fn write(&self, path: &Path, text: &str) -> Result<(), String>;
    /// Sends SIGTERM, or with `hard` SIGKILL.
    fn kill(&self, pid: i32, hard: bool);
    /// Waits.
    fn pause(&self, time: Duration);
}

/// Operations on the running kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct KernelOps;

impl Ops for KernelOps {
    fn lock_memory(&self) -> Result<(), String> {
        rustix::mm::mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE)
            .map_err(|errno| errno.to_string())
    }

    fn sync(&self) -> Result<(), String> {
        within(SYNC, rustix::fs::sync)
    }

    fn remount(&self, target: &Path, read_only: bool) -> Result<(), String> {
        let target = target.to_owned();
        let flags = if read_only {
            MountFlags::RDONLY
        } else {
            MountFlags::empty()
        };
        within(ONE, move || {
            rustix::mount::mount_remount(&target, flags, c"").map_err(|errno| errno.to_string())
        })?
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), String> {
        let (path, text) = (path.to_owned(), text.to_owned());
        within(ONE, move || {
            fs::write(&path, text).map_err(|err| format!("{}: {err}", path.display()))
        })?
    }

    fn kill(&self, pid: i32, hard: bool) {
        let signal = if hard { Signal::KILL } else { Signal::TERM };
        if let Some(pid) = Pid::from_raw(pid) {
            // the process may have ended already
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    fn pause(&self, time: Duration) {
        thread::sleep(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_kernel_are_reported() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("flags");
        KernelOps.write(&file, "0x1002").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "0x1002");
        let missing = dir.path().join("no/flags");
        let err = KernelOps.write(&missing, "").unwrap_err();
        assert!(err.contains(missing.to_str().unwrap()), "{err}");
        // not a mount point: refused with any privileges
        assert!(KernelOps.remount(dir.path(), true).is_err());
    }
}
