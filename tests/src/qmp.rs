//! QEMU's monitor: stops a machine, and writes its memory to files.
//!
//! Protocol: "QEMU Machine Protocol Specification" (docs/interop/qmp-spec.txt), one JSON object per line.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

/// Name of the socket in a run's directory.
pub const SOCKET: &str = "qmp";

/// Name of another socket, to save and restore a machine.
pub(crate) const TEMPLATE_SOCKET: &str = "qmp-template";

/// Timeout of one response, including those of commands that write gigabytes to a file.
const ANSWER: Duration = Duration::from_secs(180);

/// Maximum size of a response in bytes.
const LONGEST: usize = 16 << 20;

/// A connection to the monitor of a machine that was made with [`Machine::monitor`](crate::Machine::monitor).
#[derive(Debug)]
pub struct Qmp {
    stream: BufReader<UnixStream>,
}

/// Connects to the socket `name` in `dir`, whose path may have any length, within `deadline`.
pub(crate) fn connect(dir: &Path, name: &str, deadline: Duration) -> Result<UnixStream> {
    let shown = dir.join(name);
    let open = File::open(dir).with_context(|| dir.display().to_string())?;
    // a socket address is limited to 108 bytes
    let short = format!("/proc/self/fd/{}/{name}", open.as_raw_fd());
    let started = Instant::now();
    loop {
        match UnixStream::connect(&short) {
            Ok(stream) => return Ok(stream),
            Err(error) if started.elapsed() > deadline => {
                return Err(error).with_context(|| format!("no QEMU at {}", shown.display()));
            }
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

impl Qmp {
    /// Connects as soon as QEMU has made the socket in `dir`, within `deadline`.
    pub fn connect(dir: &Path, deadline: Duration) -> Result<Self> {
        Self::connect_to(dir, SOCKET, deadline)
    }

    /// The same by the socket `name`.
    pub(crate) fn connect_to(dir: &Path, name: &str, deadline: Duration) -> Result<Self> {
        Self::greet(connect(dir, name, deadline)?)
    }

    fn greet(stream: UnixStream) -> Result<Self> {
        stream.set_read_timeout(Some(ANSWER))?;
        let mut qmp = Self {
            stream: BufReader::new(stream),
        };
        let greeting = qmp.read()?;
        ensure!(
            greeting.get("QMP").is_some(),
            "no monitor of QEMU: {greeting}"
        );
        qmp.run("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Runs a command; returns its result.
    pub fn run(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let line = json!({ "execute": command, "arguments": arguments });
        writeln!(self.stream.get_mut(), "{line}").with_context(|| format!("monitor: {command}"))?;
        loop {
            let mut answer = self
                .read()
                .with_context(|| format!("monitor: answer to {command}"))?;
            if let Some(error) = answer.get("error") {
                bail!("monitor: {command}: {}", error["desc"]);
            }
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            ensure!(
                answer.get("event").is_some(),
                "monitor: {command} was answered with {answer}"
            );
        }
    }

    /// Stops all CPUs.
    pub fn stop(&mut self) -> Result<()> {
        self.run("stop", json!({}))?;
        let status = self.status()?;
        ensure!(status == "paused", "stopped, the machine is {status:?}");
        Ok(())
    }

    /// Lets them continue.
    pub fn cont(&mut self) -> Result<()> {
        self.run("cont", json!({})).map(drop)
    }

    /// Returns "running", "paused", "debug" (stopped by a debugger) and so on.
    pub fn status(&mut self) -> Result<String> {
        let status = self.run("query-status", json!({}))?;
        let text = status["status"].as_str();
        Ok(text.with_context(|| format!("{status}"))?.to_owned())
    }

    /// Writes `len` bytes of physical memory from `addr` to `file`, relative to QEMU's directory.
    pub fn pmemsave(&mut self, addr: u64, len: u64, file: &str) -> Result<()> {
        let arguments = json!({ "val": addr, "size": len, "filename": file });
        self.run("pmemsave", arguments).map(drop)
    }

    /// Runs a command of the human monitor.
    pub fn human(&mut self, line: &str) -> Result<String> {
        let text = self.run("human-monitor-command", json!({ "command-line": line }))?;
        Ok(text.as_str().context("no text")?.to_owned())
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = Vec::new();
        loop {
            let part = match self.stream.fill_buf() {
                Ok(part) => part,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    bail!("nothing within {} s", ANSWER.as_secs())
                }
                Err(error) => return Err(error.into()),
            };
            ensure!(!part.is_empty(), "QEMU has closed its monitor");
            let end = part.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(part.len(), |end| end + 1);
            line.extend(&part[..used]);
            self.stream.consume(used);
            ensure!(line.len() <= LONGEST, "more than {LONGEST} bytes");
            if end.is_some() {
                return serde_json::from_slice(&line)
                    .with_context(|| String::from_utf8_lossy(&line).into_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_answered_between_events() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        for line in [
            r#"{"QMP": {"version": {}, "capabilities": []}}"#,
            r#"{"return": {}}"#,
            r#"{"event": "STOP", "timestamp": {}}"#,
            r#"{"return": {}}"#,
            r#"{"return": {"status": "paused", "running": false}}"#,
            r#"{"error": {"class": "GenericError", "desc": "no such file"}}"#,
            r#"{"return": "text\r\n"}"#,
        ] {
            writeln!(theirs, "{line}").unwrap();
        }
        let mut qmp = Qmp::greet(ours).unwrap();
        qmp.stop().unwrap();
        let error = qmp.pmemsave(0x1000, 4096, "x/y").unwrap_err().to_string();
        assert!(error.contains("pmemsave") && error.contains("no such file"));
        assert_eq!(qmp.human("info mtree -f").unwrap(), "text\r\n");
        drop(theirs);
        assert!(qmp.cont().is_err());
    }

    #[test]
    fn a_socket_without_monitor_is_an_error() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        writeln!(theirs, "{{\"hello\": 1}}").unwrap();
        let error = Qmp::greet(ours).unwrap_err().to_string();
        assert!(error.contains("hello"), "{error}");
    }

    #[test]
    fn a_directory_may_have_a_long_name() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("d".repeat(200));
        std::fs::create_dir(&long).unwrap();
        let error = connect(&long, SOCKET, Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains(SOCKET), "{error}");
        let open = File::open(&long).unwrap();
        let short = format!("/proc/self/fd/{}/{SOCKET}", open.as_raw_fd());
        let _listener = std::os::unix::net::UnixListener::bind(short).unwrap();
        connect(&long, SOCKET, Duration::ZERO).unwrap();
    }
}
