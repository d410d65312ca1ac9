//! Finds dumps of mbtool and Linux in a log, and lines of the handoff before
//! them.

use super::linux;
use handoff::addr::PhysRange;
use handoff::dump::PREFIX;
use handoff::dump::read::{self, Dump};
use serde::Serialize;

/// Maximum number of segments per log.
const MAX_SEGMENTS: usize = 256;

/// Program that printed a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DumpSource {
    /// mbtool's handoff.
    Handoff,
    /// Linux's own kexec code.
    Linux,
}

/// Data in the handoff's lines since its entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogContext {
    /// mbtool's version and the blob's address.
    pub handoff: Option<(String, u64)>,
    /// Verified segments by name.
    pub segments: Vec<(String, PhysRange)>,
    /// Jump target, as text.
    pub jump: Option<String>,
    /// The addresses that `--guard` watches.
    pub guard: Option<[u64; 2]>,
    /// True with a deliberate failure (`--drill`).
    pub drill: bool,
    /// Segments that failed verification.
    pub damaged: Vec<String>,
    /// A fault inside a dump, as printed by the handoff.
    pub nested: Option<String>,
}

/// A dump with its position in the log.
#[derive(Clone, Debug)]
pub struct FoundDump {
    /// Who printed it.
    pub source: DumpSource,
    /// Number of its first line, from 1.
    pub line: usize,
    /// The dump.
    pub dump: Dump,
    /// Lines of the handoff before it.
    pub log: LogContext,
}

/// Finds dumps, line by line.
#[derive(Debug, Default)]
pub struct Scanner {
    handoff: read::Reader,
    linux: linux::LinuxDumpReader,
    handoff_line: usize,
    linux_line: usize,
    log: LogContext,
}

impl Scanner {
    /// Adds a line without terminal control. Returns the dumps that it
    /// completed.
    pub fn line(&mut self, number: usize, line: &str) -> Vec<FoundDump> {
        let mut found = Vec::new();
        let said = || line.split(PREFIX).skip(1).map(str::trim_end);
        // a line that ends a dump early belongs to it
        said()
            .filter(|text| text.starts_with("nested "))
            .for_each(|text| self.log.take(text));
        let ended = self.handoff.line(line);
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
        found
    }

    /// Ends the input. Returns an incomplete dump.
    pub fn finish(&mut self) -> Vec<FoundDump> {
        let (handoff, linux) = (self.handoff.finish(), self.linux.finish());
        let handoff =
            handoff.map(|dump| self.found(DumpSource::Handoff, self.handoff_line, 0, dump));
        let linux = linux.map(|dump| self.found(DumpSource::Linux, self.linux_line, 0, dump));
        (self.handoff_line, self.linux_line) = (0, 0);
        handoff.into_iter().chain(linux).collect()
    }

    /// True while a dump is incomplete.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.handoff.is_open() || self.linux.is_open()
    }

    /// Returns the data in the latest lines of the handoff.
    #[must_use]
    pub const fn log(&self) -> &LogContext {
        &self.log
    }

    fn found(&self, source: DumpSource, began: usize, now: usize, dump: Dump) -> FoundDump {
        FoundDump {
            source,
            line: if began == 0 { now } else { began },
            dump,
            log: self.log.clone(),
        }
    }
}

impl LogContext {
    /// Parses a line of the handoff, without its prefix.
    fn take(&mut self, text: &str) {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match word {
            "mbtool" => {
                *self = Self::default();
                if let Some((version, rest)) = rest.split_once(" at ") {
                    let base = rest.split(',').next().and_then(hex);
                    self.handoff = base.map(|base| (version.to_owned(), base));
                }
            }
            "verify" => self.verify(rest),
            "jump" => self.jump = Some(rest.strip_prefix("to ").unwrap_or(rest).to_owned()),
            "drill:" => self.drill = true,
            "guard:" => {
                let mut numbers = rest.split(' ').filter_map(hex);
                self.guard = numbers.next().zip(numbers.next()).map(<[u64; 2]>::from);
            }
            "nested" => self.nested = Some(text.to_owned()),
            _ => {}
        }
    }

    /// `NAME 0xSTART-0xEND ...`
    fn verify(&mut self, text: &str) {
        let mut words = text.match_indices(" 0x").filter_map(|(at, _)| {
            let (name, rest) = text.split_at(at);
            let range = rest.trim_start().split(' ').next()?;
            let (start, end) = range.split_once('-')?;
            Some((name, PhysRange::new(hex(start)?, hex(end)?)?))
        });
        let Some((name, range)) = words.next() else {
            return;
        };
        if text.contains(": BAD ") {
            self.damaged.push(name.to_owned());
        }
        if self.segments.len() < MAX_SEGMENTS {
            self.segments.push((name.to_owned(), range));
        }
    }
}

/// Parses `0x...`, in lower case.
fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}
