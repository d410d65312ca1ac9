//! Commands that a first stage attempts, and files that it prints, parsed from the serial
//! log.
//!
//! In the guest, `attempt NAME COMMAND...` runs a command and reports its exit status, its output,
//! and whether the kernel has an image loaded; `show NAME FILE` prints a file. Neither ends the run
//! when the command fails.

use anyhow::{Context, Result, ensure};
use images::guest::Stage1;

use crate::outcome::Outcome;

/// Prefix of each line of `attempt`, and of the two lines around a file.
const MARKER: &str = "MBTOOL-GUEST ";

const ATTEMPT: &str = r#"#!/bin/busybox sh
name=$1
shift
"$@" >/tmp/attempt.out 2>/tmp/attempt.err </dev/null
status=$?
sed "s/^/MBTOOL-GUEST $name out: /" /tmp/attempt.out
sed "s/^/MBTOOL-GUEST $name err: /" /tmp/attempt.err
echo "MBTOOL-GUEST $name status: $status"
echo "MBTOOL-GUEST $name loaded: $(cat /sys/kernel/kexec_loaded)"
"#;

const SHOW: &str = r#"#!/bin/busybox sh
echo "MBTOOL-GUEST $1 file"
cat "$2"
echo "MBTOOL-GUEST $1 end of file"
"#;

/// An attempted command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its name.
    pub name: String,
    /// Exit status.
    pub status: i32,
    /// /sys/kernel/kexec_loaded afterwards.
    pub loaded: bool,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// `attempt` and `show`: their paths and contents.
pub const fn programs() -> [(&'static str, &'static str); 2] {
    [("bin/attempt", ATTEMPT), ("bin/show", SHOW)]
}

/// Adds `attempt` and `show` to a first stage.
pub fn install(mut stage: Stage1) -> Result<Stage1> {
    for (path, script) in programs() {
        stage = stage.bytes(path, script.as_bytes())?;
    }
    Ok(stage)
}

/// Returns all attempted commands in order.
pub fn attempts(outcome: &Outcome) -> Result<Vec<Attempt>> {
    let mut found = Vec::new();
    let (mut stdout, mut stderr, mut status) = (String::new(), String::new(), None);
    for line in &outcome.lines {
        let Some((name, rest)) = line
            .strip_prefix(MARKER)
            .and_then(|rest| rest.split_once(' '))
        else {
            continue;
        };
        // the serial line may drop the blank after the colon
        let (what, value) = rest.split_once(':').unwrap_or((rest, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match what {
            "out" => stdout.push_str(&format!("{value}\n")),
            "err" => stderr.push_str(&format!("{value}\n")),
            "status" => status = Some(value.parse().with_context(|| line.clone())?),
            "loaded" => found.push(Attempt {
                name: name.to_owned(),
                status: status.take().with_context(|| line.clone())?,
                loaded: value == "1",
                stdout: std::mem::take(&mut stdout),
                stderr: std::mem::take(&mut stderr),
            }),
            _ => {}
        }
    }
    Ok(found)
}

/// Returns the file printed as `name`.
pub fn file(outcome: &Outcome, name: &str) -> Result<String> {
    file_in(&outcome.lines, name).with_context(|| outcome.describe())
}

/// True when `line` is the one after the file printed as `name`.
pub fn ends_file(line: &str, name: &str) -> bool {
    line.strip_prefix(MARKER)
        .and_then(|rest| rest.strip_prefix(name))
        == Some(" end of file")
}

/// Returns the file printed as `name` in `log`.
pub fn file_in(log: &[String], name: &str) -> Result<String> {
    let start = format!("{MARKER}{name} file");
    let mut lines = log.iter();
    let found = lines.any(|line| *line == start);
    ensure!(found, "the guest did not show {name}");
    let mut text = String::new();
    for line in lines {
        if ends_file(line, name) {
            return Ok(text);
        }
        // Xen prints at any time, also in the middle of a line, and ends its own lines
        match line.split_once("(XEN) ") {
            Some((before, _)) => text.push_str(before),
            None => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    anyhow::bail!("the end of {name} is missing")
}

/// Quotes an argument for the shell.
pub fn quote(argument: &str) -> String {
    format!("'{}'", argument.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::EndReason;
    use std::time::Duration;

    fn outcome(lines: &[&str]) -> Outcome {
        Outcome {
            reason: EndReason::Deadline,
            ended: None,
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
            log: "serial.log".into(),
            elapsed: Duration::ZERO,
            command: String::new(),
            restored: false,
            qemu_output: String::new(),
        }
    }

    #[test]
    fn attempts_and_files_are_read_back() {
        let log = outcome(&[
            "MBTOOL-STAGE1 + attempt one false",
            "MBTOOL-GUEST one err: mbtool: a: b",
            "a kernel message",
            "MBTOOL-GUEST one status: 1",
            "MBTOOL-GUEST one loaded: 1",
            "MBTOOL-GUEST two out: x",
            "MBTOOL-GUEST two out:",
            "MBTOOL-GUEST two status: 0",
            "MBTOOL-GUEST two loaded: 0",
            "MBTOOL-GUEST plan file",
            "{",
            "\"a\": 1(XEN) a warning",
            "2",
            "}",
            "MBTOOL-GUEST plan end of file",
        ]);
        let found = attempts(&log).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].status, found[0].loaded, &*found[0].stderr),
            (1, true, "mbtool: a: b\n")
        );
        assert_eq!(
            (found[1].status, found[1].loaded, &*found[1].stdout),
            (0, false, "x\n\n")
        );
        assert_eq!(file(&log, "plan").unwrap(), "{\n\"a\": 12\n}\n");
        assert!(file(&log, "status").is_err());
        assert_eq!(quote("it's"), r"'it'\''s'");
    }
}
