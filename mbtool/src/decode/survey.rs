//! What a log tells besides dumps: boots, failures, build IDs.

use super::boots::{self, BootLog, LineEffect, LoggedBoot};
use super::dumps::quote;
use super::handoff_log::handoff_architecture;
use super::known_lines::{self, Speaker};
use super::log_line::{LINUX_PANIC, LineLabel, LogLine};
use super::text_set::find;
use crate::arch::Architecture;
use handoff::dump::PREFIX;
use serde::Serialize;

/// Maximum number of failures per log.
const MAX_FAILURES: usize = 64;
/// Maximum number of build IDs per log.
const MAX_BUILD_IDS: usize = 16;
/// Maximum number of lines between a panic without a time and the dump that confirms it.
const MAX_CONFIRM: usize = 40;
/// What Linux prints after the reason of a panic.
const AFTER_PANIC: [&str; 5] = [
    "CPU: ",
    "Call Trace:",
    "Kernel Offset: ",
    "Rebooting in ",
    "---[ end Kernel panic",
];
/// What the last line of a log is, if it is a panic without a time and without a dump.
const LAST_LINE: &str = "it is the last line of the log, without the time and the dump of a panic: a panic whose output \
                         was cut off, or a program that quotes one";
/// Maximum number of lines of a panic of Xen.
const MAX_PANIC: usize = 6;

/// A message that tells why a boot failed, or might.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoggedFailure {
    /// Number of its line, from 1.
    pub line: usize,
    /// Who printed it.
    pub by: Speaker,
    /// Name of the message; `xen-panic` and `linux-panic` if it is not known.
    pub name: &'static str,
    /// The text.
    pub text: String,
    /// The boot ended there.
    pub fatal: bool,
    /// Number of such lines of this boot.
    pub count: usize,
    /// Cause; null for an unknown panic.
    pub meaning: Option<&'static str>,
    /// Advice.
    pub advice: Option<&'static str>,
}

/// Identification of a program, by which its symbols are found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoggedBuildId {
    /// Whose it is.
    pub of: Speaker,
    /// In hexadecimal.
    pub id: String,
}

/// Collects it, line by line.
#[derive(Debug, Default)]
pub struct Survey {
    /// Boots.
    pub boots: BootLog,
    /// Failures in the order of the log.
    pub failures: Vec<LoggedFailure>,
    /// Build IDs, each once.
    pub build_ids: Vec<LoggedBuildId>,
    /// Number of lines.
    pub lines: usize,
    panic: Option<OpenPanic>,
    /// A panic of Linux, or a program that quotes one.
    quoted: Option<QuotedPanic>,
    /// The architecture of the handoff that prints.
    handoff: Architecture,
    /// The latest boot, and the one before.
    boot: BootFailures,
    before: BootFailures,
}

/// A panic of Linux, or a program that quotes one.
#[derive(Debug)]
struct QuotedPanic {
    failure: LoggedFailure,
    /// No other text follows.
    last: bool,
}

/// Where the failures of a boot begin.
#[derive(Clone, Copy, Debug, Default)]
struct BootFailures {
    /// First line of the boot.
    line: usize,
    /// Number of failures before it.
    start: usize,
}

/// Xen's panic, of which the text is still to come.
#[derive(Debug)]
struct OpenPanic {
    line: usize,
    texts: Vec<String>,
    known: bool,
    lines: usize,
}

