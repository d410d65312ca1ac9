//! Finds dumps in a log, line by line, and what else it tells.
//!
//! The dumps of the handoff and of Linux's kexec code are read from the lines as they are: both have
//! a way to notice damage. Those of other programs are read after [`Unwrap`] has joined lines.

use super::dumps::{DumpReader, READERS, ReadDump, readers};
use super::found::{CpuDump, DumpDetails, DumpSource, FoundDump};
use super::handoff_log::LogContext;
use super::linux;
use super::log_line::LogLine;
use super::survey::Survey;
use super::text_set::{find, starts_with};
use super::unwrap::{Unwrap, WrapWidth};
use handoff::arch::arm64::dump::read::Arm64Dump;
use handoff::arch::riscv64::dump::read::RiscvDump;
use handoff::dump::PREFIX;
use handoff::dump::read::{Dump, DumpFields, Reader};

/// Finds dumps, line by line.
#[derive(Debug)]
pub struct Scanner {
    handoff: HandoffReader<Dump>,
    riscv: HandoffReader<RiscvDump>,
    arm64: HandoffReader<Arm64Dump>,
    linux: linux::LinuxDumpReader,
    linux_line: usize,
    log: LogContext,
    unwrap: Unwrap,
    others: Others,
    only_handoff: bool,
}

/// Reads the handoff's dumps of an architecture.
#[derive(Debug)]
struct HandoffReader<D> {
    reader: Reader<D>,
    /// First line of the incomplete dump; 0 without one.
    began: usize,
}

impl<D> Default for HandoffReader<D> {
    fn default() -> Self {
        Self {
            reader: Reader::default(),
            began: 0,
        }
    }
}

impl<D: DumpFields + Into<CpuDump>> HandoffReader<D> {
    /// Adds a line of the handoff. Returns the dumps that it completed, and where they began.
    fn line(&mut self, number: usize, line: &str) -> Vec<(usize, CpuDump)> {
        let ended = self.reader.line(line);
        let began = match self.began {
            0 => number,
            began => began,
        };
        if !self.reader.is_open() {
            self.began = 0;
        } else if self.began == 0 || !ended.is_empty() {
            self.began = number;
        }
        ended.into_iter().map(|dump| (began, dump.into())).collect()
    }

    /// Ends the input. Returns an incomplete dump, and where it began.
    fn finish(&mut self) -> Option<(usize, CpuDump)> {
        let dump = self.reader.finish()?;
        Some((std::mem::take(&mut self.began), dump.into()))
    }
}

/// Readers of joined lines.
#[derive(Debug)]
struct Others {
    readers: [Box<dyn DumpReader>; READERS],
    /// Readers with a dump that began before the handoff's latest line.
    earlier: [bool; READERS],
    survey: Survey,
    // one line later than the scanner's
    log: LogContext,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            handoff: HandoffReader::default(),
            riscv: HandoffReader::default(),
            arm64: HandoffReader::default(),
            linux: linux::LinuxDumpReader::default(),
            linux_line: 0,
            log: LogContext::default(),
            unwrap: Unwrap::default(),
            others: Others {
                readers: readers(),
                earlier: [false; READERS],
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
        if own {
            let mut ended = self.handoff.line(number, line);
            ended.extend(self.riscv.line(number, line));
            ended.extend(self.arm64.line(number, line));
            let one = |(began, dump)| self.found(DumpSource::Handoff, began, dump);
            found.extend(ended.into_iter().map(one));
        }
        let ended = self.linux.line(line);
        let began = self.linux_line;
        if self.linux.is_open() && (began == 0 || !ended.is_empty()) {
            self.linux_line = number;
        } else if !self.linux.is_open() {
            self.linux_line = 0;
        }
        let began = if began == 0 { number } else { began };
        for dump in ended {
            found.push(self.found(DumpSource::Linux, began, dump.into()));
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
        let own = [
            self.handoff.finish(),
            self.riscv.finish(),
            self.arm64.finish(),
        ];
        let own: Vec<_> = own.into_iter().flatten().collect();
        let one = |(began, dump)| self.found(DumpSource::Handoff, began, dump);
        let mut found: Vec<FoundDump> = own.into_iter().map(one).collect();
        if let Some(dump) = self.linux.finish() {
            found.push(self.found(DumpSource::Linux, self.linux_line, dump.into()));
        }
        self.linux_line = 0;
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
        let own = self.handoff.reader.is_open()
            || self.riscv.reader.is_open()
            || self.arm64.reader.is_open();
        own || self.linux.is_open() || others
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

    fn found(&self, source: DumpSource, line: usize, dump: CpuDump) -> FoundDump {
        FoundDump {
            source,
            line,
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
