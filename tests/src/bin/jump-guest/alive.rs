//! Checks that the kernel works.

use std::env;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::thread::{CpuSet, sched_getcpu, sched_setaffinity};

/// First argument of a child process; the second is its CPU.
pub const CHILD: &str = "--child";

/// State that must not change.
#[derive(Debug, PartialEq, Eq)]
pub struct Signs {
    /// CPUs in use, as Linux lists them.
    pub cpus: String,
    /// 0, or flags about problems in the kernel (a warning, for instance).
    tainted: String,
}

impl Signs {
    /// Reads the state, and tests timer, file system, and a process on each CPU. An error names the
    /// failure.
    pub fn see() -> Result<Self> {
        let start = Instant::now();
        thread::sleep(Duration::from_millis(20));
        ensure!(
            start.elapsed() > Duration::ZERO,
            "the clock does not advance"
        );

        let file = "/tmp/alive";
        let text = format!("{:?}", Instant::now());
        fs::write(file, &text)?;
        ensure!(fs::read_to_string(file)? == text, "a file changed");
        fs::remove_file(file)?;

        let cpus = read("/sys/devices/system/cpu/online")?;
        for cpu in list(&cpus)? {
            let status = Command::new(env::current_exe()?)
                .args([CHILD, &cpu.to_string()])
                .status()
                .with_context(|| format!("cannot start a process for CPU {cpu}"))?;
            ensure!(status.success(), "a process on CPU {cpu}: {status}");
        }
        Ok(Self {
            cpus,
            tainted: read("/proc/sys/kernel/tainted")?,
        })
    }
}

/// A process that runs on one CPU, sleeps there, and calculates with SSE.
pub fn child(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set)?;
    thread::sleep(Duration::from_millis(5));
    let sum: f64 = (1..=1000).map(|n| f64::from(n).sqrt()).sum();
    ensure!(
        (sum - 21_097.455_887_480_734).abs() < 1e-6,
        "a sum is {sum}"
    );
    let on = sched_getcpu();
    if on != cpu {
        bail!("on CPU {on}, expected {cpu}");
    }
    Ok(())
}

fn read(path: &str) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    Ok(text.trim().to_owned())
}

/// Parses a list in sysfs format: "0-2,4".
fn list(text: &str) -> Result<Vec<usize>> {
    let mut numbers = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse()?, last.parse()?);
        ensure!(first <= last && last < 4096, "no list of CPUs: {text}");
        numbers.extend(first..=last);
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus() {
        assert_eq!(list("0").unwrap(), [0]);
        assert_eq!(list("0-2,4").unwrap(), [0, 1, 2, 4]);
        assert!(list("").is_err() && list("3-1").is_err());
    }
}
