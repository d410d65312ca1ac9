//! fsync with a timeout while no data is written.

use super::context::SaveContext;
use super::error::SaveError;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Interval of progress checks.
const LOOK: Duration = Duration::from_millis(200);

/// Calls fsync(2) for `file`. That may take minutes on a slow disk: a decreasing
/// amount of dirty data is progress.
///
/// # Errors
///
/// The error of fsync(2), or the timeout.
pub fn flush(run: &SaveContext, file: &File) -> Result<()> {
    let file = file.try_clone().context("fsync")?;
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new()
        .spawn(move || {
            // the receiver is gone after a timeout
            let _ = sender.send(file.sync_all());
        })
        .context("no thread")?;
    let mut left = dirty();
    let mut moved = Instant::now();
    loop {
        match receiver.recv_timeout(LOOK) {
            Ok(done) => {
                run.heartbeat.beat();
                return done.context("cannot write to the disk (fsync)");
            }
            Err(RecvTimeoutError::Disconnected) => bail!("fsync: its thread is gone"),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = dirty();
        if now != left {
            left = now;
            moved = Instant::now();
            run.heartbeat.beat();
        }
        if moved.elapsed() > run.limits.stall {
            let seconds = run.limits.stall.as_secs();
            return Err(SaveError::DiskStalled { seconds }.into());
        }
    }
}

/// Returns dirty data and writeback from /proc/meminfo.
fn dirty() -> String {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    text.lines()
        .filter(|line| line.starts_with("Dirty:") || line.starts_with("Writeback:"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::save::context::testing;

    #[test]
    fn a_file_is_flushed_and_errors_are_reported() {
        let (run, _) = testing::run();
        let file = tempfile::tempfile().unwrap();
        flush(&run, &file).unwrap();
        assert!(dirty().contains("Writeback:"));
        // a pipe, which cannot be flushed
        let (read, _write) = std::io::pipe().unwrap();
        let pipe = File::from(std::os::fd::OwnedFd::from(read));
        let error = flush(&run, &pipe).unwrap_err();
        let kind = error.downcast_ref().map(std::io::Error::kind);
        assert_eq!(kind, Some(std::io::ErrorKind::InvalidInput), "{error}");
    }
}
