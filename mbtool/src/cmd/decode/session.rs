//! One run of the verb: the log, its dumps and what is printed.

use super::symbol_files::SymbolSearch;
use super::{DecodeOptions, NothingFound, PackedLogError, UNPACKED_LIMIT, read_plan, read_symbols};
use crate::decode::address_map::AddressMap;
use crate::decode::boots::LoggedBoot;
use crate::decode::follow::{Follow, FollowStep};
use crate::decode::found::{DumpSource, FoundDump};
use crate::decode::lines::Lines;
use crate::decode::noise::ByteCount;
use crate::decode::report::{DecodedDump, FORMAT};
use crate::decode::scan::Scanner;
use crate::decode::summary::LogSummary;
use crate::decode::symbolizer::Symbolizer;
use crate::decode::symbols::SymbolFile;
use crate::decode::unwrap::{Unwrap, WrapWidth};
use crate::image::FileKind;
use crate::sys::output::{DataOutput, Messages};
use crate::{decompress, input, ramlog};
use anyhow::Context;
use handoff::dump::read::Integrity;
use std::io::Write;
use std::path::Path;

/// Maximum number of dumps that are decoded; a log with more is no log of a boot.
const MAX_DUMPS: usize = 1000;

pub(super) struct Session {
    plan: Option<AddressMap>,
    symbols: Symbolizer,
    search: SymbolSearch,
    json: bool,
    scanner: Scanner,
    bytes: ByteCount,
    kind: FileKind,
    dumps: usize,
}

impl Session {
    pub(super) fn new(options: &DecodeOptions) -> anyhow::Result<Self> {
        let plan = options.plan.as_deref().map(read_plan).transpose()?;
        let files: Vec<SymbolFile> = options
            .symbols
            .iter()
            .map(read_symbols)
            .collect::<anyhow::Result<_>>()?;
        Ok(Self {
            plan,
            search: SymbolSearch::new(options),
            symbols: Symbolizer::new(files),
            json: options.json,
            scanner: Scanner::default(),
            bytes: ByteCount::default(),
            kind: FileKind::Unknown(Vec::new()),
            dumps: 0,
        })
    }

    fn report(&mut self, found: &FoundDump) -> DecodedDump {
        self.dumps += 1;
        let build_ids = &self.scanner.survey().build_ids;
        self.search.load(build_ids, &mut self.symbols);
        let mut report = DecodedDump::new(found, self.plan.as_ref(), &mut self.symbols);
        report
            .notes
            .extend(self.search.notes(found.source, build_ids, &self.symbols));
        report
    }

    /// Decodes a file, which may be compressed.
    pub(super) fn file(
        &mut self,
        log: Vec<u8>,
        name: &str,
        out: &mut dyn Write,
    ) -> anyhow::Result<()> {
        let unpacked = decompress::decompress_capped(log, name, UNPACKED_LIMIT);
        let log = unpacked.map_err(PackedLogError::from)?.bytes;
        self.bytes(&log, name, out)
    }

    fn bytes(&mut self, log: &[u8], name: &str, out: &mut dyn Write) -> anyhow::Result<()> {
        let mut found = Vec::new();
        let mut more = 0;
        let mut keep = |dumps: Vec<FoundDump>| {
            for dump in dumps {
                if found.len() < MAX_DUMPS {
                    found.push(dump);
                } else {
                    more += 1;
                }
            }
        };
        let mut lines = Lines::of(log);
        self.scanner = Scanner::at(WrapWidth::of(log));
        let scanner = &mut self.scanner;
        self.bytes.add(log);
        lines.push(log, |number, line| keep(scanner.line(number, line)));
        lines.finish(|number, line| keep(scanner.line(number, line)));
        keep(scanner.end());
        if found.iter().any(is_damaged) {
            mend(&mut found, log);
        }
        found.sort_by_key(|dump| dump.line);
        let reports: Vec<DecodedDump> = found.iter().map(|found| self.report(found)).collect();
        let summary = LogSummary::new(self.scanner.survey(), self.bytes);
        let nothing = reports.is_empty() && summary.is_empty();
        if self.json {
            let document = serde_json::json!({
                "format": FORMAT,
                "dumps": reports,
                "more_dumps": more,
                "boots": summary.boots,
                "failures": summary.failures,
                "build_ids": self.search.found(&self.scanner.survey().build_ids),
                "bytes": summary.bytes,
            });
            writeln!(out, "{}", serde_json::to_string_pretty(&document)?)?;
        } else if !nothing {
            let at: Vec<usize> = reports.iter().map(|report| report.line).collect();
            let mut text = summary.shown(&at).to_string();
            for report in &reports {
                let gap = if text.is_empty() { "" } else { "\n" };
                text += &format!("{gap}{report}");
            }
            if more > 0 {
                text += &format!("\n{more} more dumps are not shown\n");
            }
            out.write_all(text.as_bytes())?;
        }
        if nothing {
            self.kind = FileKind::of(log);
            return Err(self.nothing(name).into());
        }
        Ok(())
    }

    /// Prints a log in RAM, then decodes it. A log in which nothing is found is not an
    /// error; with JSON only the document is printed.
    pub(super) fn ram_log(
        &mut self,
        log: &ramlog::Log,
        out: &mut dyn Write,
        messages: &mut dyn Write,
    ) -> anyhow::Result<()> {
        let name = format!("RAM log at {:#x}", log.addr);
        let (handoffs, total) = (log.handoffs, log.total);
        let lost = match total.saturating_sub(log.text.len() as u64) {
            0 => String::new(),
            lost => format!(", the oldest {lost} of them overwritten"),
        };
        writeln!(
            messages,
            "mbtool: {name}: {handoffs} handoff(s), {total} bytes{lost}"
        )?;
        if self.json {
            return self.bytes(&log.text, &name, out);
        }
        writeln!(out, "{}", log.printable().trim_end())?;
        let mut explained = Vec::new();
        match self.bytes(&log.text, &name, &mut explained) {
            Err(none) if explained.is_empty() => writeln!(messages, "mbtool: {none}")?,
            other => {
                other?;
                writeln!(out)?;
                out.write_all(&explained)?;
            }
        }
        Ok(())
    }

