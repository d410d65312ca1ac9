//! `mbtool crash save`: runs in a crash kernel (a Linux, or the dom0 of a Xen),
//! saves /proc/vmcore, and reboots the machine.
//!
//! The main requirement is that it ends. Every step has a timeout and a
//! fallback. If there is still no progress, a separate thread
//! (`deadline`) reboots the machine; if this process or all of Linux hangs, a
//! watchdog does.
//!
//! 1. The kernel log (makedumpfile --dump-dmesg): small, and most useful.
//! 2. The dump, with the collector. If that fails or hangs, a sparse copy of
//!    the dump. Unreadable pages are zeros, and listed.
//! 3. SHA-256, and verification by reading back.
//! 4. `crash.json`, renames, fsync, umount.
//! 5. The action `then` of the configuration, also after a failure.
//!
//! Requirements on an initramfs (all but the first are optional):
//!
//! - root, /proc, /sys and /dev (devtmpfs) mounted; `/etc/mbtool/crash.toml`;
//!   standard error on the console;
//! - `makedumpfile` with its libraries, in PATH;
//! - the disk's driver, loaded, or loaded by udev; to find the disk by UUID:
//!   udev's links in /dev/disk, or `blkid`, or `findfs`;
//! - the file system's module: loaded, or `modprobe` in /sbin or /bin, and the module
//!   with its dependencies (ext4: crc32c);
//! - for ssh: `ssh` with its libraries, the identity and the known hosts of the
//!   configuration, /etc/passwd with root in it, the network configured;
//! - a watchdog: its driver loaded (/dev/watchdog), or `modprobe` and softdog; in
//!   dom0 xen-privcmd, for Xen's watchdog;
//! - the caller reboots when it returns or is killed: `mbtool crash save; reboot -f`.
//!
//! It executes `then` if there is a /proc/vmcore, or `mbtool.crash` is on
//! /proc/cmdline; otherwise it only saves.

mod checksum;
mod collector;
mod console;
mod context;
mod copy;
mod deadline;
mod device;
mod directory;
mod dump_job;
mod error;
mod finish;
mod flush;
mod heartbeat;
mod mount;
mod output;
mod problem;
mod process;
mod progress;
mod record;
mod remote;
mod scratch;
mod source;
mod ssh;
mod supervision;
mod timestamp;
mod vmcore;
mod watchdog;

pub use error::{ChildError, SaveError, StallKind};
pub use record::{DumpInfo, Vmcore};

use crate::config::target::Target;
use crate::config::{CRASH_PARAMETER, Config, Save, Then};
use crate::sys::signals;
use anyhow::{Result, ensure};
use console::ProgressConsole;
use context::{SaveContext, TimeLimits};
use deadline::Deadline;
use dump_job::Job;
use finish::Power;
use heartbeat::Heartbeat;
use rustix::fs::Mode;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use timestamp::Moment;

/// The dump of the kernel that crashed.
const VMCORE: &str = "/proc/vmcore";
/// Number of lines of the kernel log that are printed if nothing was saved.
const LOG_LINES: usize = 40;
/// Maximum size of that log, in bytes.
const LOG: u64 = 64 << 20;
/// Protects against the OOM killer (proc(5), oom_score_adj).
const OOM_SCORE: &str = "-1000";

/// Options of the command line.
#[derive(Clone, Debug, Default)]
pub struct SaveOptions {
    /// The configuration.
    pub config: PathBuf,
    /// Path of the dump.
    pub vmcore: PathBuf,
    /// Return after the save instead of ending the machine.
    pub no_reboot: bool,
    /// Do not verify a copy by reading it back.
    pub no_verify: bool,
}

/// Saves the dump, and executes the configured action. Returns if that is
/// disabled, or fails.
///
/// # Errors
///
/// When the dump was not saved.
pub fn run(options: &SaveOptions) -> Result<()> {
    let console = Arc::new(ProgressConsole::stderr());
    let cmdline = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let crash_kernel = Path::new(VMCORE).exists()
        || cmdline
            .split_whitespace()
            .any(|given| given == CRASH_PARAMETER);
    let acts = crash_kernel && !options.no_reboot;
    if !crash_kernel && !options.no_reboot {
        console.say(format_args!(
            "this is no crash kernel (no {VMCORE}, and no {CRASH_PARAMETER} in /proc/cmdline): the machine is \
             left running"
        ));
    }
    // a dump has all secrets of the machine
    rustix::process::umask(Mode::from_raw_mode(0o077));
    if acts {
        signals::ignore(&signals::OF_A_SHUTDOWN);
        console::never_stop();
        // optional
        let _ = fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    }
    let (save, bad) = configuration(options);
    if let Some(why) = &bad {
        console.say(format_args!("{why}; using the defaults"));
    }
    let run = SaveContext {
        console,
        heartbeat: Arc::new(Heartbeat::new()),
        limits: TimeLimits::new(save.watchdog),
    };
    supervised(
        &run,
        &save,
        bad,
        options,
        acts,
        &(Arc::new(finish::SystemPower) as _),
    )
}

