//! Ends all other processes, at the end of an orderly shutdown.

use super::{Ops, QuiesceStep};
use crate::sys::file;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Time for processes to end after SIGTERM, and after SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(100);

/// Sends SIGTERM, then SIGKILL, to all except process 1, this one, kernel
/// threads, and those that keep a storage device alive (systemd's convention: a
/// command line that begins with `@`).
pub(super) fn end(root: &Path, ops: &dyn Ops) -> QuiesceStep {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    for hard in [false, true] {
        for pid in others(root, own) {
            ops.kill(pid, hard);
        }
        let mut waited = Duration::ZERO;
        while waited < GRACE {
            if others(root, own).is_empty() {
                return QuiesceStep::Ended;
            }
            ops.pause(POLL);
            waited += POLL;
        }
    }
    let left = others(root, own).len();
    QuiesceStep::NotEnded { left }
}

fn others(root: &Path, own: i32) -> Vec<i32> {
    let listing = fs::read_dir(root.join("proc")).into_iter().flatten();
    let pids = listing
        .flatten()
        .filter_map(|item| item.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| *pid > 1 && *pid != own)
        .filter(|pid| {
            let dir = root.join("proc").join(pid.to_string());
            let line = file::read_bytes(&dir.join("cmdline"), file::LISTING).unwrap_or_default();
            // skip kernel threads and zombies
            !line.is_empty() && line[0] != b'@'
        })
        .collect()
}
