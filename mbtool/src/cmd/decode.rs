//! `mbtool decode`: decodes exception dumps in a serial log.

mod error;

pub use error::NoDump;

use crate::decode::address_map::AddressMap;
use crate::decode::follow::{Follow, FollowStep};
use crate::decode::lines::Lines;
use crate::decode::report::{DecodedDump, FORMAT};
use crate::decode::scan::{FoundDump, Scanner};
use crate::decode::symbolizer::Symbolizer;
use crate::decode::symbols::SymbolFile;
use crate::{input, ramlog};
use anyhow::Context;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Maximum size of a log or symbol file, in bytes.
const FILE_LIMIT: u64 = 2 << 30;
/// Maximum size of a plan, in bytes.
const PLAN_LIMIT: u64 = 64 << 20;

/// A symbol file: `FILE[@ADDR]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolArg {
    /// The file.
    pub path: PathBuf,
    /// Memory address of its first byte.
    pub base: Option<u64>,
}

/// Address of a RAM log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RamLogArg {
    /// In memory reserved with the running kernel's `memmap=`.
    Auto,
    /// At a physical address.
    At(u64),
}

/// Options.
#[derive(Clone, Debug, Default)]
pub struct DecodeOptions {
    /// Path of the log; `-` is standard input.
    pub log: PathBuf,
    /// Output of `plan --json`, or the directory of `--backend dir`.
    pub plan: Option<PathBuf>,
    /// Symbol files.
    pub symbols: Vec<SymbolArg>,
    /// Print JSON.
    pub json: bool,
    /// Wait for more data.
    pub follow: bool,
    /// Read the handoff's RAM log of this machine instead of `log`.
    pub ram_log: Option<RamLogArg>,
}

/// Runs the verb.
///
/// # Errors
///
/// When a file cannot be read or is invalid, or there is no dump.
pub fn run(
    options: &DecodeOptions,
    out: &mut dyn Write,
    messages: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut session = Session::new(options)?;
    if options.follow {
        return session.follow(&options.log, out, messages);
    }
    if let Some(place) = options.ram_log {
        let addr = match place {
            RamLogArg::Auto => None,
            RamLogArg::At(addr) => Some(addr),
        };
        return session.ram_log(&ramlog::read(Path::new("/"), addr)?, out, messages);
    }
    let bytes = input::read(&options.log, FILE_LIMIT)?;
    session.bytes(&bytes, &input::display_name(&options.log), out)
}

/// Decodes a log in memory.
///
/// # Errors
///
/// As for [`run`].
pub fn run_on(
    options: &DecodeOptions,
    log: &[u8],
    name: &str,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    Session::new(options)?.bytes(log, name, out)
}

struct Session {
    plan: Option<AddressMap>,
    symbols: Symbolizer,
    json: bool,
    scanner: Scanner,
    dumps: usize,
}

impl Session {
    fn new(options: &DecodeOptions) -> anyhow::Result<Self> {
        let plan = options.plan.as_deref().map(read_plan).transpose()?;
        let files: Vec<SymbolFile> = options
            .symbols
            .iter()
            .map(read_symbols)
            .collect::<anyhow::Result<_>>()?;
        Ok(Self {
            plan,
            symbols: Symbolizer::new(files),
            json: options.json,
            scanner: Scanner::default(),
            dumps: 0,
        })
    }

    fn report(&mut self, found: &FoundDump) -> DecodedDump {
        self.dumps += 1;
        DecodedDump::new(found, self.plan.as_ref(), &mut self.symbols)
    }

    fn bytes(&mut self, log: &[u8], name: &str, out: &mut dyn Write) -> anyhow::Result<()> {
        let mut found = Vec::new();
        let mut lines = Lines::default();
        let scanner = &mut self.scanner;
        lines.push(log, |number, line| found.extend(scanner.line(number, line)));
        lines.finish(|number, line| found.extend(scanner.line(number, line)));
        found.extend(scanner.finish());
        let reports: Vec<DecodedDump> = found.iter().map(|found| self.report(found)).collect();
        if self.json {
            let document = serde_json::json!({ "format": FORMAT, "dumps": reports });
            writeln!(out, "{}", serde_json::to_string_pretty(&document)?)?;
        } else {
            for (index, report) in reports.iter().enumerate() {
                let gap = if index == 0 { "" } else { "\n" };
                write!(out, "{gap}{report}")?;
            }
        }
        if reports.is_empty() {
            return Err(NoDump::of(name, self.scanner.log()).into());
        }
        Ok(())
    }

    /// Prints a log in RAM, then decodes it. A log without a dump is not an
    /// error; with JSON only the dumps are printed.
    fn ram_log(
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
            Err(none) if self.dumps == 0 => writeln!(messages, "mbtool: {none}")?,
            other => {
                other?;
                writeln!(out)?;
                out.write_all(&explained)?;
            }
        }
        Ok(())
    }

    fn follow(
        &mut self,
        path: &Path,
        out: &mut dyn Write,
        messages: &mut dyn Write,
    ) -> anyhow::Result<()> {
        let name = input::display_name(path);
        let mut source = Follow::open(path).with_context(|| name.clone())?;
        writeln!(messages, "mbtool: following {name}, end with ctrl-c")?;
        let mut lines = Lines::default();
        let mut buffer = vec![0; 64 << 10];
        loop {
            let step = source.read(&mut buffer).with_context(|| name.clone())?;
            let mut found = Vec::new();
            let scanner = &mut self.scanner;
            let mut take = |number: usize, line: &str| found.extend(scanner.line(number, line));
            match step {
                FollowStep::Bytes(count) => lines.push(&buffer[..count], take),
                // an incomplete dump is printed when no more data comes
                FollowStep::Quiet => {}
                FollowStep::Restarted => {
                    lines.finish(&mut take);
                    lines = Lines::default();
                }
                FollowStep::End => lines.finish(&mut take),
            }
            if !matches!(step, FollowStep::Bytes(_)) {
                found.extend(self.scanner.finish());
            }
            for found in found {
                let report = self.report(&found);
                if self.json {
                    writeln!(out, "{}", serde_json::to_string(&report)?)?;
                } else {
                    writeln!(out, "{report}")?;
                }
                out.flush()?;
            }
            if step == FollowStep::End {
                break;
            }
        }
        if self.dumps == 0 {
            return Err(NoDump::of(&name, self.scanner.log()).into());
        }
        Ok(())
    }
}

/// Reads a plan from a file, or from `plan.json` in a directory.
fn read_plan(path: &Path) -> anyhow::Result<AddressMap> {
    let file = if path.is_dir() {
        path.join("plan.json")
    } else {
        path.to_owned()
    };
    let json = input::read(&file, PLAN_LIMIT)?;
    AddressMap::from_plan(&json).with_context(|| input::display_name(&file))
}

fn read_symbols(symbols: &SymbolArg) -> anyhow::Result<SymbolFile> {
    let bytes = input::read(&symbols.path, FILE_LIMIT)?;
    let name = symbols.path.file_name().map_or_else(
        || input::display_name(&symbols.path),
        |name| name.to_string_lossy().into_owned(),
    );
    Ok(SymbolFile::parse(&name, &bytes, symbols.base)?)
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "decode_ram_log_tests.rs"]
mod ram_log_tests;
