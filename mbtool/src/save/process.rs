//! A child process: its output goes to the console; without progress it is
//! killed, with all of its process group.

use super::context::SaveContext;
use super::error::{ChildError, StallKind};
use super::output::{Heard, hear};
use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Instant;

/// Timeout of one poll of a pipe.
const MOMENT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};
/// Makes a child the first victim of the OOM killer (proc(5), oom_score_adj).
const OOM_SCORE: &str = "500";

/// Destination of a child's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// It goes to the console.
    Show,
    /// Captured for the caller, or for the error.
    Keep,
    /// Standard output is data to [read](Running::read); standard error goes to
    /// the console.
    Raw,
}

/// A running child.
#[derive(Debug)]
pub struct ChildProcess<'a> {
    run: &'a SaveContext,
    name: String,
    output: Output,
    child: Child,
    stdin: Option<ChildStdin>,
    /// Present with [`Output::Raw`].
    stdout: Option<ChildStdout>,
    heard: Arc<Heard>,
    /// One receiver per output, which is notified when it is closed.
    outputs: Vec<mpsc::Receiver<()>>,
    started: Instant,
    /// Last seen counters of output and work, and the time of their last
    /// changes.
    seen: (u64, u64),
    alive: Instant,
    worked: Instant,
    ended: bool,
}