impl Survey {
    /// Adds a line. `dumped`: it is part of a dump.
    pub fn line(&mut self, line: &LogLine<'_>, dumped: bool) {
        self.lines = line.number;
        if find(line.body, PREFIX).is_some() {
            let texts = line.body.split(PREFIX).skip(1);
            texts.for_each(|text| self.handoff(line.number, text.trim_end()));
        }
        let boot = self.boots.current();
        // what a program prints there is no message of a kernel
        let program = !line.of_kernel() && boot.is_some_and(LoggedBoot::in_user_space);
        let login = boot.is_some_and(LoggedBoot::has_login);
        let xen = boot.is_none_or(LoggedBoot::can_be_xen);
        let found = known_lines::find(line, xen);
        let text = line.body;
        let panics = text.starts_with(LINUX_PANIC) && line.label.is_none();
        if program {
            self.confirm(line);
        }
        if program && panics {
            let failure = LoggedFailure {
                line: line.number,
                by: Speaker::Linux,
                name: found.map_or("linux-panic", |(_, known)| known.name),
                text: quote(&text[LINUX_PANIC.len()..]),
                fatal: true,
                count: 1,
                meaning: found.map(|(_, known)| known.meaning),
                advice: found.map(|(_, known)| known.advice),
            };
            let last = true;
            self.quoted = Some(QuotedPanic { failure, last });
        }
        let by_program = found.is_some_and(|(_, known)| known.is_of_program(text));
        let found = found.filter(|_| !program || by_program && !login);
        let panics = panics && !program;
        let mut fatal = found.is_some_and(|(_, known)| known.fatal);
        if let Some((by, known)) = found {
            self.fail(LoggedFailure {
                line: line.number,
                by,
                name: known.name,
                text: quote(text.strip_prefix(LINUX_PANIC).unwrap_or(text)),
                fatal: known.fatal,
                count: 1,
                meaning: Some(known.meaning),
                advice: Some(known.advice),
            });
        } else if let Some(message) = text.strip_prefix(LINUX_PANIC).filter(|_| panics) {
            fatal = true;
            self.fail(LoggedFailure {
                line: line.number,
                by: Speaker::Linux,
                name: "linux-panic",
                text: quote(message),
                fatal,
                count: 1,
                meaning: None,
                advice: None,
            });
        }
        let xen_panics = !program && self.xen_panic(line, found.is_some());
        self.build_id(line);
        let effect = match () {
            () if panics && fatal || xen_panics => LineEffect::Ends,
            () if by_program && fatal => LineEffect::GivesUp,
            () if fatal => LineEffect::Fails,
            () if dumped => LineEffect::Dump,
            () => LineEffect::None,
        };
        let failed = |log: &BootLog| log.current().and_then(|boot| boot.failed);
        let before = failed(&self.boots);
        let boots = self.boots.boots.len() + self.boots.dropped;
        self.boots.line(line, effect);
        // the boot went on
        if let Some(at) = before
            && boots == self.boots.boots.len() + self.boots.dropped
            && self
                .boots
                .current()
                .is_some_and(|boot| boot.failed.is_none())
        {
            let earlier = self
                .failures
                .iter_mut()
                .filter(|failure| failure.line == at);
            earlier.for_each(|failure| failure.fatal = false);
        }
        self.begin_boot();
    }

    /// Notes where the failures of the latest boot begin.
    fn begin_boot(&mut self) {
        let line = self.boots.boots.last().map_or(0, |boot| boot.line);
        if line < self.boot.line {
            // it was a log that a program of the one before has printed
            let start = self.boot.start.min(self.failures.len());
            self.boot = self.before;
            let repeated = self.failures.split_off(start);
            repeated.into_iter().for_each(|failure| self.fail(failure));
        } else if line != self.boot.line {
            let start = self.failures.len();
            self.before = std::mem::replace(&mut self.boot, BootFailures { line, start });
        }
    }

    /// Takes a quoted panic for one if its dump, or a reset, follows.
    fn confirm(&mut self, line: &LogLine<'_>) {
        let Some(mut quoted) = self.quoted.take() else {
            return;
        };
        let dumped = AFTER_PANIC.iter().any(|mark| line.body.starts_with(mark));
        if dumped || quoted.last && boots::is_firmware(line) {
            self.boots.panic(quoted.failure.line);
            self.fail(quoted.failure);
        } else if line.number - quoted.failure.line < MAX_CONFIRM {
            quoted.last &= line.body.is_empty();
            self.quoted = Some(quoted);
        }
    }

