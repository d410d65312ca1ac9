//! What every step of a save has: a console, a pulse, and limits of time.

use super::console::Talk;
use super::heartbeat::Pulse;
use crate::sys::timeout::within_beating;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long things may take. None is about work that goes on: that may take hours.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A child, or a connection, that makes no progress.
    pub stall: Duration,
    /// A program that talks and writes nothing: makedumpfile looks for free pages
    /// for minutes on a large machine.
    pub talking: Duration,
    /// A disk to appear.
    pub device: Duration,
    /// Another machine to answer.
    pub network: Duration,
    /// Between two tries.
    pub pause: Duration,
    /// Between two looks at a child.
    pub look: Duration,
    /// What a killed child, and the output of one that has ended, may take.
    pub last: Duration,
}

/// Without a watchdog, as long as this may pass without progress in a step.
const STALL: Duration = Duration::from_secs(60);

impl Limits {
    /// For a watchdog of so many seconds, 0 for none: a step has to give up
    /// while there is time for the next one.
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

/// A run of the saver.
#[derive(Debug)]
pub struct Run {
    /// The console.
    pub talk: Arc<Talk>,
    /// Beats while there is progress.
    pub pulse: Arc<Pulse>,
    /// How long things may take.
    pub limits: Limits,
}

impl Run {
    /// Does `work` in a thread of its own, and leaves it there after `limit`.
    /// Waiting is a sign of life: the limit is the guard.
    ///
    /// # Errors
    ///
    /// It does not come back.
    pub fn within<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        within_beating(limit, &mut || self.pulse.beat(), work)
    }

    /// Tries `attempt` until it gives something, at most for `limit`; its last
    /// error after that. Each try is a sign of life: the limit is the guard.
    pub fn until<T>(
        &self,
        limit: Duration,
        mut attempt: impl FnMut() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<Option<T>> {
        let end = Instant::now() + limit;
        loop {
            self.pulse.beat();
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

    /// A run with short limits, and what it says.
    pub fn run() -> (Run, Heard) {
        let heard = Heard::default();
        let limits = Limits {
            stall: Duration::from_millis(800),
            talking: Duration::from_secs(2),
            device: Duration::from_millis(200),
            network: Duration::from_millis(500),
            pause: Duration::from_millis(20),
            look: Duration::from_millis(5),
            // who waits for all of it has something to wait for, on a busy machine too
            last: Duration::from_secs(3),
        };
        let run = Run {
            talk: Arc::new(heard.talk(false)),
            pulse: Arc::new(Pulse::new()),
            limits,
        };
        (run, heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_gives_up_before_the_watchdog_bites() {
        assert_eq!(Limits::new(20).stall, Duration::from_secs(10));
        assert_eq!(Limits::new(3600).stall, STALL);
        assert_eq!(Limits::new(0).stall, STALL);
    }

    #[test]
    fn who_waits_lives() {
        let (run, _) = testing::run();
        let before = run.pulse.beats();
        let slow = || std::thread::sleep(Duration::from_millis(1200));
        assert_eq!(run.within(Duration::from_secs(9), slow), Ok(()));
        assert!(run.pulse.beats() >= before + 2);
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
        assert!(run.pulse.beats() > 4);
    }
}
