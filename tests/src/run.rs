//! Runs a machine until it says what is waited for, fails, ends, or is out of time.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use images::payloads::EXIT_STATUS;
use images::progress::say;
use images::report::Report;

use crate::case::{self, Start};
use crate::clock::Clock;
use crate::dirs::target_dir;
use crate::keyboard::Keyboard;
use crate::machine::{Initrd, Machine, Memory};
use crate::process::{Running, spawn};
use crate::serial::Follow;
use crate::template::Template;
use crate::times::{self, Kind, Phases};
use crate::{gdb, qmp};

/// How often the log is looked at.
const POLL: Duration = Duration::from_millis(50);

/// How long a machine may go on after it reported a failure, so that the log has the rest of the report.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// What QEMU itself writes, in the directory of a run.
const QEMU_LOG: &str = "qemu.log";

/// Lines of the log shown in an error.
const TAIL_LINES: usize = 30;

/// A first stage traces its commands with this prefix; a marker in a command is not the marker itself.
const TRACE: &str = "MBTOOL-STAGE1 + ";

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A line held this text, one of those waited for.
    Marker(String),
    /// This line held one of the machine's failure texts.
    Failure(String),
    /// QEMU ended by itself: the guest powered off or reset.
    Exited(ExitStatus),
    /// The deadline passed on the machine's own clock, which does not advance while QEMU waits for a CPU of the host.
    Deadline,
    /// Nothing of QEMU ran any more: its emulated CPUs wait for an interrupt that does not come.
    Still,
}

/// A run that has ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Why it ended.
    pub reason: Reason,
    /// QEMU's exit status if it had ended by itself by then, whatever the reason.
    pub ended: Option<ExitStatus>,
    /// Everything on the serial port, line by line, without terminal control.
    pub lines: Vec<String>,
    /// The log as the machine wrote it.
    pub log: PathBuf,
    /// Time from QEMU's start to the end.
    pub elapsed: Duration,
    /// QEMU's command line that starts the machine from power-on.
    pub command: String,
    /// It was restored from a template instead.
    pub restored: bool,
    /// What QEMU itself wrote.
    pub qemu_output: String,
}

impl Outcome {
    /// This outcome when the run ended with `marker`, else an error that shows the end of the log.
    pub fn ended_with(self, marker: &str) -> Result<Self> {
        match &self.reason {
            Reason::Marker(seen) if seen == marker => Ok(self),
            _ => bail!("waited for {marker:?}: {}", self.describe()),
        }
    }

    /// Why QEMU is to blame, if it is.
    ///
    /// A signal ended it, which nothing in a machine can cause: QEMU 10 sometimes ends with a failed assertion
    /// (`iotlb_to_section`) when one emulated CPU moves a PCI device's memory. Or a system that firmware or QEMU started
    /// lost its timers. One that mbtool has started must not, whoever's fault it is.
    fn qemu_broke(&self) -> Option<&str> {
        if self.ended.is_some_and(|status| status.signal().is_some()) {
            return Some(self.qemu_output.trim());
        }
        let lost = self.reason == Reason::Still && !self.contains("[handoff]");
        lost.then_some("the emulated CPUs wait for an interrupt that does not come")
    }

    /// What a payload reported; an error when it did not end QEMU as it does after a report.
    pub fn report(&self) -> Result<Report> {
        match self.reason {
            Reason::Exited(status) if status.code() == Some(EXIT_STATUS) => {
                Report::parse(&self.lines.join("\n"))
            }
            _ => bail!("no report: {}", self.describe()),
        }
    }

    /// Whether a line holds `text`.
    pub fn contains(&self, text: &str) -> bool {
        self.lines.iter().any(|line| line.contains(text))
    }

    /// What follows `prefix` on the last line that holds it.
    pub fn value(&self, prefix: &str) -> Option<&str> {
        let found = |line: &&String| !line.starts_with(TRACE) && line.contains(prefix);
        let line = self.lines.iter().rfind(found)?;
        Some(line.split_once(prefix)?.1)
    }