/// Returns the configuration, or the default and the reason.
fn configuration(options: &SaveOptions) -> (Save, Option<String>) {
    match Config::read(&options.config) {
        Ok(config) => (config.save, None),
        Err(error) => (Save::default(), Some(error.to_string())),
    }
}

/// Returns the host name from its file below `root`: in an initramfs the kernel
/// does not know it.
fn host(root: &Path) -> Option<String> {
    let name = fs::read_to_string(root.join("etc/hostname")).ok()?;
    let name = name.split_whitespace().next()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let usable = name.len() <= 64 && name.chars().all(plain) && !name.starts_with(['-', '.']);
    usable.then(|| name.to_owned())
}

/// Saves with a deadline, and ends the machine if it `acts`.
fn supervised(
    run: &SaveContext,
    save: &Save,
    bad: Option<String>,
    options: &SaveOptions,
    acts: bool,
    power: &Arc<dyn Power>,
) -> Result<()> {
    let mut record = DumpInfo {
        format: record::FORMAT,
        mbtool: env!("CARGO_PKG_VERSION").to_owned(),
        time: Moment::now().rfc3339(),
        kernel: rustix::system::uname()
            .release()
            .to_string_lossy()
            .into_owned(),
        xen: watchdog::xen_below(),
        host: host(Path::new("/")),
        target: save.target.to_string(),
        problems: bad.into_iter().collect(),
        ..DumpInfo::default()
    };
    let deadline = supervision::start(run, save, acts, power, &mut record);
    let work = || attempt(run, save, options, acts, &mut record);
    let done = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let what = panic.downcast_ref::<String>().map(String::as_str);
        let what = what.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(SaveError::Panic(what.unwrap_or("a panic").to_owned()).into())
    });
    match &done {
        Ok(()) => {
            let seconds = run.heartbeat.age().as_secs_f64();
            run.console
                .say(format_args!("the dump is saved, after {seconds:.0} s"));
        }
        Err(error) if acts => {
            run.console
                .say(format_args!("the dump is NOT saved: {error:#}"));
            // printing the log must not prevent the reboot
            let _ = catch_unwind(AssertUnwindSafe(|| print_kernel_log(run, options)));
        }
        Err(_) => {}
    }
    if acts && save.then != Then::Shell {
        // the deadline and the watchdog stay active until the machine is down
        finish::finish(run, power, save.then);
        return done.and(Err(SaveError::StillRunning.into()));
    }
    if let Some(watchdog) = deadline.and_then(Deadline::end)
        && let Err(why) = watchdog.stop()
    {
        run.console
            .say(format_args!("the watchdog is still active: {why}"));
    }
    if acts {
        finish::finish(run, power, save.then);
    }
    done
}

/// Does all of the work.
fn attempt(
    run: &SaveContext,
    save: &Save,
    options: &SaveOptions,
    acts: bool,
    record: &mut DumpInfo,
) -> Result<()> {
    let vmcore = &*options.vmcore;
    let path = || vmcore.to_owned();
    let found = fs::metadata(vmcore).map_err(|source| SaveError::NoDump {
        path: path(),
        source,
    })?;
    ensure!(!found.is_dir(), SaveError::Directory { path: path() });
    let mut name = format!("crash-{}", Moment::now().name());
    if let (Target::Ssh(_), Some(host)) = (&save.target, &record.host) {
        // several machines may save to the same directory
        name = format!("{name}-{host}");
    }
    let job = Job {
        vmcore,
        size: found.len(),
        save,
        name: &name,
        goes_down: acts && save.then != Then::Shell,
        ssh: Path::new("ssh"),
        verify: !options.no_verify,
    };
    match &save.target {
        Target::Directory(path) => directory::save(run, &job, path, record),
        Target::Ssh(ssh) => ssh::save(run, &job, ssh, record),
    }
}

/// Prints the end of the kernel log on the console, as a last resort.
fn print_kernel_log(run: &SaveContext, options: &SaveOptions) {
    run.heartbeat.step("showing the kernel's log");
    let shown = scratch::ScratchDir::new(LOG).and_then(|scratch| {
        let file = scratch.path.join(dump_job::DMESG);
        collector::dmesg(run, &options.vmcore, &file)?;
        Ok(String::from_utf8_lossy(&fs::read(&file)?).into_owned())
    });
    match shown {
        Ok(text) => {
            run.console
                .say("the end of the log of the kernel that crashed:");
            for line in collector::tail(&text, LOG_LINES) {
                run.console.line(line);
                run.heartbeat.beat();
            }
        }
        Err(error) => run
            .console
            .say(format_args!("the kernel's log cannot be shown: {error:#}")),
    }
}

#[cfg(test)]
mod tests;