    pub(super) fn follow(
        &mut self,
        path: &Path,
        out: &mut DataOutput,
        messages: &mut Messages,
    ) -> anyhow::Result<()> {
        let name = input::display_name(path);
        let mut source = Follow::open(path).with_context(|| name.clone())?;
        messages.say(format_args!("following {name}, end with ctrl-c"));
        let mut lines = Lines::default();
        let mut buffer = vec![0; 64 << 10];
        let mut live = Live::default();
        loop {
            let step = source.read(&mut buffer).with_context(|| name.clone())?;
            let mut found = Vec::new();
            let scanner = &mut self.scanner;
            let mut take = |number: usize, line: &str| found.extend(scanner.line(number, line));
            match step {
                FollowStep::Bytes(count) => {
                    self.bytes.add(&buffer[..count]);
                    lines.push(&buffer[..count], take);
                }
                // an incomplete dump is printed when no more data comes
                FollowStep::Quiet => {}
                FollowStep::Restarted => {
                    lines.finish(&mut take);
                    lines = Lines::default();
                }
                FollowStep::End => lines.finish(&mut take),
            }
            match step {
                FollowStep::Bytes(_) => {}
                FollowStep::Quiet => found.extend(self.scanner.finish()),
                FollowStep::Restarted | FollowStep::End => found.extend(self.scanner.end()),
            }
            if !self.json {
                live.print(&self.scanner, out)?;
                // without a reader there is nothing to wait for
                if !out.push() {
                    return Ok(());
                }
            }
            for found in found {
                let report = self.report(&found);
                if self.json {
                    writeln!(out, "{}", serde_json::to_string(&report)?)?;
                } else {
                    writeln!(out, "{report}")?;
                }
                if !out.push() {
                    return Ok(());
                }
            }
            match step {
                FollowStep::End => break,
                // another log begins; dumps of the first one have been printed
                FollowStep::Restarted => {
                    self.scanner = Scanner::default();
                    live = Live::default();
                }
                FollowStep::Bytes(_) | FollowStep::Quiet => {}
            }
        }
        let summary = LogSummary::new(self.scanner.survey(), self.bytes);
        if self.dumps == 0 && summary.is_empty() {
            return Err(self.nothing(&name).into());
        }
        Ok(())
    }

    /// Describes a log in which nothing was found.
    fn nothing(&self, name: &str) -> NothingFound {
        let lines = self.scanner.survey().lines;
        let kind = self.kind.clone();
        NothingFound::of(name, self.scanner.log(), self.bytes, kind, lines)
    }
}

fn is_damaged(found: &FoundDump) -> bool {
    found.source == DumpSource::Handoff && found.dump.integrity() != Integrity::Whole
}

/// Reads the log again with wrapped lines joined, and takes the handoff's dumps that are whole then.
/// Whether the lines were wrapped is a guess, which the checksum of a dump confirms.
fn mend(found: &mut [FoundDump], log: &[u8]) {
    let (mut lines, mut unwrap, mut scanner) =
        (Lines::of(log), Unwrap::guessing(), Scanner::only_handoff());
    let mut joined: Vec<FoundDump> = Vec::new();
    let mut take = |number: usize, line: &str| {
        let dumps = scanner.line(number, line).into_iter();
        let whole = |dump: &FoundDump| dump.source == DumpSource::Handoff && !is_damaged(dump);
        joined.extend(
            dumps
                .filter(whole)
                .take(MAX_DUMPS - joined.len().min(MAX_DUMPS)),
        );
    };
    lines.push(log, |number, line| unwrap.push(number, line, &mut take));
    lines.finish(|number, line| unwrap.push(number, line, &mut take));
    unwrap.finish(&mut take);
    for damaged in found.iter_mut().filter(|found| is_damaged(found)) {
        if let Some(at) = joined.iter().position(|whole| whole.line == damaged.line) {
            *damaged = joined.swap_remove(at);
        }
    }
}

/// What of boots and failures has been printed while the log grows.
#[derive(Debug, Default)]
struct Live {
    boot: usize,
    stages: usize,
    failures: usize,
}

impl Live {
    fn print(&mut self, scanner: &Scanner, out: &mut dyn Write) -> anyhow::Result<()> {
        let survey = scanner.survey();
        let latest = self.boot;
        let new = |boot: &&LoggedBoot| boot.line >= latest;
        for boot in survey.boots.boots.iter().filter(new) {
            self.boot(boot, out)?;
        }
        let failures = &survey.failures[self.failures.min(survey.failures.len())..];
        for failure in failures {
            writeln!(out, "{failure}")?;
        }
        self.failures = survey.failures.len();
        out.flush()?;
        Ok(())
    }

    fn boot(&mut self, boot: &LoggedBoot, out: &mut dyn Write) -> anyhow::Result<()> {
        if self.boot != boot.line {
            (self.boot, self.stages) = (boot.line, 0);
            if let Some(jump) = &boot.jump {
                writeln!(out, "line {}: the handoff jumped to {jump}", boot.line)?;
            }
        }
        for stage in boot.stages.iter().skip(self.stages) {
            writeln!(
                out,
                "line {}: {}: {}",
                stage.line,
                stage.stage.text(),
                stage.text
            )?;
        }
        self.stages = boot.stages.len();
        Ok(())
    }
}