    /// Why the run ended, the end of the log, and how to repeat it.
    pub fn describe(&self) -> String {
        let mut text = match &self.reason {
            Reason::Marker(marker) => format!("the machine said {marker:?}"),
            Reason::Failure(line) => format!("the machine said {line:?}"),
            Reason::Exited(status) => format!("the machine powered off or reset (QEMU: {status})"),
            Reason::Deadline => "the deadline passed".to_owned(),
            Reason::Still => "the machine stood still, all its CPUs waiting,".to_owned(),
        };
        let _ = write!(
            text,
            " after {:.0} s\n--- last lines of {}\n",
            self.elapsed.as_secs_f32(),
            self.log.display()
        );
        for line in &self.lines[self.lines.len().saturating_sub(TAIL_LINES)..] {
            let _ = writeln!(text, "{line}");
        }
        if !self.qemu_output.trim().is_empty() {
            let _ = write!(text, "--- QEMU said\n{}\n", self.qemu_output.trim_end());
        }
        let how = if self.restored {
            "The machine was restored from a template, MBTOOL_TEMPLATES=off boots it; by hand"
        } else {
            "QEMU was started with"
        };
        let _ = write!(text, "--- {how}\n{}", self.command);
        text
    }
}

/// Where the files of the run `name` are.
pub fn dir(name: &str) -> PathBuf {
    target_dir().join("e2e").join(name)
}

/// What `attempt`, a run called `name`, comes to; made once more, and said, where QEMU is to blame for its outcome.
pub(crate) fn or_once_more<T>(
    name: &str,
    mut attempt: impl FnMut() -> Result<T>,
    outcome: impl Fn(&T) -> &Outcome,
) -> Result<T> {
    let first = attempt()?;
    let Some(why) = outcome(&first).qemu_broke() else {
        return Ok(first);
    };
    say(
        name,
        format_args!("QEMU itself broke, trying once more: {why}"),
    );
    times::again();
    attempt()
}

impl Machine {
    /// Runs the machine as `name` until a line of its serial port holds one of `until`, at most for `deadline`.
    pub fn run(&self, name: &str, deadline: Duration, until: &[&str]) -> Result<Outcome> {
        self.run_with(name, deadline, until, &mut |_, _| {})
    }

    /// The same; `on_line` gets each line of the serial port with the time since QEMU's start.
    pub fn run_with(
        &self,
        name: &str,
        deadline: Duration,
        until: &[&str],
        on_line: &mut dyn FnMut(Duration, &str),
    ) -> Result<Outcome> {
        self.run_typing(name, deadline, until, &mut |at, line, _| on_line(at, line))
    }

    /// The same; `on_line` may answer on the serial port, on a machine made for that ([`Machine::typing`]).
    pub fn run_typing(
        &self,
        name: &str,
        deadline: Duration,
        until: &[&str],
        on_line: &mut dyn FnMut(Duration, &str, &mut Keyboard),
    ) -> Result<Outcome> {
        let mut attempt = || self.attempt(name, deadline, until, on_line);
        // who looks at the machine from outside has lost it
        if self.is_watched() {
            return attempt();
        }
        or_once_more(name, attempt, |outcome| outcome)
    }

