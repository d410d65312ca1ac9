//! A thread that guarantees that a save ends: it kicks the watchdog while there
//! is progress, and acts itself after a time without progress.

use super::heartbeat::Heartbeat;
use super::watchdog::Watchdog;
use anyhow::{Context, Result};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Interval of heartbeat checks.
const LOOK: Duration = Duration::from_millis(250);
/// Timeout without progress, if there is no watchdog.
const PATIENCE: Duration = Duration::from_secs(300);

/// The thread.
#[derive(Debug)]
pub struct Deadline {
    end: mpsc::Sender<()>,
    thread: JoinHandle<Option<Box<dyn Watchdog>>>,
}

/// Timeout of the thread for a watchdog of `watchdog` seconds (0: none): before
/// that of the watchdog, which cannot report the reason.
#[must_use]
pub fn limit(watchdog: u32) -> Duration {
    match watchdog {
        0 => PATIENCE,
        seconds => Duration::from_secs(seconds.into()) * 9 / 10,
    }
}

impl Deadline {
    /// Watches `heartbeat`. Kicks `watchdog` so that it resets the machine after
    /// `whole` without a beat; calls `expired` once, with the name of the step that
    /// hangs, after `limit` without a beat.
    ///
    /// # Errors
    ///
    /// When the thread cannot be created.
    pub fn start(
        heartbeat: Arc<Heartbeat>,
        mut watchdog: Option<Box<dyn Watchdog>>,
        whole: Duration,
        limit: Duration,
        expired: impl FnOnce(&str, Duration) + Send + 'static,
    ) -> Result<Self> {
        let (end, ended) = mpsc::channel();
        let body = move || {
            let mut expired = Some(expired);
            let mut beats = heartbeat.beats();
            loop {
                match ended.recv_timeout(LOOK) {
                    Err(RecvTimeoutError::Timeout) => {}
                    _ => return watchdog,
                }
                let silence = heartbeat.silence();
                if let Some(watchdog) = &mut watchdog {
                    let fresh = heartbeat.beats() != beats;
                    beats = heartbeat.beats();
                    // the hardware timeout is shorter than the requested one
                    if fresh || silence + watchdog.timeout() <= whole {
                        // a failed kick ends in a reset
                        let _ = watchdog.kick();
                    }
                }
                if silence > limit
                    && let Some(expired) = expired.take()
                {
                    expired(&heartbeat.at(), silence);
                }
            }
        };
        let thread = thread::Builder::new().spawn(body).context("no thread")?;
        Ok(Self { end, thread })
    }

    /// Ends the thread, and returns the watchdog, which is no longer kicked.
    pub fn end(self) -> Option<Box<dyn Watchdog>> {
        let _ = self.end.send(());
        self.thread.join().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::time::Instant;

    type Kicks = Arc<Mutex<Vec<Instant>>>;

    #[derive(Debug)]
    struct Counting {
        kicks: Kicks,
        timeout: Duration,
    }

    impl Watchdog for Counting {
        fn name(&self) -> String {
            "counting".to_owned()
        }

        fn timeout(&self) -> Duration {
            self.timeout
        }

        fn kick(&mut self) -> Result<(), String> {
            self.kicks.lock().unwrap().push(Instant::now());
            Ok(())
        }

        fn stop(self: Box<Self>) -> Result<(), String> {
            Ok(())
        }
    }

    fn guard(
        timeout: Duration,
        limit: Duration,
    ) -> (Deadline, Arc<Heartbeat>, Kicks, mpsc::Receiver<String>) {
        let heartbeat = Arc::new(Heartbeat::new());
        let kicks = Arc::default();
        let watchdog = Counting {
            kicks: Arc::clone(&kicks),
            timeout,
        };
        let (sender, receiver) = mpsc::channel();
        let guard = Deadline::start(
            Arc::clone(&heartbeat),
            Some(Box::new(watchdog)),
            Duration::from_secs(2),
            limit,
            move |step, _| sender.send(step.to_owned()).unwrap(),
        );
        (guard.unwrap(), heartbeat, kicks, receiver)
    }

    #[test]
    fn only_progress_kicks_the_watchdog() {
        let whole = Duration::from_secs(2);
        let (guard, heartbeat, kicks, expired) = guard(whole, Duration::from_secs(60));
        for _ in 0..8 {
            heartbeat.beat();
            thread::sleep(Duration::from_millis(100));
        }
        let count = kicks.lock().unwrap().len();
        assert!((2..=4).contains(&count), "{count}");
        thread::sleep(Duration::from_millis(1000));
        assert!(kicks.lock().unwrap().len() <= count + 1);
        assert!(expired.try_recv().is_err());
        assert!(guard.end().is_some());
    }

    #[test]
    fn a_short_watchdog_is_kicked_until_the_whole_timeout() {
        let (guard, _pulse, kicks, _expired) =
            guard(Duration::from_secs(1), Duration::from_secs(60));
        thread::sleep(Duration::from_secs(2));
        guard.end();
        let kicks = kicks.lock().unwrap();
        assert!((2..=4).contains(&kicks.len()), "{}", kicks.len());
    }

    #[test]
    fn a_step_that_hangs_is_reported_once() {
        let (guard, heartbeat, _, expired) =
            guard(Duration::from_secs(2), Duration::from_millis(300));
        heartbeat.step("copying");
        let step = expired.recv_timeout(Duration::from_secs(5)).unwrap();
        assert_eq!(step, "copying");
        thread::sleep(Duration::from_millis(600));
        assert!(expired.try_recv().is_err());
        guard.end();
    }

    #[test]
    fn the_deadline_is_before_the_watchdog() {
        assert_eq!(limit(60), Duration::from_secs(54));
        assert_eq!(limit(0), PATIENCE);
    }
}
