//! The thread that sees to it that a save ends: it kicks the watchdog while
//! there is progress, and acts itself when there is none for too long.

use super::heartbeat::Pulse;
use super::watchdog::Watchdog;
use anyhow::{Context, Result};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often the pulse is felt.
const LOOK: Duration = Duration::from_millis(250);
/// Without a watchdog's time, as long as nothing may move.
const PATIENCE: Duration = Duration::from_secs(300);

/// The thread.
#[derive(Debug)]
pub struct Guard {
    end: mpsc::Sender<()>,
    thread: JoinHandle<Option<Box<dyn Watchdog>>>,
}

/// When the guard acts, for a watchdog of so many seconds (0: none): before the
/// watchdog, which can tell nobody why.
#[must_use]
pub fn limit(watchdog: u32) -> Duration {
    match watchdog {
        0 => PATIENCE,
        seconds => Duration::from_secs(seconds.into()) * 9 / 10,
    }
}

impl Guard {
    /// Watches `pulse`. `watchdog` is kicked so that it resets the machine when
    /// there was no beat for `whole`; `expired` is called, once, with the step
    /// that hangs, when there was none for `limit`.
    ///
    /// # Errors
    ///
    /// There is no thread.
    pub fn start(
        pulse: Arc<Pulse>,
        mut watchdog: Option<Box<dyn Watchdog>>,
        whole: Duration,
        limit: Duration,
        expired: impl FnOnce(&str, Duration) + Send + 'static,
    ) -> Result<Self> {
        let (end, ended) = mpsc::channel();
        let body = move || {
            let mut expired = Some(expired);
            let mut beats = pulse.beats();
            loop {
                match ended.recv_timeout(LOOK) {
                    Err(RecvTimeoutError::Timeout) => {}
                    _ => return watchdog,
                }
                let silence = pulse.silence();
                if let Some(watchdog) = &mut watchdog {
                    let fresh = pulse.beats() != beats;
                    beats = pulse.beats();
                    // one whose time is shorter than what was asked for
                    if fresh || silence + watchdog.timeout() <= whole {
                        // the reset comes, then
                        let _ = watchdog.kick();
                    }
                }
                if silence > limit
                    && let Some(expired) = expired.take()
                {
                    expired(&pulse.at(), silence);
                }
            }
        };
        let thread = thread::Builder::new().spawn(body).context("no thread")?;
        Ok(Self { end, thread })
    }

    /// Ends it; the watchdog, which goes on without kicks.
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
    ) -> (Guard, Arc<Pulse>, Kicks, mpsc::Receiver<String>) {
        let pulse = Arc::new(Pulse::new());
        let kicks = Arc::default();
        let watchdog = Counting {
            kicks: Arc::clone(&kicks),
            timeout,
        };
        let (sender, receiver) = mpsc::channel();
        let guard = Guard::start(
            Arc::clone(&pulse),
            Some(Box::new(watchdog)),
            Duration::from_secs(2),
            limit,
            move |step, _| sender.send(step.to_owned()).unwrap(),
        );
        (guard.unwrap(), pulse, kicks, receiver)
    }

    #[test]
    fn only_progress_kicks_the_watchdog() {
        let whole = Duration::from_secs(2);
        let (guard, pulse, kicks, expired) = guard(whole, Duration::from_secs(60));
        for _ in 0..8 {
            pulse.beat();
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
    fn a_short_watchdog_is_kicked_until_the_whole_time_is_near() {
        let (guard, _pulse, kicks, _expired) =
            guard(Duration::from_secs(1), Duration::from_secs(60));
        thread::sleep(Duration::from_secs(2));
        guard.end();
        let kicks = kicks.lock().unwrap();
        assert!((2..=4).contains(&kicks.len()), "{}", kicks.len());
    }

    #[test]
    fn what_hangs_is_named_once() {
        let (guard, pulse, _, expired) = guard(Duration::from_secs(2), Duration::from_millis(300));
        pulse.step("copying");
        let step = expired.recv_timeout(Duration::from_secs(5)).unwrap();
        assert_eq!(step, "copying");
        thread::sleep(Duration::from_millis(600));
        assert!(expired.try_recv().is_err());
        guard.end();
    }

    #[test]
    fn the_guard_is_before_the_watchdog() {
        assert_eq!(limit(60), Duration::from_secs(54));
        assert_eq!(limit(0), PATIENCE);
    }
}
