//! Calls that may block forever, with a timeout.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// Interval of calls of `beat`.
const BEAT: Duration = Duration::from_millis(500);
/// Stack size of the thread that runs the call; quiescing locks it in memory.
const STACK: usize = 64 << 10;

/// Runs `job` in a separate thread, and abandons it after the timeout: a
/// process that waits for a failed disk cannot be interrupted.
pub(crate) fn within<T: Send + 'static>(
    limit: Duration,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    within_beating(limit, &mut || {}, job)
}

/// Like [`within`]; calls `beat` while it waits.
pub(crate) fn within_beating<T: Send + 'static>(
    limit: Duration,
    beat: &mut dyn FnMut(),
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new()
        .stack_size(STACK)
        .spawn(move || {
            // after the timeout the receiver is gone
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

    const ONE: Duration = Duration::from_secs(10);

    #[test]
    fn a_call_that_hangs_is_abandoned() {
        assert_eq!(within(ONE, || 7), Ok(7));
        let mut beats = 0;
        let long = BEAT * 2 + BEAT / 2;
        assert!(within_beating(long, &mut || beats += 1, || thread::sleep(ONE)).is_err());
        assert_eq!(beats, 2);
        let err = within(Duration::from_millis(20), || thread::sleep(ONE)).unwrap_err();
        assert_eq!(err, "no end after 0 s");
    }
}