    fn attempt(
        &self,
        name: &str,
        deadline: Duration,
        until: &[&str],
        on_line: &mut dyn FnMut(Duration, &str, &mut Keyboard),
    ) -> Result<Outcome> {
        let template = self.template(name);
        let launched = match &template {
            Ok(template) => self.launch(name, template.as_ref()),
            Err(_) => self.launch(name, None),
        };
        let (launched, restored) = match launched {
            Err(error) if matches!(template, Ok(Some(_))) => {
                say(name, format_args!("cannot be restored: {error:#}"));
                (self.launch(name, None)?, false)
            }
            other => (other?, matches!(template, Ok(Some(_)))),
        };
        let kind = match template {
            Ok(Some(_)) if restored => Kind::Restored,
            Ok(None) => Kind::Booted,
            _ => Kind::BootedInstead,
        };
        say(
            name,
            format_args!(
                "{} (deadline {} s)",
                if restored { "restored" } else { "booting" },
                deadline.as_secs()
            ),
        );
        let Launched {
            mut running,
            mut keyboard,
            log,
            command,
        } = launched;
        let started = Instant::now();
        let mut follow = Follow::new();
        let mut clock = Clock::new(running.0.id());
        let mut phases = Phases::default();
        let mut lines = Vec::new();
        let mut end: Option<(Reason, Instant)> = None;
        let (reason, ended) = loop {
            // The status first: what QEMU wrote before it ended is then certainly in the log.
            let exited = running.0.try_wait()?;
            for line in follow.lines(&log)? {
                phases.line(started.elapsed(), &line);
                on_line(started.elapsed(), &line, &mut keyboard);
                let holds = |text: &&&str| !line.starts_with(TRACE) && line.contains(**text);
                if end.is_none() {
                    if let Some(marker) = until.iter().find(holds) {
                        end = Some((Reason::Marker((*marker).to_owned()), Instant::now()));
                    } else if self.failures.iter().any(|f| holds(&&f.as_str())) {
                        end = Some((
                            Reason::Failure(line.clone()),
                            Instant::now() + AFTER_FAILURE,
                        ));
                    }
                }
                lines.push(line);
            }
            match &end {
                Some((reason, at)) if exited.is_some() || Instant::now() >= *at => {
                    break (reason.clone(), exited);
                }
                None if exited.is_some() => {
                    break (Reason::Exited(exited.unwrap_or_default()), exited);
                }
                None if clock.elapsed() >= deadline => break (Reason::Deadline, None),
                // who looks at it from outside has let it go again before this
                None if clock.is_still() => break (Reason::Still, None),
                // said below
                _ if keyboard.failed() => break (Reason::Deadline, None),
                _ => thread::sleep(POLL),
            }
        };
        let wall = started.elapsed();
        let starved = wall.saturating_sub(clock.elapsed());
        times::ran(times::Ran {
            kind,
            parts: phases.end(wall),
            starved,
            cpu: clock.ran(),
        });
        drop(running);
        keyboard
            .check()
            .with_context(|| format!("see {}", log.display()))?;
        let rest = follow.rest();
        if !rest.is_empty() {
            lines.push(rest);
        }
        let outcome = Outcome {
            reason,
            ended,
            lines,
            elapsed: wall,
            command,
            restored,
            qemu_output: fs::read_to_string(dir(name).join(QEMU_LOG)).unwrap_or_default(),
            log,
        };
        let mut text = outcome.summary();
        if starved > wall / 4 {
            let _ = write!(
                text,
                ", {:.0} s of which without a CPU",
                starved.as_secs_f32()
            );
        }
        say(name, text);
        Ok(outcome)
    }

    /// The template to restore it from. Nothing where it is to be booted; an error, which has been said, where it is booted
    /// although it could be restored.
    fn template(&self, name: &str) -> Result<Option<Template>> {
        if case::start() != Start::Restored {
            return Ok(None);
        }
        let found = Template::of(self, name).and_then(|found| {
            found.context("another case is making the template, and this one does not wait")
        });
        if let Err(error) = &found {
            say(
                name,
                format_args!("booting instead of restoring: {error:#}"),
            );
        }
        found.map(Some)
    }

    /// Starts QEMU for the run `name`, from power-on or from a template.
    fn launch(&self, name: &str, template: Option<&Template>) -> Result<Launched> {
        let dir = dir(name);
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let log = dir.join("serial.log");
        // a log of an earlier run must not be taken for this one's; what a template printed is part of it
        let mut before = Vec::new();
        if let Some(template) = template {
            before = template.log()?;
            let line = format!(
                "[{name}] restored from here on, template {}\r\n",
                template.key()
            );
            before.extend(line.bytes());
        }
        fs::write(&log, before)?;
        // nor an earlier run's machine for this one
        for socket in [qmp::SOCKET, qmp::TEMPLATE_SOCKET, gdb::SOCKET] {
            let _ = fs::remove_file(dir.join(socket));
        }
        self.prepare(&dir)?;
        let shown = |command: &Command| format!("cd {} && {}", dir.display(), shell(command));
        let booted = shown(&self.command(&dir, Memory::Private)?);
        fs::write(dir.join("command"), format!("{booted}\n"))?;
        let mut command = match template.map(Template::ram) {
            None => self.command(&dir, Memory::Private)?,
            Some(ram) => self.command(&dir, Memory::Restored(&ram))?,
        };
        let output = fs::File::create(dir.join(QEMU_LOG))?;
        // With a keyboard, QEMU's own streams are the serial port, which goes to the log as well.
        let (stdin, stdout) = if self.typing {
            (Stdio::piped(), Stdio::null())
        } else {
            (Stdio::null(), output.try_clone()?.into())
        };
        let started = shown(&command);
        command.stdin(stdin).stdout(stdout).stderr(output);
        let mut running = spawn(command).with_context(|| started.clone())?;
        if let (Some(template), Some(Initrd::Stage1(initrd))) = (template, &self.initrd) {
            template
                .restore(running.0.id(), &dir, &initrd.files)
                .with_context(|| started)?;
        }
        Ok(Launched {
            keyboard: Keyboard::new(running.0.stdin.take()),
            running,
            log,
            command: booted,
        })
    }
}

