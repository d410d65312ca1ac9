//! The way back: records from the lines of a log, whole or damaged.
//!
//! A damaged dump still gives every field whose text is as the writer writes
//! it: names in place, the right number of digits.

extern crate alloc;
use super::{
    BEGIN, CODE_BYTES, END, Mode, PREFIX, ROW_CR, ROW_GPR0, ROW_GPR4, ROW_GPR8, ROW_GPR12, ROW_IP,
    ROW_SEL, Record, SEL_DIGITS, STACK_WORDS, crc_byte, vector_name,
};
use crate::abi::PHASES;
use crate::names::entries;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

/// Most lines of a dump; what goes on longer is not one.
pub const MAX_LINES: u32 = 128;

/// How much of a dump has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// Number of lines and checksum agree: every byte is as it was written.
    Whole,
    /// The last line is there, but lines are missing, added or changed.
    Damaged,
    /// There is no last line.
    Truncated,
}

/// What was read of one dump. `None` is a field that did not survive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dump {
    /// Whether it can be trusted as a whole.
    pub integrity: Integrity,
    /// Version of the text ([`super::FORMAT`]); 0 where the first line has none.
    pub format: Option<u32>,
    /// Vector.
    pub vector: Option<u8>,
    /// Error code; `Some(None)` for a vector that has none.
    pub error: Option<Option<u64>>,
    /// Mode of the interrupted code.
    pub mode: Option<Mode>,
    /// Index into [`PHASES`].
    pub phase: Option<u32>,
    /// Instruction pointer.
    pub rip: Option<u64>,
    /// Flags.
    pub rflags: Option<u64>,
    /// rax rcx rdx rbx rsp rbp rsi rdi r8..r15.
    pub gpr: [Option<u64>; 16],
    /// cs ds es fs gs ss.
    pub sel: [Option<u16>; 6],
    /// cr0 cr2 cr3 cr4.
    pub cr: [Option<u64>; 4],
    /// EFER.
    pub efer: Option<u64>,
    /// DR6.
    pub dr6: Option<u64>,
    /// Bytes at rip, up to the first damaged one; empty where the handoff could not read them.
    pub code: Option<Vec<u8>>,
    /// Words at rsp, up to the first damaged one; empty where the handoff could not read them.
    pub stack: Option<Vec<u64>>,
    /// Lines of the dump that are none of the above, without [`PREFIX`].
    pub more: Vec<String>,
}

impl Default for Dump {
    fn default() -> Self {
        Self {
            integrity: Integrity::Truncated,
            format: None,
            vector: None,
            error: None,
            mode: None,
            phase: None,
            rip: None,
            rflags: None,
            gpr: [None; 16],
            sel: [None; 6],
            cr: [None; 4],
            efer: None,
            dr6: None,
            code: None,
            stack: None,
            more: Vec::new(),
        }
    }
}

