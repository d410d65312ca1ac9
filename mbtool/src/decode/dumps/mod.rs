//! Dumps of other programs than the handoff, one file each.
//!
//! A reader gets the lines of a log in order and returns a dump when it is complete. It may look at
//! each line once, and holds a bounded part of the log.

mod calls;
mod edk2;
mod fields;
mod kvm_riscv;
mod linux;
mod linux_arch;
mod linux_arm64;
mod linux_riscv;
mod open;
mod qemu;
mod xen;
mod xen_arm64;

use super::found::{CpuDump, DumpDetails, DumpSource};
use super::log_line::LogLine;
use handoff::arch::riscv64::dump::read::RiscvDump;
use handoff::dump::read::{Dump, Integrity};

/// Maximum number of other lines between two lines of a dump.
const MAX_NOISE: usize = 200;
/// Maximum number of quoted lines.
const MAX_QUOTE: usize = 16;
/// Maximum length of a quoted line, in characters.
const MAX_TEXT: usize = 300;
/// Maximum number of calls in a trace.
const MAX_CALLS: usize = 64;
/// Maximum number of stack words.
const MAX_STACK: usize = 64;
/// Maximum number of code bytes before rip.
const MAX_CODE: usize = 64;

/// A reader of one kind of dump.
pub trait DumpReader: std::fmt::Debug {
    /// Adds a line. Returns the dumps that it completed.
    fn line(&mut self, line: &LogLine<'_>) -> Vec<ReadDump>;

    /// Ends the input. Returns incomplete dumps.
    fn finish(&mut self) -> Vec<ReadDump>;

    /// True while a dump is incomplete.
    fn is_open(&self) -> bool;
}

/// A dump that a reader found, or is reading.
#[derive(Clone, Debug)]
pub struct ReadDump<D = CpuDump> {
    /// Who printed it.
    pub source: DumpSource,
    /// Number of its first line, from 1.
    pub line: usize,
    /// The CPU's state.
    pub dump: D,
    /// The rest.
    pub details: DumpDetails,
}

impl<D: Default> ReadDump<D> {
    fn new(source: DumpSource, line: usize) -> Self {
        Self {
            source,
            line,
            dump: D::default(),
            details: DumpDetails::default(),
        }
    }

    /// Adds a line of the program's last words.
    fn say(&mut self, text: &str) {
        let message = &mut self.details.message;
        let text = quote(text);
        if message.len() < MAX_QUOTE && !text.is_empty() && message.last() != Some(&text) {
            message.push(text);
        }
    }

    /// Adds a text about whose state it is.
    fn note(&mut self, text: &str) {
        let context = &mut self.details.context;
        let text = quote(text);
        if context.len() < MAX_QUOTE && !context.contains(&text) {
            context.push(text);
        }
    }
}

impl<D: Into<CpuDump>> ReadDump<D> {
    /// Completes it.
    fn read(self) -> ReadDump {
        ReadDump {
            source: self.source,
            line: self.line,
            dump: self.dump.into(),
            details: self.details,
        }
    }
}

impl ReadDump<RiscvDump> {
    /// Sets the integrity: registers are printed all, or none.
    fn rate(mut self) -> Self {
        let known = self.dump.gpr.iter().flatten().count();
        self.dump.integrity = all_or_none(known, self.dump.gpr.len());
        self
    }
}

impl ReadDump<Dump> {
    /// Sets the integrity: registers are printed all, or none.
    fn rate(mut self) -> Self {
        let count = if self.dump.mode == Some(handoff::dump::Mode::Protected) {
            8
        } else {
            16
        };
        let known = self.dump.gpr[..count].iter().flatten().count();
        self.dump.integrity = all_or_none(known, count);
        self
    }
}

const fn all_or_none(known: usize, count: usize) -> Integrity {
    if known == 0 || known == count {
        Integrity::Whole
    } else {
        Integrity::Truncated
    }
}

/// Number of readers.
pub const READERS: usize = 5;

/// Readers of all kinds.
#[must_use]
pub fn readers() -> [Box<dyn DumpReader>; READERS] {
    [
        Box::<xen::XenDumpReader>::default(),
        Box::<linux::LinuxOopsReader>::default(),
        Box::<edk2::Edk2DumpReader>::default(),
        Box::<qemu::QemuDumpReader>::default(),
        Box::<kvm_riscv::KvmHostReader>::default(),
    ]
}

/// A line for a quotation.
#[must_use]
pub fn quote(text: &str) -> String {
    let text = text.trim();
    let end = match text.len() {
        0..=MAX_TEXT => None,
        _ => text.char_indices().nth(MAX_TEXT),
    };
    text[..end.map_or(text.len(), |(at, _)| at)].to_owned()
}

/// The number at the start of a text in hexadecimal, with `0x` or without.
fn hex(text: &str) -> Option<u64> {
    let text = text.strip_prefix("0x").unwrap_or(text);
    let digits = text.bytes().take_while(u8::is_ascii_hexdigit).count();
    u64::from_str_radix(text.get(..digits)?, 16).ok()
}

/// The text behind `mark`.
fn after<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    Some(&text[text.find(mark)? + mark.len()..])
}

/// The code bytes of `40 0f <48> c3`: before rip, and from it on.
fn code_bytes(text: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let (mut before, mut code, mut reached) = (Vec::new(), Vec::new(), false);
    for word in text.split_ascii_whitespace().take(2 * MAX_CODE) {
        let mark = word.starts_with(['<', '(']);
        let digits = word.trim_matches(['<', '>', '(', ')']);
        if digits.len() != 2 {
            break;
        }
        let Ok(byte) = u8::from_str_radix(digits, 16) else {
            break;
        };
        reached |= mark;
        if reached {
            code.push(byte);
        } else {
            before.push(byte);
        }
    }
    reached.then_some((before, code))
}

#[cfg(test)]
mod tests;