/// A machine that has been started.
struct Launched {
    running: Running,
    keyboard: Keyboard,
    log: PathBuf,
    /// What starts it from power-on.
    command: String,
}

impl Outcome {
    fn summary(&self) -> String {
        let what = match &self.reason {
            Reason::Marker(marker) => format!("{:?} seen", marker.trim()),
            Reason::Failure(line) => format!("machine said {line:?}"),
            Reason::Exited(status) => format!("machine ended ({status})"),
            Reason::Deadline => "deadline passed".to_owned(),
            Reason::Still => "machine stands still".to_owned(),
        };
        format!("{what} after {:.0} s", self.elapsed.as_secs_f32())
    }
}

/// The command line, to be pasted into a shell.
fn shell(command: &Command) -> String {
    let quote = |word: &std::ffi::OsStr| {
        let word = word.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.into_owned()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    let mut words: Vec<String> = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={}", name.to_string_lossy(), quote(value?))))
        .collect();
    words.push(quote(command.get_program()));
    words.extend(command.get_args().map(quote));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(lines: &[&str], reason: Reason) -> Outcome {
        Outcome {
            reason,
            ended: None,
            lines: lines.iter().map(|l| (*l).to_owned()).collect(),
            log: "serial.log".into(),
            elapsed: Duration::from_secs(3),
            command: "qemu -x".to_owned(),
            restored: false,
            qemu_output: "warning".to_owned(),
        }
    }

    #[test]
    fn values_come_from_the_last_line_but_not_from_the_trace() {
        let lines = ["A cpus=1", "A cpus=2", "MBTOOL-STAGE1 + echo A cpus=3"];
        let outcome = outcome(&lines, Reason::Deadline);
        assert_eq!(outcome.value("A cpus="), Some("2"));
        assert_eq!(outcome.value("A mem="), None);
    }

    #[test]
    fn an_error_shows_the_end_of_the_log_and_the_command() {
        let lines: Vec<String> = (0..50).map(|n| format!("line {n}.")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let error = outcome(&lines, Reason::Deadline)
            .ended_with("END")
            .unwrap_err()
            .to_string();
        for text in [
            "\"END\"",
            "deadline",
            "serial.log",
            "line 20.",
            "line 49.",
            "warning",
            "qemu -x",
        ] {
            assert!(error.contains(text), "{text} is missing in {error}");
        }
        assert!(!error.contains("line 19."));
        let other = outcome(&[], Reason::Marker("OTHER".into()));
        assert!(other.ended_with("END").is_err());
    }

    #[test]
    fn a_signal_or_lost_timers_mean_that_qemu_broke() {
        let mut ended = outcome(&[], Reason::Deadline);
        assert_eq!(ended.qemu_broke(), None);
        ended.ended = Some(ExitStatus::from_raw(1 << 8));
        assert_eq!(ended.qemu_broke(), None);
        ended.ended = Some(ExitStatus::from_raw(6));
        assert!(ended.qemu_broke().is_some());
        // what mbtool has started is no fault of QEMU's
        assert!(
            outcome(&["(XEN) Xen"], Reason::Still)
                .qemu_broke()
                .is_some()
        );
        let handed = outcome(&["[handoff] mbtool 0.1.0"], Reason::Still);
        assert_eq!(handed.qemu_broke(), None);
    }

    #[test]
    fn a_command_can_be_pasted() {
        let mut command = Command::new("/bin/qemu");
        command.env("A", "b c").args(["-append", "it's", ""]);
        assert_eq!(shell(&command), r"A='b c' /bin/qemu -append 'it'\''s' ''");
    }
}
