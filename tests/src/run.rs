//! Runs a machine until it prints a marker, fails, ends, or times out.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use images::progress::say;

use crate::case::{self, Start};
use crate::clock::Clock;
use crate::dirs::target_dir;
use crate::keyboard::Keyboard;
use crate::machine::{Initrd, Machine, Memory};
use crate::outcome::{EndReason, Outcome, TRACE};
use crate::process::{QemuProcess, spawn};
use crate::serial::LineFollower;
use crate::template::Template;
use crate::times::{self, Phases, StartKind};
use crate::{gdb, qmp};

/// Polling interval of the log.
const POLL: Duration = Duration::from_millis(50);

/// How long a machine may continue after it has reported a failure, so that the log has the rest of
/// the report.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// File of QEMU's own output, in the directory of a run.
const QEMU_LOG: &str = "qemu.log";

/// Where the files of the run `name` are.
pub fn dir(name: &str) -> PathBuf {
    target_dir().join("e2e").join(name)
}

/// Returns the result of `attempt`, a run called `name`; repeated once, with a message, if QEMU is
/// at fault.
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
        // a monitor or debugger has lost its connection
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
            Ok(Some(_)) if restored => StartKind::Restored,
            Ok(None) => StartKind::Booted,
            _ => StartKind::BootedInstead,
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
        let mut follow = LineFollower::new();
        let mut clock = Clock::new(running.0.id());
        let mut phases = Phases::default();
        let mut lines = Vec::new();
        let mut end: Option<(EndReason, Instant)> = None;
        let (reason, ended) = loop {
            // status first: QEMU's output before its end is then certainly in the log
            let exited = running.0.try_wait()?;
            for line in follow.lines(&log)? {
                phases.line(started.elapsed(), &line);
                on_line(started.elapsed(), &line, &mut keyboard);
                let holds = |text: &&&str| !line.starts_with(TRACE) && line.contains(**text);
                if end.is_none() {
                    if let Some(marker) = until.iter().find(holds) {
                        end = Some((EndReason::Marker((*marker).to_owned()), Instant::now()));
                    } else if self.failures.iter().any(|f| holds(&&f.as_str())) {
                        end = Some((
                            EndReason::Failure(line.clone()),
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
                    break (EndReason::Exited(exited.unwrap_or_default()), exited);
                }
                None if clock.elapsed() >= deadline => break (EndReason::Deadline, None),
                // a monitor or debugger must have resumed it before
                None if clock.is_still() => break (EndReason::Still, None),
                // printed below
                _ if keyboard.failed() => break (EndReason::Deadline, None),
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

    /// Returns the template to restore it from. `None` if it is to be booted; an error, which has
    /// been printed, if it is booted although it could be restored.
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
        // a log of an earlier run must not be used; the output of the template is part of it
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
        // nor the sockets of an earlier run
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
        // with a keyboard, QEMU's own streams are the serial port, which is also written to the
        // log
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
    running: QemuProcess,
    keyboard: Keyboard,
    log: PathBuf,
    /// Command that starts it from power-on.
    command: String,
}

/// The command line, to be pasted into a shell.
fn shell(command: &Command) -> String {
    let quote = |argument: &std::ffi::OsStr| {
        let argument = argument.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
        if !argument.is_empty() && argument.chars().all(plain) {
            argument.into_owned()
        } else {
            format!("'{}'", argument.replace('\'', r"'\''"))
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

    #[test]
    fn a_command_can_be_pasted() {
        let mut command = Command::new("/bin/qemu");
        command.env("A", "b c").args(["-append", "it's", ""]);
        assert_eq!(shell(&command), r"A='b c' /bin/qemu -append 'it'\''s' ''");
    }
}
