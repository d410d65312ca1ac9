//! Remote shell commands and files over ssh.

use super::context::SaveContext;
use super::copy::Sink;
use super::dump_job::{Job, NAMES};
use super::error::{ChildError, SaveError};
use super::process::{self, ChildProcess, Output};
use crate::config::target::Ssh;
use anyhow::{Result, ensure};
use std::process::Command;

/// Exit status of ssh(1) if the connection, not the command, failed.
const NO_CONNECTION: i32 = 255;

/// The machine, and the directory on it.
#[derive(Clone, Debug)]
pub struct Remote<'a> {
    run: &'a SaveContext,
    job: &'a Job<'a>,
    ssh: &'a Ssh,
    /// Directory of this dump.
    pub dir: String,
}

/// Prefix of all remote commands: a dump has all secrets of a machine.
const PRIVATE: &str = "umask 077; ";

/// A file transfer in progress.
#[derive(Debug)]
pub struct Sending<'a>(ChildProcess<'a>);

impl<'a> Remote<'a> {
    /// A directory for `job` in that of `ssh`, not yet created.
    pub fn new(run: &'a SaveContext, job: &'a Job<'a>, ssh: &'a Ssh) -> Self {
        let dir = format!("{}/{}", ssh.dir.trim_end_matches('/'), job.name);
        Self { run, job, ssh, dir }
    }

    /// Returns an ssh command that runs `script` in the remote shell. It never
    /// prompts, and accepts no unknown host key.
    fn command(&self, script: &str) -> Command {
        let mut command = Command::new(self.job.ssh);
        let save = self.job.save;
        command.arg("-i").arg(&save.identity);
        let known = format!("UserKnownHostsFile={}", save.known_hosts.display());
        for option in [
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=yes",
            &known,
            "ConnectTimeout=15",
            "ServerAliveInterval=5",
            "ServerAliveCountMax=3",
        ] {
            command.args(["-o", option]);
        }
        let (user, host) = (&self.ssh.user, &self.ssh.host);
        command.args(["-p", &self.ssh.port.to_string()]);
        command.args([&format!("{user}@{host}"), "--", script]);
        command
    }

    /// Runs `script` in the remote shell; returns its output.
    ///
    /// # Errors
    ///
    /// As [`process::run`].
    pub fn shell(&self, script: &str) -> Result<String> {
        let out = process::run(self.run, self.command(script), Output::Keep, || 0)?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    /// Like [`Self::shell`] for a command that is silent for long: the remote
    /// shell prints periodically while it runs.
    pub fn slow(&self, command: &str) -> Result<String> {
        self.shell(&format!(
            "{{ {command}; }} & p=$!; \
             while kill -0 $p 2>/dev/null; do sleep 1; echo . >&2; done; wait $p"
        ))
    }

    /// Creates the directory with an unused name: two machines may crash at once,
    /// and one without a clock always at the same time.
    ///
    /// # Errors
    ///
    /// When there is no connection in time, or the directory cannot be created.
    pub fn create(&mut self) -> Result<()> {
        let (base, name) = (quote(&self.ssh.dir), quote(self.job.name));
        let said = self.insist(&format!(
            "{PRIVATE}mkdir -p {base} && cd {base} || exit 1; n=1; d={name}; \
             until mkdir \"$d\" 2>/dev/null; do \
             [ -e \"$d\" ] && [ $n -lt {NAMES} ] || {{ mkdir \"$d\"; exit 1; }}; \
             n=$((n + 1)); d={name}-$n; done; echo \"$d\""
        ))?;
        // a login shell may have printed more
        let name = said.lines().last().unwrap_or_default();
        ensure!(
            name.starts_with(self.job.name) && !name.contains('/'),
            "mkdir on {}: {said:?}",
            self.ssh.host
        );
        self.dir = format!("{}/{name}", self.ssh.dir.trim_end_matches('/'));
        Ok(())
    }

    /// Waits until the other machine is reachable again.
    ///
    /// # Errors
    ///
    /// When there is no connection in time.
    pub fn connect(&self) -> Result<()> {
        self.insist(&format!("[ -d {} ]", quote(&self.dir)))
            .map(drop)
    }

    /// Runs `script`; retries while there is no connection.
    fn insist(&self, script: &str) -> Result<String> {
        self.run.heartbeat.step("connecting by ssh");
        let mut last = None;
        let made = self.run.until(self.run.limits.network, || {
            let error = match self.shell(script) {
                Ok(said) => return Ok(Some(said)),
                Err(error) => error,
            };
            let hopeless = match error.downcast_ref() {
                Some(ChildError::Failed { status, .. }) => status.code() != Some(NO_CONNECTION),
                // there is no ssh, which will not come
                Some(ChildError::NotStarted { .. }) => true,
                _ => false,
            };
            if hopeless {
                return Err(error);
            }
            let text = format!("{error:#}");
            if last.as_ref() != Some(&text) {
                self.run.console.say(format_args!("{text}; trying again"));
                last = Some(text);
            }
            Ok(None)
        })?;
        let unreachable = || SaveError::NoConnection {
            host: self.ssh.host.clone(),
            seconds: self.run.limits.network.as_secs(),
            why: last.unwrap_or_default(),
        };
        Ok(made.ok_or_else(unreachable)?)
    }

    /// Starts sending the file `name`.
    ///
    /// # Errors
    ///
    /// When ssh does not start.
    pub fn send(&self, name: &str) -> Result<Sending<'a>> {
        let script = format!("{PRIVATE}cat > {}", self.path(name));
        let running = ChildProcess::start(self.run, self.command(&script), Output::Keep, true)?;
        Ok(Sending(running))
    }

    /// Sends a small file atomically.
    ///
    /// # Errors
    ///
    /// When it does not arrive.
    pub fn put(&self, name: &str, data: &[u8]) -> Result<()> {
        let partial = format!("{name}{}", super::dump_job::PARTIAL);
        let mut sending = self.send(&partial)?;
        sending.take(data)?;
        sending.end()?;
        self.rename(&partial, name)
    }

    /// Renames a remote file.
    ///
    /// # Errors
    ///
    /// When it cannot be renamed.
    pub fn rename(&self, from: &str, to: &str) -> Result<()> {
        let script = format!("mv -f {} {}", self.path(from), self.path(to));
        self.shell(&script).map(drop)
    }

    /// Removes a remote file if it exists; errors are ignored.
    pub fn remove(&self, name: &str) {
        let _ = self.shell(&format!("rm -f {}", self.path(name)));
    }

    /// Returns the quoted path of `name` for the remote shell.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        quote(&format!("{}/{name}", self.dir))
    }
}

impl Sending<'_> {
    /// Ends the transfer.
    ///
    /// # Errors
    ///
    /// When it failed.
    pub fn end(self) -> Result<()> {
        self.0.end(|| 0).map(drop)
    }
}

impl Sink for Sending<'_> {
    fn take(&mut self, data: &[u8]) -> Result<bool> {
        self.0.write(data).map(|()| true)
    }
}

/// Quotes one argument for a POSIX shell.
#[must_use]
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_argument_is_one_argument() {
        for text in ["/srv/a b", "it's", "$(reboot)", "", "a\\b"] {
            let script = format!("printf %s {}", quote(text));
            let out = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(out.stdout, text.as_bytes());
        }
    }
}