impl<'a> ChildProcess<'a> {
    /// Starts `command`; with a pipe for standard input if `input` is set.
    pub fn start(
        run: &'a SaveContext,
        mut command: Command,
        output: Output,
        input: bool,
    ) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let stdin = if input { Stdio::piped() } else { Stdio::null() };
        let mut child = command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|source| ChildError::NotStarted {
                name: name.clone(),
                source,
            })?;
        // optional
        let _ = std::fs::write(format!("/proc/{}/oom_score_adj", child.id()), OOM_SCORE);
        let heard = Arc::new(Heard::default());
        let stdin = child.stdin.take();
        let out = child.stdout.take();
        let err = child.stderr.take();
        let now = Instant::now();
        let mut running = Self {
            run,
            name,
            output,
            child,
            stdin,
            stdout: None,
            heard,
            outputs: Vec::new(),
            started: now,
            seen: (0, 0),
            alive: now,
            worked: now,
            ended: false,
        };
        if let Some(stdin) = &running.stdin {
            fcntl_setfl(stdin, OFlags::NONBLOCK).context("its input cannot be polled")?;
        }
        if output == Output::Raw {
            running.stdout = out;
        } else {
            running.listen(out, true)?;
        }
        running.listen(err, false)?;
        Ok(running)
    }

    /// Reads one output in a separate thread.
    fn listen(&mut self, from: Option<impl Read + Send + 'static>, keep: bool) -> Result<()> {
        let output = self.output;
        let Some(from) = from else { return Ok(()) };
        let heard = Arc::clone(&self.heard);
        let console = (output != Output::Keep).then(|| Arc::clone(&self.run.console));
        let (sender, receiver) = mpsc::channel();
        thread::Builder::new()
            .spawn(move || {
                hear(
                    from,
                    &heard,
                    console.as_deref(),
                    keep && output == Output::Keep,
                );
                // the receiver is gone when the child was abandoned
                let _ = sender.send(());
            })
            .context("no thread")?;
        self.outputs.push(receiver);
        Ok(())
    }

    /// Checks the child once; `work` is a counter of its progress. Returns its exit
    /// status if it has ended. Kills it after the timeout without progress.
    fn look(&mut self, work: u64) -> Result<Option<ExitStatus>> {
        if let Some(status) = self.child.try_wait()? {
            self.ended = true;
            return Ok(Some(status));
        }
        let now = Instant::now();
        let seen = (work, self.heard.bytes.load(Ordering::Relaxed));
        if seen.0 != self.seen.0 {
            self.worked = now;
        }
        if seen != self.seen {
            self.seen = seen;
            self.alive = now;
            self.run.heartbeat.beat();
        }
        self.show(work);
        let limits = &self.run.limits;
        let (since, limit, stall) = match self.worked.elapsed() {
            silent if silent > limits.talking => (silent, limits.talking, StallKind::NoData),
            _ => (self.alive.elapsed(), limits.stall, StallKind::Silent),
        };
        if since <= limit {
            return Ok(None);
        }
        let killed = self.kill();
        Err(ChildError::Stalled {
            name: self.name.clone(),
            stall,
            seconds: since.as_secs_f32(),
            killed,
            output: self.heard.last_lines(),
        }
        .into())
    }

    /// Prints the status: its own status line, and the amount written.
    fn show(&self, work: u64) {
        let Ok(state) = self.heard.state.lock() else {
            return;
        };
        if self.output != Output::Show || (work == 0 && state.is_empty()) {
            return;
        }
        let written = super::progress::text("written", work, 0, self.started.elapsed());
        let text = match state.as_str() {
            "" => written,
            state => format!("{state}  {}", written.trim_start_matches("mbtool: ")),
        };
        self.run.console.status(&text, false);
    }

    /// Writes to its standard input.
    pub fn write(&mut self, mut data: &[u8]) -> Result<()> {
        let mut taken = self.seen.0;
        while !data.is_empty() {
            let Some(stdin) = &mut self.stdin else {
                let name = self.name.clone();
                return Err(ChildError::InputClosed { name }.into());
            };
            match stdin.write(data) {
                Ok(count) => {
                    data = &data[count..];
                    taken = taken.wrapping_add(count as u64);
                    self.seen.0 = taken;
                    self.alive = Instant::now();
                    self.worked = self.alive;
                    self.run.heartbeat.beat();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let mut wanted = [PollFd::new(stdin, PollFlags::OUT)];
                    // interrupted: checked again
                    let _ = poll(&mut wanted, Some(&MOMENT));
                    if let Some(status) = self.look(taken)? {
                        return Err(self.failed(status));
                    }
                }
                // it has ended: its last output has the reason
                Err(error) => {
                    self.stdin = None;
                    let wait = Instant::now() + self.run.limits.last;
                    while Instant::now() < wait {
                        if let Some(status) = self.look(taken)? {
                            return Err(self.failed(status));
                        }
                        thread::sleep(self.run.limits.look);
                    }
                    return Err(ChildError::Write {
                        name: self.name.clone(),
                        why: error,
                        output: self.heard.last_lines(),
                    }
                    .into());
                }
            }
        }
        Ok(())
    }

    /// Reads its output for [`Output::Raw`]; returns 0 at the end.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            let Some(stdout) = &mut self.stdout else {
                return Ok(0);
            };
            let mut wanted = [PollFd::new(stdout, PollFlags::IN)];
            let ready = poll(&mut wanted, Some(&MOMENT));
            if matches!(ready, Ok(1..)) {
                let count = stdout.read(buffer)?;
                self.seen.0 = self.seen.0.wrapping_add(count as u64);
                self.alive = Instant::now();
                self.worked = self.alive;
                return Ok(count);
            }
            // it may have ended while a child of it runs: the end of the output counts
            let ended = self.look(self.seen.0)?.is_some();
            if ended && self.alive.elapsed() > self.run.limits.stall {
                let name = self.name.clone();
                return Err(ChildError::OutputOpen { name }.into());
            }
        }
    }

    /// Closes its input and waits for its end; `work` is a counter of its
    /// progress. Returns captured standard output, if any.
    pub fn end(mut self, mut work: impl FnMut() -> u64) -> Result<Vec<u8>> {
        self.stdin = None;
        self.alive = Instant::now();
        let status = loop {
            if let Some(status) = self.look(work())? {
                break status;
            }
            thread::sleep(self.run.limits.look);
        };
        if !status.success() {
            return Err(self.failed(status));
        }
        self.drain();
        let kept = self.heard.stdout.lock();
        Ok(kept.map(|kept| kept.clone()).unwrap_or_default())
    }

    fn failed(&self, status: ExitStatus) -> anyhow::Error {
        self.drain();
        ChildError::Failed {
            name: self.name.clone(),
            status,
            output: self.heard.last_lines(),
        }
        .into()
    }

    /// Waits until its outputs are closed, with a timeout: its children may
    /// hold them open.
    fn drain(&self) {
        let end = Instant::now() + self.run.limits.last;
        for output in &self.outputs {
            let _ = output.recv_timeout(end.saturating_duration_since(Instant::now()));
        }
    }

    /// Kills it with all of its process group; returns false if it still runs.
    fn kill(&mut self) -> bool {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // already gone, or unkillable: checked below
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let end = Instant::now() + self.run.limits.last;
        while Instant::now() < end {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                self.ended = true;
                return true;
            }
            thread::sleep(self.run.limits.look);
        }
        false
    }
}

impl Drop for ChildProcess<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.kill();
        }
    }
}

/// Runs `command` to its end.
pub fn run(
    run: &SaveContext,
    command: Command,
    output: Output,
    work: impl FnMut() -> u64,
) -> Result<Vec<u8>> {
    ChildProcess::start(run, command, output, false)?.end(work)
}

#[cfg(test)]
#[path = "process_tests.rs"]
mod tests;
