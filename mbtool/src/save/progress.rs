//! Progress of a step: bytes, percent, MiB per second, and the remaining time.

use super::context::SaveContext;
use std::time::{Duration, Instant};

/// Bytes per MiB.
const MIB: f64 = 1048576.0;

/// Counts and prints progress.
#[derive(Debug)]
pub struct Progress<'a> {
    run: &'a SaveContext,
    what: &'static str,
    /// Total size in bytes; 0: unknown.
    total: u64,
    done: u64,
    started: Instant,
}

impl<'a> Progress<'a> {
    /// Starts a count to `total` bytes (0: unknown).
    pub fn new(run: &'a SaveContext, what: &'static str, total: u64) -> Self {
        Self {
            run,
            what,
            total,
            done: 0,
            started: Instant::now(),
        }
    }

    /// Adds `bytes`, which is progress.
    pub fn add(&mut self, bytes: u64) {
        self.done += bytes;
        self.run.heartbeat.beat();
        self.run.console.status(&self.text(), false);
    }

    /// Prints the final line; returns the time in seconds.
    pub fn end(self) -> f64 {
        self.run.console.status(&self.text(), true);
        self.started.elapsed().as_secs_f64()
    }

    fn text(&self) -> String {
        text(self.what, self.done, self.total, self.started.elapsed())
    }
}

/// "copying: 512 of 2048 MiB, 25 %, 100.0 MiB/s, 0:15 left"
pub fn text(what: &str, done: u64, total: u64, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    let rate = if seconds > 0.0 {
        done as f64 / seconds
    } else {
        0.0
    };
    let mib = |bytes: u64| (bytes as f64 / MIB).round() as u64;
    let shown = format!("mbtool: {what}: {}", mib(done));
    let rate_shown = format!("{:.1} MiB/s", rate / MIB);
    if total == 0 {
        return format!("{shown} MiB, {rate_shown}");
    }
    let percent = done.min(total) as u128 * 100 / u128::from(total);
    let left = match total.saturating_sub(done) {
        0 => format!("{} taken", clock(elapsed.as_secs())),
        left if rate >= 1.0 => format!("{} left", clock((left as f64 / rate).ceil() as u64)),
        _ => "? left".to_owned(),
    };
    format!(
        "{shown} of {} MiB, {percent} %, {rate_shown}, {left}",
        mib(total)
    )
}

/// "1:02:03", "2:03"
fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_all_values() {
        let second = Duration::from_secs(5);
        assert_eq!(
            text("copying", 512 << 20, 2048 << 20, second),
            "mbtool: copying: 512 of 2048 MiB, 25 %, 102.4 MiB/s, 0:15 left"
        );
        assert_eq!(
            text("copying", 10 << 20, 10 << 20, second),
            "mbtool: copying: 10 of 10 MiB, 100 %, 2.0 MiB/s, 0:05 taken"
        );
        let slow = text("copying", 1 << 20, 10 << 30, Duration::from_secs(1));
        assert!(slow.ends_with("1.0 MiB/s, 2:50:39 left"), "{slow}");
        assert_eq!(
            text("copying", 0, 1, Duration::ZERO),
            "mbtool: copying: 0 of 0 MiB, 0 %, 0.0 MiB/s, ? left"
        );
        assert_eq!(
            text("copying", 1 << 20, 0, Duration::from_secs(2)),
            "mbtool: copying: 1 MiB, 0.5 MiB/s"
        );
    }
}
