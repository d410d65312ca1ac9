//! Signs of life: whether the work goes on, and what it is at.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Records progress. [`super::deadline`] reads it from another thread.
#[derive(Debug)]
pub struct Heartbeat {
    started: Instant,
    /// Of the last beat, in milliseconds since `started`.
    last: AtomicU64,
    beats: AtomicU64,
    step: Mutex<String>,
}

impl Heartbeat {
    /// One that has just beaten.
    #[must_use]
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            last: AtomicU64::new(0),
            beats: AtomicU64::new(0),
            step: Mutex::new("starting".to_owned()),
        }
    }

    /// There was progress.
    pub fn beat(&self) {
        let now = self.started.elapsed().as_millis();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// The next step begins, which is progress: there are finitely many.
    pub fn step(&self, name: &str) {
        if let Ok(mut step) = self.step.lock() {
            name.clone_into(&mut step);
        }
        self.beat();
    }

    /// The step that it is at.
    #[must_use]
    pub fn at(&self) -> String {
        let step = self.step.lock();
        step.map(|step| step.clone()).unwrap_or_default()
    }

    /// How many beats there were.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    /// Time since the last beat.
    #[must_use]
    pub fn silence(&self) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(last)
    }

    /// Time since it was made.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_ends_with_a_beat() {
        let heartbeat = Heartbeat::new();
        std::thread::sleep(Duration::from_millis(30));
        assert!(heartbeat.silence() >= Duration::from_millis(30));
        heartbeat.step("copying");
        assert!(heartbeat.silence() < Duration::from_millis(30));
        assert_eq!((heartbeat.beats(), heartbeat.at().as_str()), (1, "copying"));
    }
}
