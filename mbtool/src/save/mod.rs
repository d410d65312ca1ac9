//! `mbtool crash save`: in a crash kernel, a Linux or the dom0 of a Xen, saves
//! the dump that /proc/vmcore is, and boots the machine again.
//!
//! The one rule is that it ends. Every step has a limit of time and a fallback;
//! where nothing moves all the same, a thread of its own (`guard`) boots the
//! machine, and where this process or all of Linux hangs, a watchdog does.
//!
//! 1. The kernel's log (makedumpfile --dump-dmesg): the most for the least.
//! 2. The dump, by the collector; where that fails or hangs, as it is, without
//!    pages of zeros. What cannot be read is zeros, and listed.
//! 3. SHA-256, and reading back what was written.
//! 4. `crash.json`, renames, fsync, umount.
//! 5. What the configuration has as `then`. Failures go there as well.
//!
//! What it needs of an initramfs (everything but the first line can be missing,
//! and is done without):
//!
//! - root, /proc, /sys and /dev (devtmpfs) mounted; `/etc/mbtool/crash.toml`;
//!   standard error on the console;
//! - `makedumpfile` with its libraries, in PATH;
//! - the disk's driver, loaded, or loaded by udev; to find it by UUID: udev's
//!   links in /dev/disk, or `blkid`, or `findfs`;
//! - the file system's module: loaded, or `modprobe` in /sbin or /bin, and the module
//!   with what it needs (ext4: crc32c);
//! - for ssh: `ssh` with its libraries, the identity and the known hosts that the
//!   configuration names, /etc/passwd with root in it, the network configured;
//! - a watchdog: its driver loaded (/dev/watchdog), or `modprobe` and softdog; in
//!   dom0 xen-privcmd, and Xen's is used;
//! - whoever starts it reboots when it returns or dies: `mbtool crash save; reboot -f`.
//!
//! It acts, that is it ends with `then`, where there is a /proc/vmcore or where
//! `mbtool.crash` is on /proc/cmdline; elsewhere it only saves.

mod checksum;
mod collector;
mod console;
mod context;
mod copy;
mod deadline;
mod device;
mod directory;
mod dump_job;
mod finish;
mod flush;
mod heartbeat;
mod mount;
mod process;
mod progress;
mod record;
mod remote;
mod scratch;
mod signals;
mod source;
mod ssh;
mod timestamp;
mod watchdog;

pub use record::{Record, Vmcore};

use crate::config::target::Target;
use crate::config::{Config, Save, Then};
use crate::sys::timeout;
use anyhow::{Context, Result, anyhow, ensure};
use console::Talk;
use context::{Limits, Run};
use deadline::Guard;
use dump_job::Job;
use finish::Power;
use heartbeat::Pulse;
use rustix::fs::Mode;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use timestamp::Moment;

/// The dump of the kernel that crashed.
const VMCORE: &str = "/proc/vmcore";
/// The word on a crash kernel's command line.
const WORD: &str = "mbtool.crash";
/// Lines of the kernel's log that are shown when nothing could be saved.
const LAST_WORDS: usize = 40;
/// Room for that log, in bytes.
const LOG: u64 = 64 << 20;
/// Not to be ended when memory runs out (proc(5), oom_score_adj).
const OOM_SCORE: &str = "-1000";

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The configuration.
    pub config: PathBuf,
    /// The dump.
    pub vmcore: PathBuf,
    /// Return when it is saved, or not.
    pub no_reboot: bool,
    /// Do not read a copy back.
    pub no_verify: bool,
}

/// Saves the dump, and does what is configured to come then: this returns where
/// it is not to end the machine, or cannot.
///
/// # Errors
///
/// The dump was not saved.
pub fn run(options: &Options) -> Result<()> {
    let talk = Arc::new(Talk::stderr());
    let cmdline = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let crash_kernel =
        Path::new(VMCORE).exists() || cmdline.split_whitespace().any(|word| word == WORD);
    let acts = crash_kernel && !options.no_reboot;
    if !crash_kernel && !options.no_reboot {
        talk.say(format_args!(
            "this is no crash kernel (no {VMCORE}, and no {WORD} in /proc/cmdline): the machine is \
             left running"
        ));
    }
    // a dump has all secrets of the machine
    rustix::process::umask(Mode::from_raw_mode(0o077));
    if acts {
        signals::ignore();
        console::never_stop();
        // it may do without
        let _ = fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    }
    let (save, bad) = configuration(options);
    if let Some(why) = &bad {
        talk.say(format_args!("{why}; using what is the default"));
    }
    let run = Run {
        talk,
        pulse: Arc::new(Pulse::new()),
        limits: Limits::new(save.watchdog),
    };
    supervised(
        &run,
        &save,
        bad,
        options,
        acts,
        &(Arc::new(finish::Kernel) as _),
    )
}

/// The configuration, or the default one and why.
fn configuration(options: &Options) -> (Save, Option<String>) {
    match Config::read(&options.config) {
        Ok(config) => (config.save, None),
        Err(error) => (Save::default(), Some(error.to_string())),
    }
}

