//! The end of a run: its reason, and the machine's output.

use std::fmt::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Result, bail};
use images::payloads::EXIT_STATUS;
use images::report::PayloadReport;

/// Lines of the log shown in an error.
const TAIL_LINES: usize = 30;

/// Prefix of traced commands of a first stage; a marker in a command does not count.
pub(crate) const TRACE: &str = "MBTOOL-STAGE1 + ";

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// A line contained this marker.
    Marker(String),
    /// This line contained one of the machine's failure texts.
    Failure(String),
    /// QEMU ended: the guest powered off or reset.
    Exited(ExitStatus),
    /// The deadline passed on the machine's own clock, which does not advance while QEMU waits for a CPU of the host.
    Deadline,
    /// No thread of QEMU ran any more: its emulated CPUs wait for an interrupt that does not
    /// come.
    Still,
}

/// A run that has ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Why it ended.
    pub reason: EndReason,
    /// QEMU's exit status if it had ended by then, for any reason.
    pub ended: Option<ExitStatus>,
    /// Everything on the serial port, line by line, without terminal control.
    pub lines: Vec<String>,
    /// The log as the machine wrote it.
    pub log: PathBuf,
    /// Time from QEMU's start to the end.
    pub elapsed: Duration,
    /// QEMU's command line that starts the machine from power-on.
    pub command: String,
    /// True when it was restored from a template.
    pub restored: bool,
    /// QEMU's own output.
    pub qemu_output: String,
}

impl Outcome {
    /// This outcome when the run ended with `marker`, else an error that shows the end of the log.
    pub fn ended_with(self, marker: &str) -> Result<Self> {
        match &self.reason {
            EndReason::Marker(seen) if seen == marker => Ok(self),
            _ => bail!("waited for {marker:?}: {}", self.describe()),
        }
    }

    /// Returns why QEMU is at fault, if so.
    ///
    /// Either a signal ended it, which a machine cannot cause: QEMU 10 sometimes ends with a failed
    /// assertion (`iotlb_to_section`) when one emulated CPU moves a PCI device's memory. Or a
    /// system that was started by firmware or QEMU lost its timers. For a system started by mbtool,
    /// that is a failure.
    pub(crate) fn qemu_broke(&self) -> Option<&str> {
        if self.ended.is_some_and(|status| status.signal().is_some()) {
            return Some(self.qemu_output.trim());
        }
        let lost = self.reason == EndReason::Still && !self.contains("[handoff]");
        lost.then_some("the emulated CPUs wait for an interrupt that does not come")
    }

    /// Returns the report of a payload; fails when QEMU did not end as after a report.
    pub fn report(&self) -> Result<PayloadReport> {
        match self.reason {
            EndReason::Exited(status) if status.code() == Some(EXIT_STATUS) => {
                PayloadReport::parse(&self.lines.join("\n"))
            }
            _ => bail!("no report: {}", self.describe()),
        }
    }

    /// Whether a line holds `text`.
    pub fn contains(&self, text: &str) -> bool {
        self.lines.iter().any(|line| line.contains(text))
    }

    /// Returns the text after `prefix` on the last line that contains it.
    pub fn value(&self, prefix: &str) -> Option<&str> {
        let found = |line: &&String| !line.starts_with(TRACE) && line.contains(prefix);
        let line = self.lines.iter().rfind(found)?;
        Some(line.split_once(prefix)?.1)
    }

    /// Describes why the run ended, the end of the log, and how to repeat it.
    pub fn describe(&self) -> String {
        let mut text = match &self.reason {
            EndReason::Marker(marker) => format!("the machine printed {marker:?}"),
            EndReason::Failure(line) => format!("the machine printed {line:?}"),
            EndReason::Exited(status) => {
                format!("the machine powered off or reset (QEMU: {status})")
            }
            EndReason::Deadline => "the deadline passed".to_owned(),
            EndReason::Still => "the machine hung, all its CPUs waiting,".to_owned(),
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
            let _ = write!(text, "--- QEMU printed\n{}\n", self.qemu_output.trim_end());
        }
        let how = if self.restored {
            "The machine was restored from a template, MBTOOL_TEMPLATES=off boots it; by hand"
        } else {
            "QEMU was started with"
        };
        let _ = write!(text, "--- {how}\n{}", self.command);
        text
    }

    /// Returns one line: why the run ended, and when.
    pub(crate) fn summary(&self) -> String {
        let what = match &self.reason {
            EndReason::Marker(marker) => format!("{:?} seen", marker.trim()),
            EndReason::Failure(line) => format!("machine printed {line:?}"),
            EndReason::Exited(status) => format!("machine ended ({status})"),
            EndReason::Deadline => "deadline passed".to_owned(),
            EndReason::Still => "machine hangs".to_owned(),
        };
        format!("{what} after {:.0} s", self.elapsed.as_secs_f32())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(lines: &[&str], reason: EndReason) -> Outcome {
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
        let outcome = outcome(&lines, EndReason::Deadline);
        assert_eq!(outcome.value("A cpus="), Some("2"));
        assert_eq!(outcome.value("A mem="), None);
    }

    #[test]
    fn an_error_shows_the_end_of_the_log_and_the_command() {
        let lines: Vec<String> = (0..50).map(|n| format!("line {n}.")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let error = outcome(&lines, EndReason::Deadline)
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
        let other = outcome(&[], EndReason::Marker("OTHER".into()));
        assert!(other.ended_with("END").is_err());
    }

    #[test]
    fn a_signal_or_lost_timers_mean_that_qemu_broke() {
        let mut ended = outcome(&[], EndReason::Deadline);
        assert_eq!(ended.qemu_broke(), None);
        ended.ended = Some(ExitStatus::from_raw(1 << 8));
        assert_eq!(ended.qemu_broke(), None);
        ended.ended = Some(ExitStatus::from_raw(6));
        assert!(ended.qemu_broke().is_some());
        // a hang of a system started by mbtool is not a fault of QEMU
        assert!(
            outcome(&["(XEN) Xen"], EndReason::Still)
                .qemu_broke()
                .is_some()
        );
        let handed = outcome(&["[handoff] mbtool 0.1.0"], EndReason::Still);
        assert_eq!(handed.qemu_broke(), None);
    }
}
