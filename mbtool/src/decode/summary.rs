//! How far the boots of a log came, and why they failed: as JSON and as text.

use super::boots::{BootOutcome, LoggedBoot, LoggedReset, ReachedStage};
use super::known_lines::Speaker;
use super::noise::ByteCount;
use super::show::{sentence, stopped, wrap};
use super::survey::{LoggedFailure, Survey};
use serde::Serialize;
use std::fmt;

/// Boots shown as text, of more than these the last ones.
const SHOWN: usize = 8;
/// Length of a quoted line in the list of stages.
const TEXT: usize = 60;

/// What a log tells besides dumps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogSummary {
    /// Boots in the order of the log.
    pub boots: Vec<SummarizedBoot>,
    /// Messages of boots that failed.
    pub failures: Vec<LoggedFailure>,
    /// Size and noise.
    pub bytes: SummarizedBytes,
}

/// A boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SummarizedBoot {
    /// Its first line: the jump, or the first line of a kernel.
    pub line: usize,
    /// Target of the handoff's jump.
    pub jump: Option<String>,
    /// The result.
    pub outcome: BootOutcome,
    /// Stages in the order of the log.
    pub stages: Vec<ReachedStage>,
    /// Lines after the jump that are not of the handoff.
    pub lines: usize,
    /// The first line of a program, where no kernel printed before.
    pub output: Option<NumberedLine>,
    /// The last line.
    pub last: Option<NumberedLine>,
    /// Number of the line that ended it.
    pub failed: Option<usize>,
    /// Firmware or a boot loader that prints next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset: Option<LoggedReset>,
}

/// A line with its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NumberedLine {
    /// Number, from 1.
    pub line: usize,
    /// Text.
    pub text: String,
}

/// Bytes of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SummarizedBytes {
    /// Number.
    pub total: u64,
    /// Number of those that are no text.
    pub no_text: u64,
}

impl LogSummary {
    /// Summarizes a log.
    #[must_use]
    pub fn new(survey: &Survey, bytes: ByteCount) -> Self {
        Self {
            boots: survey.boots.boots.iter().map(SummarizedBoot::new).collect(),
            failures: survey.failures.clone(),
            bytes: SummarizedBytes {
                total: bytes.total,
                no_text: bytes.other,
            },
        }
    }

    /// True if the log tells nothing: no message of a failure, and no boot that printed anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let silent = |boot: &SummarizedBoot| boot.outcome == BootOutcome::Silent;
        self.failures.is_empty() && self.boots.iter().all(silent)
    }

    /// Leaves out what a reader of the text does not need: boots before the first jump, boots that
    /// the dumps at these lines describe, and harmless messages of other boots.
    #[must_use]
    pub fn shown(mut self, dumps: &[usize]) -> Self {
        let ends: Vec<usize> = self.boots.iter().skip(1).map(|boot| boot.line).collect();
        let end = |index: usize| ends.get(index).copied().unwrap_or(usize::MAX);
        let jumped = self.boots.iter().any(|boot| boot.jump.is_some());
        let count = self.boots.len();
        let mut index = 0;
        self.boots.retain(|boot| {
            let range = boot.line..end(index);
            index += 1;
            let told = boot.outcome == BootOutcome::Silent
                && dumps.iter().any(|line| range.contains(line));
            !told
                && if jumped {
                    boot.jump.is_some()
                } else {
                    index == count
                }
        });
        let first = self.boots.first().map_or(0, |boot| boot.line);
        self.failures.retain(|failure| {
            // the handoff prints before the jump
            failure.fatal || failure.line >= first || failure.by == Speaker::Handoff
        });
        self
    }
}

impl SummarizedBoot {
    /// Summarizes a boot.
    #[must_use]
    pub fn new(boot: &LoggedBoot) -> Self {
        let numbered = |line: &Option<(usize, String)>| {
            let (line, text) = line.clone()?;
            Some(NumberedLine { line, text })
        };
        Self {
            line: boot.line,
            jump: boot.jump.clone(),
            outcome: boot.outcome(),
            stages: boot.stages.clone(),
            lines: boot.lines,
            output: numbered(&boot.output),
            last: numbered(&boot.last),
            failed: boot.failed,
            reset: boot.reset.clone(),
        }
    }
}