/// The name of this machine, as its file below `root` says: in an initramfs the
/// kernel knows none.
fn host(root: &Path) -> Option<String> {
    let name = fs::read_to_string(root.join("etc/hostname")).ok()?;
    let name = name.split_whitespace().next()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let usable = name.len() <= 64 && name.chars().all(plain) && !name.starts_with(['-', '.']);
    usable.then(|| name.to_owned())
}

/// Saves under the eyes of the guard, and ends the machine if it `acts`.
fn supervised(
    run: &Run,
    save: &Save,
    bad: Option<String>,
    options: &Options,
    acts: bool,
    power: &Arc<dyn Power>,
) -> Result<()> {
    let mut record = Record {
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
        ..Record::default()
    };
    let guard = guarded(run, save, acts, power, &mut record);
    let work = || attempt(run, save, options, acts, &mut record);
    let done = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let what = panic.downcast_ref::<String>().map(String::as_str);
        let what = what.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(anyhow!("a defect of mbtool: {}", what.unwrap_or("a panic")))
    });
    match &done {
        Ok(()) => {
            let seconds = run.pulse.age().as_secs_f64();
            run.talk
                .say(format_args!("the dump is saved, after {seconds:.0} s"));
        }
        Err(error) if acts => {
            run.talk
                .say(format_args!("the dump is NOT saved: {error:#}"));
            // neither may this stop it
            let _ = catch_unwind(AssertUnwindSafe(|| last_words(run, options)));
        }
        Err(_) => {}
    }
    if acts && save.then != Then::Shell {
        // the guard and the watchdog stay until the machine is gone
        finish::finish(run, power, save.then);
        return done.and(Err(anyhow!("the machine does not reboot")));
    }
    if let Some(watchdog) = guard.and_then(Guard::end)
        && let Err(why) = watchdog.stop()
    {
        run.talk.say(format_args!("the watchdog goes on: {why}"));
    }
    if acts {
        finish::finish(run, power, save.then);
    }
    done
}

/// Starts the watchdog and the guard.
fn guarded(
    run: &Run,
    save: &Save,
    acts: bool,
    power: &Arc<dyn Power>,
    record: &mut Record,
) -> Option<Guard> {
    let whole = Duration::from_secs(save.watchdog.into());
    let watchdog = if !acts {
        "none: the machine is left running".clone_into(&mut record.watchdog);
        None
    } else if whole.is_zero() {
        "none, as configured".clone_into(&mut record.watchdog);
        None
    } else {
        match watchdog::start(run, whole) {
            Ok(watchdog) => {
                let (name, seconds) = (watchdog.name(), whole.as_secs());
                record.watchdog = format!("{name}, {seconds} s");
                Some(watchdog)
            }
            Err(why) => {
                record.watchdog = format!("none: {why}");
                None
            }
        }
    };
    run.talk.say(format_args!("watchdog: {}", record.watchdog));
    let talk = Arc::clone(&run.talk);
    let power = Arc::clone(power);
    let expired = move |step: &str, silence: Duration| {
        let text = format!("no progress for {:.0} s, {step}", silence.as_secs_f64());
        // whoever hangs may have the console
        let quick = Duration::from_secs(1);
        let said = Arc::clone(&talk);
        let shown = text.clone();
        let end = if acts { "rebooting" } else { "giving up" };
        let _ = timeout::within(quick, move || said.say(format_args!("{shown}: {end}")));
        if acts {
            finish::force(&power);
        } else {
            std::process::exit(1);
        }
    };
    let pulse = Arc::clone(&run.pulse);
    let limit = deadline::limit(save.watchdog);
    match Guard::start(pulse, watchdog, whole, limit, expired) {
        Ok(guard) => Some(guard),
        Err(error) => {
            run.talk.say(format_args!("no guard: {error:#}"));
            None
        }
    }
}

/// All of the work.
fn attempt(
    run: &Run,
    save: &Save,
    options: &Options,
    acts: bool,
    record: &mut Record,
) -> Result<()> {
    let vmcore = &*options.vmcore;
    let found = fs::metadata(vmcore).with_context(|| {
        format!(
            "there is no dump, {}: this kernel was not started by a crash, or not with elfcorehdr=",
            vmcore.display()
        )
    })?;
    ensure!(!found.is_dir(), "{} is a directory", vmcore.display());
    let mut name = format!("crash-{}", Moment::now().name());
    if let (Target::Ssh(_), Some(host)) = (&save.target, &record.host) {
        // many machines may save there
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

/// Shows the end of the kernel's log on the console, the last place that is left.
fn last_words(run: &Run, options: &Options) {
    run.pulse.step("showing the kernel's log");
    let shown = scratch::Scratch::new(LOG).and_then(|scratch| {
        let file = scratch.path.join(dump_job::DMESG);
        collector::dmesg(run, &options.vmcore, &file)?;
        Ok(String::from_utf8_lossy(&fs::read(&file)?).into_owned())
    });
    match shown {
        Ok(text) => {
            run.talk
                .say("the end of the log of the kernel that crashed:");
            for line in collector::tail(&text, LAST_WORDS) {
                run.talk.line(line);
                run.pulse.beat();
            }
        }
        Err(error) => run.talk.say(format_args!("nor its log: {error:#}")),
    }
}

#[cfg(test)]
mod tests;
