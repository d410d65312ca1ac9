//! Clock of a process: the host's time without the time that the process waited for a CPU.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Interval of reading the threads' times.
const LOOK: Duration = Duration::from_millis(500);

/// Maximum time without any running thread. An idle system has timers; without any for this long it
/// has lost them, or waits with interrupts disabled.
const STILL: Duration = Duration::from_secs(30);

/// CPU time of a thread, in nanoseconds (Linux, Documentation/scheduler/sched-stats.rst).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Thread {
    /// Time running.
    ran: u64,
    /// Time runnable, but waiting.
    waited: u64,
}

/// The clock of a process. It is slower than the host's while other work keeps the process from its
/// CPUs, so that timeouts do not depend on the load of the host.
#[derive(Debug)]
pub struct Clock {
    process: u32,
    threads: HashMap<u32, Thread>,
    looked: Instant,
    changed: Instant,
    had: Duration,
    ran: Duration,
}

impl Clock {
    /// Starts a clock for this process, which has just been started.
    pub fn new(process: u32) -> Self {
        let now = Instant::now();
        Self {
            process,
            threads: HashMap::new(),
            looked: now,
            changed: now,
            had: Duration::ZERO,
            ran: Duration::ZERO,
        }
    }

    /// Returns the process's own time; the host's if the kernel does not provide threads'
    /// times.
    pub fn elapsed(&mut self) -> Duration {
        self.look();
        self.had + self.looked.elapsed()
    }

    /// True when none of its threads has run, or was runnable, for long. False if the kernel does
    /// not provide the times.
    pub fn is_still(&mut self) -> bool {
        self.look();
        self.changed.elapsed() >= STILL
    }

    /// CPU time of all threads.
    pub const fn ran(&self) -> Duration {
        self.ran
    }

    fn look(&mut self) {
        let passed = self.looked.elapsed();
        if passed >= LOOK {
            self.looked += passed;
            let threads = threads(self.process);
            self.count(passed, threads);
        }
    }

    /// Adds the time since `self.threads` was read; `passed` is the host's time.
    fn count(&mut self, passed: Duration, threads: Option<HashMap<u32, Thread>>) {
        let before = |thread| self.threads.get(thread).copied().unwrap_or_default();
        if threads.as_ref() != Some(&self.threads) {
            self.changed = self.looked;
        }
        let threads = threads.unwrap_or_default();
        let waited = threads
            .iter()
            .map(|(id, now)| now.waited.saturating_sub(before(id).waited));
        // the machine is limited by the thread that waited longest
        let waited = Duration::from_nanos(waited.max().unwrap_or(0));
        let ran = threads
            .iter()
            .map(|(id, now)| now.ran.saturating_sub(before(id).ran));
        self.ran += Duration::from_nanos(ran.sum());
        self.had += passed.saturating_sub(waited);
        self.threads = threads;
    }
}

/// All threads of a process, by number.
fn threads(process: u32) -> Option<HashMap<u32, Thread>> {
    let mut all = HashMap::new();
    for entry in fs::read_dir(format!("/proc/{process}/task"))
        .ok()?
        .flatten()
    {
        let number = entry.file_name().to_str()?.parse().ok()?;
        // a thread may end before its file is read
        if let Some(thread) = thread(&entry.path()) {
            all.insert(number, thread);
        }
    }
    (!all.is_empty()).then_some(all)
}

fn thread(path: &Path) -> Option<Thread> {
    let text = fs::read_to_string(path.join("schedstat")).ok()?;
    let mut numbers = text.split_whitespace().map(str::parse);
    Some(Thread {
        ran: numbers.next()?.ok()?,
        waited: numbers.next()?.ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn state(of: &[(u32, u64, u64)]) -> Option<HashMap<u32, Thread>> {
        let thread = |&(id, ran, waited)| (id, Thread { ran, waited });
        Some(of.iter().map(thread).collect())
    }

    #[test]
    fn time_without_a_cpu_does_not_count() {
        let mut clock = Clock::new(0);
        let passed = Duration::from_secs(4);
        // all idle
        clock.count(passed, state(&[(1, 0, 0), (2, 0, 0)]));
        assert_eq!(clock.had, passed);
        // one thread had a quarter of a CPU, the other was idle
        clock.count(passed, state(&[(1, SECOND, 3 * SECOND), (2, 0, 0)]));
        assert_eq!(clock.had, Duration::from_secs(5));
        // waiting is not counted again, and a new thread begins at 0
        clock.count(
            passed,
            state(&[(1, 5 * SECOND, 3 * SECOND), (3, 0, SECOND)]),
        );
        assert_eq!(clock.had, Duration::from_secs(8));
        assert_eq!(clock.ran(), Duration::from_secs(5));
        // without times of threads, the host's time counts
        clock.count(passed, None);
        assert_eq!(clock.had, Duration::from_secs(12));
    }

    #[test]
    fn a_running_process_is_not_still_and_a_sleeping_one_is() {
        let mut sleeper = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let mut clock = Clock::new(sleeper.id());
        let mut before = threads(sleeper.id());
        // until it sleeps
        loop {
            std::thread::sleep(Duration::from_millis(20));
            let now = threads(sleeper.id());
            if now == before {
                break;
            }
            before = now;
        }
        let long_ago = |clock: &mut Clock, threads| {
            clock.threads = threads;
            clock.changed = Instant::now().checked_sub(STILL).unwrap();
            clock.looked = Instant::now().checked_sub(LOOK).unwrap();
        };
        long_ago(&mut clock, before.clone().unwrap());
        assert!(clock.is_still());
        // it ran since
        long_ago(&mut clock, HashMap::new());
        assert!(!clock.is_still());
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        // the process is gone: no figures
        long_ago(&mut clock, before.unwrap());
        assert!(!clock.is_still());

        let own = std::process::id();
        let ran = |state: Option<HashMap<u32, Thread>>| -> u64 {
            state.unwrap().values().map(|thread| thread.ran).sum()
        };
        let before = ran(threads(own));
        let busy = Instant::now();
        while busy.elapsed() < Duration::from_millis(20) {}
        assert!(ran(threads(own)) > before);
    }
}