impl fmt::Display for LogSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = self.boots.len().saturating_sub(SHOWN);
        if hidden > 0 {
            writeln!(f, "{hidden} earlier boots (--json shows them)\n")?;
        }
        for (index, boot) in self.boots.iter().skip(hidden).enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            write!(f, "{gap}{boot}")?;
        }
        for (index, failure) in self.failures.iter().enumerate() {
            let gap = if index == 0 && self.boots.is_empty() {
                ""
            } else {
                "\n"
            };
            write!(f, "{gap}{failure}")?;
        }
        Ok(())
    }
}

impl fmt::Display for SummarizedBoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.jump {
            Some(jump) => writeln!(f, "line {}: the handoff jumped to {jump}", self.line)?,
            None => writeln!(
                f,
                "line {}: a kernel starts, not by mbtool's handoff",
                self.line
            )?,
        }
        for stage in &self.stages {
            let text: String = stage.text.chars().take(TEXT).collect();
            writeln!(
                f,
                "  line {:<6} {:<30} {text}",
                stage.line,
                stage.stage.text()
            )?;
        }
        let lines = match self.lines {
            1 => "1 line follows".to_owned(),
            count => format!("{count} lines follow"),
        };
        let last = self.last.as_ref().map_or_else(String::new, |last| {
            let text: String = last.text.chars().take(TEXT).collect();
            format!("line {}, `{text}`", last.line)
        });
        let mut result = match (self.outcome, &self.output) {
            (BootOutcome::Silent, _) => "nothing follows".to_owned(),
            (BootOutcome::UserSpace, None) => format!("it booted: user space prints ({lines})"),
            (BootOutcome::UserSpace, Some(first)) => {
                let text: String = first.text.chars().take(TEXT).collect();
                format!(
                    "it booted: a program prints at line {}, `{text}`; a kernel with `quiet` prints nothing itself ({lines})",
                    first.line
                )
            }
            (BootOutcome::Failed, _) => {
                format!("it failed at line {} ({lines})", self.failed.unwrap_or(0))
            }
            (BootOutcome::Reset, _) if self.lines == 0 => "it printed nothing".to_owned(),
            (BootOutcome::Reset, _) => format!("{lines}; the last one before the reset is {last}"),
            (BootOutcome::Stopped, _) => format!(
                "it came no further in this log ({lines}): it hung, was reset, or prints elsewhere; the last line is {last}"
            ),
            (BootOutcome::Noise, _) => format!(
                "{lines}, and they are no text: the image prints on this port with another speed than the handoff, or \
                 another port is recorded; check port and baud rate"
            ),
            (BootOutcome::Output, _) => {
                format!("{lines}, none of them known; the last one is {last}")
            }
        };
        if let Some(reset) = &self.reset {
            let text: String = reset.text.chars().take(TEXT).collect();
            let (by, line) = (reset.by, reset.line);
            result += &match reset.certain {
                true => format!(". The machine was reset: {by} prints at line {line}, `{text}`"),
                false => format!(
                    ". Then {by} prints at line {line}, `{text}`: the machine was reset, or a program shows a guest's \
                     console"
                ),
            };
        }
        wrap(f, "  ", "  ", &stopped(&sentence(&result)))
    }
}

impl fmt::Display for LoggedFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = match self.count {
            1 => String::new(),
            count => format!(", {count} times"),
        };
        let first = format!("{}, line {}{times}: ", self.by.name(), self.line);
        wrap(f, &first, "  ", &self.text)?;
        if let Some(meaning) = self.meaning {
            wrap(f, "  ", "  ", &stopped(&sentence(meaning)))?;
        }
        if let Some(advice) = self.advice {
            wrap(f, "  try: ", "       ", &stopped(advice))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
