//! What quiescing asks of the kernel, each request with a limit of time.

use rustix::mm::MlockAllFlags;
use rustix::mount::MountFlags;
use rustix::process::{Pid, Signal};
use std::fs;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// sync(2) of a machine with much unwritten data.
const SYNC: Duration = Duration::from_secs(60);
/// One mount, one interface.
const ONE: Duration = Duration::from_secs(10);
/// Between two signs of life of who waits.
const BEAT: Duration = Duration::from_millis(500);
/// Stack of the thread that waits; it is locked in memory.
const STACK: usize = 64 << 10;

/// The requests, or something that stands for them in a test. None of them may
/// take longer than about a minute.
pub trait Ops {
    /// Locks all memory of this process, now and later.
    ///
    /// # Errors
    ///
    /// One clause.
    fn lock_memory(&self) -> Result<(), String>;
    /// Writes dirty data of all file systems.
    ///
    /// # Errors
    ///
    /// As above.
    fn sync(&self) -> Result<(), String>;
    /// Makes the file system mounted at `target` read-only, or writable.
    ///
    /// # Errors
    ///
    /// As above.
    fn remount(&self, target: &Path, read_only: bool) -> Result<(), String>;
    /// Writes a file of /sys or /proc.
    ///
    /// # Errors
    ///
    /// As above.
    fn write(&self, path: &Path, text: &str) -> Result<(), String>;
    /// Ends a process: politely, or not.
    fn kill(&self, pid: i32, hard: bool);
    /// Waits.
    fn pause(&self, time: Duration);
}

/// The running kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine;

impl Ops for Machine {
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
            // it may have ended by itself
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    fn pause(&self, time: Duration) {
        thread::sleep(time);
    }
}

/// Runs `job` in a thread of its own, and leaves it there when it does not come
/// back: a process that waits for a dead disk cannot be interrupted.
pub(crate) fn within<T: Send + 'static>(
    limit: Duration,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    within_beating(limit, &mut || {}, job)
}

/// The same; `beat` is called while it waits.
pub(crate) fn within_beating<T: Send + 'static>(
    limit: Duration,
    beat: &mut dyn FnMut(),
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new()
        .stack_size(STACK)
        .spawn(move || {
            // nobody listens any more after the limit
            let _ = sender.send(job());
        })
        .map_err(|err| format!("no thread: {err}"))?;
    let mut left = limit;
    loop {
        let slice = left.min(BEAT);
        match receiver.recv_timeout(slice) {
            Err(RecvTimeoutError::Timeout) if slice < left => {}
            done => return done.map_err(|_| format!("no end after {} s", limit.as_secs())),
        }
        left -= slice;
        beat();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_is_left_behind() {
        assert_eq!(within(ONE, || 7), Ok(7));
        let mut beats = 0;
        let long = BEAT * 2 + BEAT / 2;
        assert!(within_beating(long, &mut || beats += 1, || thread::sleep(ONE)).is_err());
        assert_eq!(beats, 2);
        let err = within(Duration::from_millis(20), || thread::sleep(ONE)).unwrap_err();
        assert_eq!(err, "no end after 0 s");
    }

    #[test]
    fn the_kernels_answers_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("flags");
        Machine.write(&file, "0x1002").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "0x1002");
        let err = Machine.write(&dir.path().join("no/flags"), "").unwrap_err();
        assert!(err.contains("no/flags: No such file"), "{err}");
        // no mount point: refused for everybody
        assert!(Machine.remount(dir.path(), true).is_err());
    }
}
