//! Data on its way to a disk: waited for while it moves.

use super::context::Run;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How often it is looked whether it moves.
const LOOK: Duration = Duration::from_millis(200);

/// fsync(2) of `file`. That may take minutes on a slow disk: as long as less and
/// less is left to write, there is progress.
///
/// # Errors
///
/// fsync(2)'s, or nothing moves.
pub fn flush(run: &Run, file: &File) -> Result<()> {
    let file = file.try_clone().context("fsync")?;
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new()
        .spawn(move || {
            // nobody listens any more when it was given up
            let _ = sender.send(file.sync_all());
        })
        .context("no thread")?;
    let mut left = dirty();
    let mut moved = Instant::now();
    loop {
        match receiver.recv_timeout(LOOK) {
            Ok(done) => {
                run.pulse.beat();
                return done.context("cannot write to the disk (fsync)");
            }
            Err(RecvTimeoutError::Disconnected) => bail!("fsync: its thread is gone"),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = dirty();
        if now != left {
            left = now;
            moved = Instant::now();
            run.pulse.beat();
        }
        if moved.elapsed() > run.limits.stall {
            let seconds = run.limits.stall.as_secs();
            bail!("the disk has taken nothing for {seconds} s (fsync)");
        }
    }
}

/// What waits to be written, in words of /proc/meminfo.
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
    fn a_file_is_flushed_and_an_error_told() {
        let (run, _) = testing::run();
        let file = tempfile::tempfile().unwrap();
        flush(&run, &file).unwrap();
        assert!(dirty().contains("Writeback:"));
        // no file that a disk is behind
        let (read, _write) = std::io::pipe().unwrap();
        let pipe = File::from(std::os::fd::OwnedFd::from(read));
        let error = flush(&run, &pipe).unwrap_err();
        assert!(error.to_string().contains("fsync"), "{error}");
    }
}
