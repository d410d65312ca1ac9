//! Context of all steps of a save: console, heartbeat, timeouts.

use super::console::ProgressConsole;
use super::heartbeat::Heartbeat;
use crate::sys::timeout::within_beating;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Timeouts. None limits work that makes progress, which may take hours.
#[derive(Clone, Copy, Debug)]
pub struct TimeLimits {
    /// A child process or connection without progress.
    pub stall: Duration,
    /// A program that prints but writes no data: makedumpfile searches free pages
    /// for minutes on a large machine.
    pub talking: Duration,
    /// Appearance of a disk.
    pub device: Duration,
    /// Response of another machine.
    pub network: Duration,
    /// Interval between attempts.
    pub pause: Duration,
    /// Interval between checks of a child process.
    pub look: Duration,
    /// End of a killed child, and of the output of an ended one.
    pub last: Duration,
}

/// Timeout of a step without progress, if there is no watchdog.
const STALL: Duration = Duration::from_secs(60);

impl TimeLimits {
    /// Timeouts for a watchdog of `watchdog` seconds (0: none): a step must
    /// give up in time for the next one.
    #[must_use]
    pub fn new(watchdog: u32) -> Self {
        let watchdog = Duration::from_secs(watchdog.into());
        let stall = if watchdog.is_zero() {
            STALL
        } else {
            STALL.min(watchdog / 2)
        };
        Self {
            stall,
            talking: Duration::from_secs(1800),
            device: Duration::from_secs(90),
            network: Duration::from_secs(180),
            pause: Duration::from_secs(1),
            look: Duration::from_millis(50),
            last: Duration::from_secs(3),
        }
    }
}

/// State of a save.
#[derive(Debug)]
pub struct SaveContext {
    /// The console.
    pub console: Arc<ProgressConsole>,
    /// Records progress.
    pub heartbeat: Arc<Heartbeat>,
    /// Timeouts.
    pub limits: TimeLimits,
}

impl SaveContext {
    /// Runs `work` in a separate thread, and abandons it after `limit`. Waiting
    /// counts as progress, because it is bounded by the timeout.
    ///
    /// # Errors
    ///
    /// The timeout.
    pub fn within<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        within_beating(limit, &mut || self.heartbeat.beat(), work)
    }

    /// Repeats `attempt` until it succeeds, or returns its last error after
    /// `limit`. Each attempt counts as progress, because the total is bounded
    /// by the timeout.
    pub fn until<T>(
        &self,
        limit: Duration,
        mut attempt: impl FnMut() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<Option<T>> {
        let end = Instant::now() + limit;
        loop {
            self.heartbeat.beat();
            if let Some(found) = attempt()? {
                return Ok(Some(found));
            }
            if Instant::now() >= end {
                return Ok(None);
            }
            std::thread::sleep(self.limits.pause);
        }
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::save::console::testing::Heard;

    /// A context with short timeouts, and its output.
    pub fn run() -> (SaveContext, Heard) {
        let heard = Heard::default();
        let limits = TimeLimits {
            stall: Duration::from_millis(800),
            talking: Duration::from_secs(2),
            device: Duration::from_millis(200),
            network: Duration::from_millis(500),
            pause: Duration::from_millis(20),
            look: Duration::from_millis(5),
            // long enough for tests on a busy machine
            last: Duration::from_secs(3),
        };
        let run = SaveContext {
            console: Arc::new(heard.console(false)),
            heartbeat: Arc::new(Heartbeat::new()),
            limits,
        };
        (run, heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_times_out_before_the_watchdog() {
        assert_eq!(TimeLimits::new(20).stall, Duration::from_secs(10));
        assert_eq!(TimeLimits::new(3600).stall, STALL);
        assert_eq!(TimeLimits::new(0).stall, STALL);
    }

    #[test]
    fn waiting_counts_as_progress() {
        let (run, _) = testing::run();
        let before = run.heartbeat.beats();
        let slow = || std::thread::sleep(Duration::from_millis(1200));
        assert_eq!(run.within(Duration::from_secs(9), slow), Ok(()));
        assert!(run.heartbeat.beats() >= before + 2);
        let dead = || std::thread::sleep(Duration::from_secs(9));
        assert!(run.within(Duration::from_millis(10), dead).is_err());
    }

    #[test]
    fn waiting_ends() {
        let (run, _) = testing::run();
        let mut tries = 0;
        let found = run.until(Duration::from_secs(9), || {
            tries += 1;
            Ok((tries == 3).then_some(tries))
        });
        assert_eq!(found.unwrap(), Some(3));
        let never = run.until(Duration::from_millis(50), || Ok(None::<()>));
        assert_eq!(never.unwrap(), None);
        assert!(run.heartbeat.beats() > 4);
    }
}
