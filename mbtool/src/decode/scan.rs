//! Finds dumps in a log, line by line, and what else it tells.
//!
//! The dumps of the handoff and of Linux's kexec code are read from the lines as they are: both have
//! a way to notice damage. Those of other programs are read after [`Unwrap`] has joined lines.

use super::dumps::{DumpReader, ReadDump, readers};
use super::found::{DumpDetails, DumpSource, FoundDump};
use super::handoff_log::LogContext;
use super::linux;
use super::log_line::LogLine;
use super::survey::Survey;
use super::text_set::{find, starts_with};
use super::unwrap::{Unwrap, WrapWidth};
use handoff::dump::PREFIX;
use handoff::dump::read::{self, Dump};

/// Finds dumps, line by line.
#[derive(Debug)]
pub struct Scanner {
    handoff: read::Reader,
    linux: linux::LinuxDumpReader,
    handoff_line: usize,
    linux_line: usize,
    log: LogContext,
    unwrap: Unwrap,
    others: Others,
    only_handoff: bool,
}

/// Readers of joined lines.
#[derive(Debug)]
struct Others {
    readers: [Box<dyn DumpReader>; 4],
    /// Readers with a dump that began before the handoff's latest line.
    earlier: [bool; 4],
    survey: Survey,
    // one line later than the scanner's
    log: LogContext,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            handoff: read::Reader::default(),
            linux: linux::LinuxDumpReader::default(),
            handoff_line: 0,
            linux_line: 0,
            log: LogContext::default(),
            unwrap: Unwrap::default(),
            others: Others {
                readers: readers(),
                earlier: [false; 4],
                survey: Survey::default(),
                log: LogContext::default(),
            },
            only_handoff: false,
        }
    }
}

impl Scanner {
    /// For a log with lines that are wrapped at this width.
    #[must_use]
    pub fn at(width: Option<WrapWidth>) -> Self {
        Self {
            unwrap: Unwrap::at(width),
            ..Self::default()
        }
    }

    /// For the dumps of the handoff and of Linux's kexec code alone.
    #[must_use]
    pub fn only_handoff() -> Self {
        Self {
            only_handoff: true,
            ..Self::default()
        }
    }

    /// Adds a line without terminal control. Returns the dumps that it
    /// completed.
    pub fn line(&mut self, number: usize, line: &str) -> Vec<FoundDump> {
        let mut found = Vec::new();
        // most lines are of others
        let own = find(line, PREFIX).is_some();
        let said = || own.then(|| said(line)).into_iter().flatten();
        // a line that ends a dump early belongs to it
        said()
            .filter(|text| text.starts_with("nested "))
            .for_each(|text| self.log.take(text));
        let ended = if own {
            self.handoff.line(line)
        } else {
            Vec::new()
        };
        let began = self.handoff_line;
        if self.handoff.is_open() && (began == 0 || !ended.is_empty()) {
            self.handoff_line = number;
        } else if !self.handoff.is_open() {
            self.handoff_line = 0;
        }
        for dump in ended {
            found.push(self.found(DumpSource::Handoff, began, number, dump));
        }
        let ended = self.linux.line(line);
        let began = self.linux_line;
        if self.linux.is_open() && (began == 0 || !ended.is_empty()) {
            self.linux_line = number;
        } else if !self.linux.is_open() {
            self.linux_line = 0;
        }
        for dump in ended {
            found.push(self.found(DumpSource::Linux, began, number, dump));
        }
        said().for_each(|text| self.log.take(text));
        if self.only_handoff {
            return found;
        }
        let others = &mut self.others;
        self.unwrap.push(number, line, &mut |number, line| {
            found.extend(others.line(number, line))
        });
        found
    }

    /// Ends the log. Returns incomplete dumps.
    pub fn end(&mut self) -> Vec<FoundDump> {
        let found = self.finish();
        self.others.survey.end();
        found
    }

    /// Ends the input for now. Returns incomplete dumps.
    pub fn finish(&mut self) -> Vec<FoundDump> {
        let (handoff, linux) = (self.handoff.finish(), self.linux.finish());
        let handoff =
            handoff.map(|dump| self.found(DumpSource::Handoff, self.handoff_line, 0, dump));
        let linux = linux.map(|dump| self.found(DumpSource::Linux, self.linux_line, 0, dump));
        (self.handoff_line, self.linux_line) = (0, 0);
        let mut found: Vec<FoundDump> = handoff.into_iter().chain(linux).collect();
        let others = &mut self.others;
        self.unwrap
            .finish(&mut |number, line| found.extend(others.line(number, line)));
        for reader in &mut others.readers {
            let ended = reader.finish();
            found.extend(ended.into_iter().map(|dump| with(dump, &others.log)));
        }
        others.survey.finish();
        found
    }

    /// True while a dump is incomplete.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let others = self.others.readers.iter().any(|reader| reader.is_open());
        self.handoff.is_open() || self.linux.is_open() || others
    }

    /// Returns the data in the latest lines of the handoff.
    #[must_use]
    pub const fn log(&self) -> &LogContext {
        &self.log
    }

    /// Returns what the log tells besides dumps. It lacks the latest line until
    /// [`Self::finish`].
    #[must_use]
    pub const fn survey(&self) -> &Survey {
        &self.others.survey
    }

    fn found(&self, source: DumpSource, began: usize, now: usize, dump: Dump) -> FoundDump {
        FoundDump {
            source,
            line: if began == 0 { now } else { began },
            dump,
            log: self.log.clone(),
            details: DumpDetails::default(),
        }
    }
}

impl Others {
    fn line(&mut self, number: usize, text: &str) -> Vec<FoundDump> {
        let line = LogLine::new(number, text);
        let mut found = Vec::new();
        let mut dumped = is_dump_head(&line);
        for (index, reader) in self.readers.iter_mut().enumerate() {
            let open = reader.is_open();
            let ended = reader.line(&line);
            let earlier = &mut self.earlier[index];
            if text.starts_with(PREFIX) {
                *earlier = reader.is_open();
            } else if !ended.is_empty() || !reader.is_open() {
                *earlier = false;
            }
            // Xen's reader stays open while other programs print
            dumped |= index > 0 && !*earlier && (open || reader.is_open());
            found.extend(ended.into_iter().map(|dump| with(dump, &self.log)));
        }
        self.survey.line(&line, dumped);
        if find(text, PREFIX).is_some() {
            said(text).for_each(|text| self.log.take(text));
        }
        found
    }
}

/// Lines of QEMU and EDK2 that stand between their dumps.
const DUMP_HEADS: [&str; 12] = [
    "KVM internal error",
    "KVM: entry failed",
    "error: kvm run failed",
    "emulation failure",
    "If you're running a guest on an Intel machine",
    "check_exception old:",
    "Servicing hardware INT",
    "SMM: ",
    "CPU Reset (CPU ",
    "Triple fault",
    "!!!! ",
    "Code=",
];

/// True for a line of a dump that its reader need not see.
fn is_dump_head(line: &LogLine<'_>) -> bool {
    !line.of_kernel() && DUMP_HEADS.iter().any(|head| starts_with(line.body, head))
}

/// Texts of the handoff on a line.
fn said(line: &str) -> impl Iterator<Item = &str> {
    line.split(PREFIX).skip(1).map(str::trim_end)
}

fn with(read: ReadDump, log: &LogContext) -> FoundDump {
    FoundDump {
        source: read.source,
        line: read.line,
        dump: read.dump,
        log: log.clone(),
        details: read.details,
    }
}