impl Dump {
    /// The record, when nothing is missing. In protected mode registers 8 to 15
    /// are zero.
    #[must_use]
    pub fn record(&self) -> Option<Record<'_>> {
        let mode = self.mode?;
        let mut gpr = [0; 16];
        let shown = if mode == Mode::Long { 16 } else { 8 };
        for (to, from) in gpr.iter_mut().zip(self.gpr).take(shown) {
            *to = from?;
        }
        let mut sel = [0; 6];
        for (to, from) in sel.iter_mut().zip(self.sel) {
            *to = from?;
        }
        let mut cr = [0; 4];
        for (to, from) in cr.iter_mut().zip(self.cr) {
            *to = from?;
        }
        Some(Record {
            vector: self.vector?,
            error: self.error?,
            mode,
            phase: self.phase?,
            rip: self.rip?,
            rflags: self.rflags?,
            gpr,
            sel,
            cr,
            efer: self.efer?,
            dr6: self.dr6?,
            code: self.code.as_deref()?,
            stack: self.stack.as_deref()?,
        })
    }

    /// Takes a line without [`PREFIX`]. `false`: the field is there already, so
    /// the line belongs to another dump.
    fn take(&mut self, line: &str) -> bool {
        let width = self
            .mode
            .map_or(Width::Register, |mode| Width::Exact(mode.digits()));
        match line.split(' ').next().unwrap_or("") {
            "rip" => {
                self.mode = self.mode.or_else(|| mode_of(line));
                let width = self.mode.map_or(width, |mode| Width::Exact(mode.digits()));
                let slots = [&mut self.rip, &mut self.rflags, &mut self.cr[1]];
                fill(line, ROW_IP, width, slots)
            }
            "rax" => fill(line, ROW_GPR0, width, self.gpr[..4].iter_mut()),
            "rsp" => fill(line, ROW_GPR4, width, self.gpr[4..8].iter_mut()),
            "r8" => fill(line, ROW_GPR8, width, self.gpr[8..12].iter_mut()),
            "r12" => fill(line, ROW_GPR12, width, self.gpr[12..].iter_mut()),
            "cs" => {
                let mut wide = self.sel.map(|sel| sel.map(u64::from));
                let fresh = fill(line, ROW_SEL, Width::Exact(SEL_DIGITS), &mut wide);
                self.sel = wide.map(|sel| sel.map(|sel| sel as u16)); // four digits
                fresh
            }
            "cr0" => {
                let [cr0, _, cr3, cr4] = &mut self.cr;
                let slots = [cr0, cr3, cr4, &mut self.efer, &mut self.dr6];
                fill(line, ROW_CR, width, slots)
            }
            "code" => list(&mut self.code, line, CODE_BYTES, |word| {
                Some(number(word, Width::Exact(2))? as u8)
            }),
            "stack" => list(&mut self.stack, line, STACK_WORDS, |word| {
                number(word.strip_prefix("0x")?, width)
            }),
            _ => {
                self.more.push(line.to_owned());
                true
            }
        }
    }

    /// Reads the first line, after [`BEGIN`].
    fn begin(line: &str) -> Self {
        let between = |from: &str, to: &str| {
            let (_, rest) = line.split_once(from)?;
            Some(rest.split_once(to)?.0)
        };
        let after = |name: &str| {
            let (_, rest) = line.split_once(name)?;
            Some(rest.split(' ').next().unwrap_or(rest))
        };
        let vector = between(" vector ", " (").and_then(|text| text.parse().ok());
        let error = after(" error ").and_then(|text| match text {
            "none" => Some(None),
            _ => Some(Some(number(text.strip_prefix("0x")?, Width::Minimal)?)),
        });
        let mode = after(" mode ").and_then(|text| match text {
            "long" => Some(Mode::Long),
            "protected" => Some(Mode::Protected),
            _ => None,
        });
        let phase = line.split_once(" phase ").and_then(|(_, rest)| {
            let text = rest.split_once(" format ").map_or(rest, |(text, _)| text);
            entries(PHASES).position(|name| name == text.as_bytes())
        });
        Self {
            format: match after(" format ") {
                Some(text) => text.parse().ok(),
                None => Some(0),
            },
            // a digit may be lost without a trace, but not together with its name
            vector: vector.filter(|v| {
                between(" (", ") ").is_some_and(|name| name.as_bytes() == vector_name(*v))
            }),
            error,
            mode,
            phase: phase.map(|phase| phase as u32), // a handful
            ..Self::default()
        }
    }
}

/// Reads dumps out of lines.
///
/// Lines of others may come between, and text before [`PREFIX`] (a timestamp,
/// another program's half line) is skipped. Terminal control must be gone.
#[derive(Debug, Default)]
pub struct Reader {
    open: Option<Open>,
}

/// A dump whose end has not come.
#[derive(Debug)]
struct Open {
    dump: Dump,
    crc: u32,
    lines: u32,
}