    /// Ends the log: a panic in its last line is reported, although it may be quoted.
    pub fn end(&mut self) {
        if let Some(quoted) = self.quoted.take().filter(|quoted| quoted.last) {
            self.fail(LoggedFailure {
                fatal: false,
                meaning: Some(LAST_LINE),
                ..quoted.failure
            });
        }
    }

    /// Ends the input for now.
    pub fn finish(&mut self) {
        if let Some(panic) = self.panic.take() {
            self.end_panic(panic);
        }
    }

    /// Reads the text between `Panic on CPU 0:` and the line of asterisks; true in its first line.
    fn xen_panic(&mut self, line: &LogLine<'_>, known: bool) -> bool {
        let text = line.body;
        if line.label == Some(LineLabel::Guest) {
            return false;
        }
        if text.starts_with("Panic on CPU ") && !line.stamped | line.label.is_some() {
            self.finish();
            self.panic = Some(OpenPanic {
                line: line.number,
                texts: Vec::new(),
                known: false,
                lines: 0,
            });
            return true;
        }
        let Some(mut panic) = self.panic.take() else {
            return false;
        };
        panic.lines += 1;
        panic.known |= known;
        if text.starts_with("****") || panic.lines > MAX_PANIC {
            self.end_panic(panic);
        } else {
            if !text.is_empty() {
                panic.texts.push(quote(text));
            }
            self.panic = Some(panic);
        }
        false
    }

    fn end_panic(&mut self, panic: OpenPanic) {
        if panic.known || panic.texts.is_empty() {
            return;
        }
        self.fail(LoggedFailure {
            line: panic.line,
            by: Speaker::Xen,
            name: "xen-panic",
            text: panic.texts.join(" / "),
            fatal: true,
            count: 1,
            meaning: None,
            advice: None,
        });
    }

    /// Takes a text of the handoff. On x86 its dumps and its last lines tell the same.
    fn handoff(&mut self, line: usize, text: &str) {
        if text.starts_with("mbtool ") {
            self.handoff = handoff_architecture(text);
        }
        if let Some(known) = known_lines::find_handoff(text, self.handoff) {
            self.fail(LoggedFailure {
                line,
                by: Speaker::Handoff,
                name: known.name,
                text: quote(text),
                fatal: known.fatal,
                count: 1,
                meaning: Some(known.meaning),
                advice: Some(known.advice),
            });
        }
    }

    fn fail(&mut self, failure: LoggedFailure) {
        let start = self.boot.start.min(self.failures.len());
        let same = |other: &&mut LoggedFailure| {
            // each segment has a line of its own
            let text = failure.by != Speaker::Handoff || other.text == failure.text;
            other.name == failure.name && other.fatal == failure.fatal && text
        };
        if let Some(earlier) = self.failures[start..].iter_mut().find(same) {
            earlier.count += failure.count;
        } else if self.failures.len() < MAX_FAILURES {
            self.failures.push(failure);
        }
    }

    fn build_id(&mut self, line: &LogLine<'_>) {
        let text = line.body;
        let found = if let Some(id) = text.strip_prefix("build-id: ") {
            Some((Speaker::Xen, id))
        } else if let Some(at) = find(text, "BUILD-ID=") {
            Some((Speaker::Linux, &text[at + 9..]))
        } else if text.starts_with("CPU: ") && text.contains("omm: ") {
            let is_id =
                |word: &&str| word.len() == 40 && word.bytes().all(|b| b.is_ascii_hexdigit());
            text.split_ascii_whitespace()
                .find(is_id)
                .map(|id| (Speaker::Linux, id))
        } else {
            None
        };
        let Some((of, text)) = found else {
            return;
        };
        let digits = text.bytes().take_while(u8::is_ascii_hexdigit).count();
        if !(16..=64).contains(&digits) || digits % 2 != 0 {
            return;
        }
        let id = LoggedBuildId {
            of,
            id: text[..digits].to_ascii_lowercase(),
        };
        if self.build_ids.len() < MAX_BUILD_IDS && !self.build_ids.contains(&id) {
            self.build_ids.push(id);
        }
    }
}

#[cfg(test)]
mod tests;
