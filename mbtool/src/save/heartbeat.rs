//! Heartbeat: records progress and the current step.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Records progress. [`super::deadline`] reads it from another thread.
#[derive(Debug)]
pub struct Heartbeat {
    started: Instant,
    /// Time of the last beat, in milliseconds since `started`.
    last: AtomicU64,
    beats: AtomicU64,
    step: Mutex<String>,
}

impl Heartbeat {
    /// Starts with a beat.
    #[must_use]
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            last: AtomicU64::new(0),
            beats: AtomicU64::new(0),
            step: Mutex::new("starting".to_owned()),
        }
    }

    /// Records progress.
    pub fn beat(&self) {
        let now = self.started.elapsed().as_millis();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// Begins the next step, which is progress, as the number of steps is
    /// finite.
    pub fn step(&self, name: &str) {
        if let Ok(mut step) = self.step.lock() {
            name.clone_into(&mut step);
        }
        self.beat();
    }

    /// Returns the current step.
    #[must_use]
    pub fn at(&self) -> String {
        let step = self.step.lock();
        step.map(|step| step.clone()).unwrap_or_default()
    }

    /// Returns the number of beats.
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

    /// Time since the start.
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
