//! Calls that may block for ever, with a time limit.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// Between two calls of `beat`.
const BEAT: Duration = Duration::from_millis(500);
/// Stack of the thread that runs the call; quiescing locks it in memory.
const STACK: usize = 64 << 10;

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

    const ONE: Duration = Duration::from_secs(10);

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
}