impl Open {
    fn new(dump: Dump) -> Self {
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

impl Reader {
    /// Takes one line, without its end. Returns the dump that it ended.
    ///
    /// Two lines that lost the line end between them count as two, so one line
    /// may end more than one dump.
    pub fn line(&mut self, line: &str) -> Vec<Dump> {
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

    /// Ends the input. Returns the dump that was not complete.
    pub fn finish(&mut self) -> Option<Dump> {
        Some(self.open.take()?.dump)
    }

    /// True while a dump is not complete.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Takes a line that starts with [`PREFIX`] (its last blank may be cut).
    fn one(&mut self, line: &str) -> Option<Dump> {
        let text = line.get(PREFIX.len()..).unwrap_or("");
        if let Some(rest) = line.strip_prefix(BEGIN) {
            let cut = self.finish();
            let mut open = Open::new(Dump::begin(rest));
            open.sum(line);
            self.open = Some(open);
            return cut;
        }
        if let Some(rest) = line.strip_prefix(END) {
            let mut open = self.open.take()?;
            open.dump.integrity = if is_sum(rest, open.lines, !open.crc) {
                Integrity::Whole
            } else {
                Integrity::Damaged
            };
            return Some(open.dump);
        }
        if ends_without_end(text) {
            return self.finish();
        }
        let Some(open) = &mut self.open else {
            // the first line is lost
            if text.starts_with("rip 0x") {
                let mut open = Open::new(Dump::default());
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
        let mut open = Open::new(Dump::default());
        open.sum(line);
        open.dump.take(text);
        self.open = Some(open);
        cut
    }
}

/// Lines of the handoff that never stand inside a dump: after one of them the
/// dump's last line does not come any more.
fn ends_without_end(text: &str) -> bool {
    ["mbtool ", "halted ", "resetting ", "nested ", "PANIC "]
        .iter()
        .any(|start| text.starts_with(start))
}

/// Whether `rest`, the last line after [`END`], has these values.
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

/// The mode, from the width of a line's first register.
fn mode_of(line: &str) -> Option<Mode> {
    let digits = line.split(' ').nth(1)?.strip_prefix("0x")?.len();
    let modes = [Mode::Long, Mode::Protected];
    modes
        .into_iter()
        .find(|mode| mode.digits() as usize == digits)
}

/// How many digits a number must have.
#[derive(Clone, Copy, Debug)]
enum Width {
    /// So many.
    Exact(u32),
    /// A register of a mode that is not known: 8 or 16.
    Register,
    /// As many as the value needs.
    Minimal,
}

/// A number in lowercase hex digits.
fn number(text: &str, width: Width) -> Option<u64> {
    let fits = match width {
        Width::Exact(digits) => text.len() == digits as usize,
        Width::Register => matches!(text.len(), 8 | 16),
        Width::Minimal => text.len() == 1 || (text.len() <= 16 && !text.starts_with('0')),
    };
    let good = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if !fits || !text.bytes().all(good) {
        return None;
    }
    u64::from_str_radix(text, 16).ok()
}

/// Fills `slots` from pairs of name and 0xvalue; damaged ones stay empty.
/// `false`: one of them is filled already.
fn fill<'a>(
    line: &str,
    names: &'static str,
    width: Width,
    slots: impl IntoIterator<Item = &'a mut Option<u64>>,
) -> bool {
    let slots: Vec<_> = slots.into_iter().collect();
    if slots.iter().any(|slot| slot.is_some()) {
        return false;
    }
    for (name, slot) in entries(names).zip(slots) {
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        if words.any(|word| word.as_bytes() == name.trim_ascii_end()) {
            let value = words.next().and_then(|word| word.strip_prefix("0x"));
            *slot = value.and_then(|value| number(value, width));
        }
    }
    true
}

/// Fills a list, up to the first damaged entry. `false`: it is filled already.
fn list<T>(
    slot: &mut Option<Vec<T>>,
    line: &str,
    most: usize,
    parse: impl Fn(&str) -> Option<T>,
) -> bool {
    if slot.is_some() {
        return false;
    }
    let words = line.split(' ').skip(1).take(most);
    let values: Vec<T> = words.map_while(parse).collect();
    if !values.is_empty() || line.ends_with(" unreadable") {
        *slot = Some(values);
    }
    true
}
