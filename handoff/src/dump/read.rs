//! Reads records from the lines of a log, whole or damaged.
//!
//! In a damaged dump, every field with valid text is read: names in place, the
//! right number of digits.

extern crate alloc;
use super::{BEGIN, END, PREFIX, crc_byte};
use alloc::vec::Vec;
use fields::{Width, number};

mod dump;
pub(crate) mod fields;

pub use dump::{Dump, Integrity};

/// Maximum number of lines of a dump.
pub const MAX_LINES: u32 = 128;

/// The fields of one architecture's dumps, between the first and the last line.
pub trait DumpFields: Default {
    /// Reads the first line, after [`BEGIN`]; `None` if it is of another architecture.
    fn begin(line: &str) -> Option<Self>;

    /// True for the line after the first one, without [`PREFIX`]: a dump whose first line is lost starts with it.
    fn is_second(line: &str) -> bool;

    /// Adds a line without [`PREFIX`]. Returns `false` when the field is already set, so that the
    /// line belongs to another dump.
    fn take(&mut self, line: &str) -> bool;

    /// Sets the integrity, which is [`Integrity::Truncated`] until then.
    fn rate(&mut self, integrity: Integrity);
}

/// Reads the dumps of one architecture from lines.
///
/// Other lines may come in between, and text before [`PREFIX`] (a timestamp,
/// another program's half line) is skipped. Terminal control sequences must
/// have been removed.
#[derive(Debug)]
pub struct Reader<D> {
    open: Option<Open<D>>,
}

/// An incomplete dump.
#[derive(Debug)]
struct Open<D> {
    dump: D,
    crc: u32,
    lines: u32,
}

impl<D> Open<D> {
    fn new(dump: D) -> Self {
        Self {
            dump,
            crc: !0,
            lines: 0,
        }
    }

    fn sum(&mut self, line: &str) {
        for byte in line.bytes().chain([b'\n']) {
            self.crc = crc_byte(self.crc, byte);
        }
        self.lines += 1;
    }
}

impl<D> Default for Reader<D> {
    fn default() -> Self {
        Self { open: None }
    }
}

impl<D: DumpFields> Reader<D> {
    /// Adds one line, without its end. Returns the dumps that it completed.
    ///
    /// Two lines that were joined by a lost line end count as two, so one line
    /// may complete more than one dump.
    pub fn line(&mut self, line: &str) -> Vec<D> {
        let mut ended = Vec::new();
        let mut rest = line;
        while let Some(start) = rest.find(PREFIX) {
            rest = &rest[start..];
            let end = rest[PREFIX.len()..]
                .find(PREFIX)
                .map_or(rest.len(), |next| PREFIX.len() + next);
            ended.extend(self.one(rest[..end].trim_end()));
            rest = &rest[end..];
        }
        ended
    }

    /// Ends the input. Returns an incomplete dump.
    pub fn finish(&mut self) -> Option<D> {
        Some(self.open.take()?.dump)
    }

    /// True while a dump is incomplete.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Adds a line that starts with [`PREFIX`] (whose last blank may be
    /// missing).
    fn one(&mut self, line: &str) -> Option<D> {
        let text = line.get(PREFIX.len()..).unwrap_or("");
        if let Some(rest) = line.strip_prefix(BEGIN) {
            let cut = self.finish();
            if let Some(dump) = D::begin(rest) {
                let mut open = Open::new(dump);
                open.sum(line);
                self.open = Some(open);
            }
            return cut;
        }
        if let Some(rest) = line.strip_prefix(END) {
            let mut open = self.open.take()?;
            let whole = is_sum(rest, open.lines, !open.crc);
            open.dump.rate(if whole {
                Integrity::Whole
            } else {
                Integrity::Damaged
            });
            return Some(open.dump);
        }
        if ends_without_end(text) {
            return self.finish();
        }
        let Some(open) = &mut self.open else {
            // the first line is lost
            if D::is_second(text) {
                let mut open = Open::new(D::default());
                open.sum(line);
                open.dump.take(text);
                self.open = Some(open);
            }
            return None;
        };
        if open.lines >= MAX_LINES {
            return self.finish();
        }
        if open.dump.take(text) {
            open.sum(line);
            return None;
        }
        // a second dump whose first line is lost
        let cut = self.finish();
        let mut open = Open::new(D::default());
        open.sum(line);
        open.dump.take(text);
        self.open = Some(open);
        cut
    }
}

/// True for lines of the handoff that never occur inside a dump: after one of
/// them, the last line of the dump is lost.
fn ends_without_end(text: &str) -> bool {
    ["mbtool ", "halted ", "resetting ", "nested ", "PANIC "]
        .iter()
        .any(|start| text.starts_with(start))
}

/// True when `rest`, the last line after [`END`], has these values.
fn is_sum(rest: &str, lines: u32, crc: u32) -> bool {
    let mut words = rest.split(' ');
    let found = [(); 5].map(|()| words.next().unwrap_or(""));
    let [_, count, _, _, sum] = found;
    words.next().is_none()
        && [found[0], found[2], found[3]] == ["", "lines", "crc32"]
        && count.parse() == Ok(lines)
        && sum
            .strip_prefix("0x")
            .and_then(|sum| number(sum, Width::Exact(8)))
            == Some(crc.into())
}
