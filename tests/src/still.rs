//! A QEMU that does nothing at all any more.

use std::fs;
use std::time::{Duration, Instant};

/// How often its threads are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// As long as nothing of it may run. A system that idles has timers; one without any for so long has lost them, or waits
/// with interrupts off.
const STILL: Duration = Duration::from_secs(30);

/// Whether a process runs now and then.
#[derive(Debug)]
pub struct Still {
    process: u32,
    /// Nanoseconds that its threads have run, when that last changed.
    ran: Option<u64>,
    changed: Instant,
    looked: Instant,
}

impl Still {
    /// For the process with this number.
    pub fn new(process: u32) -> Self {
        let now = Instant::now();
        Self {
            process,
            ran: None,
            changed: now,
            looked: now,
        }
    }

    /// Whether none of its threads has run for long. Never where the kernel does not say how long they ran.
    pub fn is(&mut self) -> bool {
        if self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            let ran = ran(self.process);
            if ran.is_none() || ran != self.ran {
                self.ran = ran;
                self.changed = self.looked;
            }
        }
        self.changed.elapsed() >= STILL
    }
}

/// Nanoseconds that all threads of a process have run (Linux, Documentation/scheduler/sched-stats.rst).
fn ran(process: u32) -> Option<u64> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let one = |path: &std::path::Path| -> Option<u64> {
        let text = fs::read_to_string(path.join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok()
    };
    let mut sum = 0_u64;
    for thread in threads.flatten() {
        sum = sum.wrapping_add(one(&thread.path())?);
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_runs_is_not_still_and_who_sleeps_is() {
        let own = std::process::id();
        let before = ran(own).unwrap();
        let busy = Instant::now();
        while busy.elapsed() < Duration::from_millis(20) {}
        assert!(ran(own).unwrap() > before);

        let mut sleeper = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(500));
        let id = sleeper.id();
        let at = ran(id).unwrap();
        let mut still = Still::new(id);
        assert!(!still.is());
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(ran(id), Some(at));
        // as if that had been long ago
        let long_ago = |still: &mut Still| {
            still.changed = Instant::now().checked_sub(STILL).unwrap();
            still.looked = Instant::now().checked_sub(LOOK).unwrap();
        };
        still.ran = Some(at);
        long_ago(&mut still);
        assert!(still.is());
        still.ran = Some(at - 1);
        long_ago(&mut still);
        assert!(!still.is());
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        // gone, nobody knows
        long_ago(&mut still);
        assert!(!still.is());
    }
}
