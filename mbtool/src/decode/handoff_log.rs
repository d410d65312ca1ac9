//! Lines of the handoff before a dump.

mod arm64;
mod riscv64;

pub use arm64::{Arm64EntryText, CONTROL, PsciText};
pub use riscv64::{ENTRY_REGISTERS, RiscvEntryText};

use crate::arch::Architecture;
use handoff::addr::PhysRange;

/// Maximum number of segments per log.
const MAX_SEGMENTS: usize = 256;
/// Maximum length of a segment's name, in characters.
const MAX_NAME: usize = 256;

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
    /// The state at entry, of a handoff that prints it.
    pub entry: Option<EntryText>,
}

/// What a handoff prints about its entry; that of x86 prints nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryText {
    /// riscv64.
    Riscv(RiscvEntryText),
    /// arm64.
    Arm64(Box<Arm64EntryText>),
}

impl EntryText {
    /// Parses the rest of the banner; `None` for x86.
    fn banner(text: &str) -> Option<Self> {
        let riscv = RiscvEntryText::banner(text).map(Self::Riscv);
        riscv.or_else(|| Arm64EntryText::banner(text).map(|text| Self::Arm64(Box::new(text))))
    }

    /// Its architecture.
    #[must_use]
    pub const fn architecture(&self) -> Architecture {
        match self {
            Self::Riscv(_) => Architecture::Riscv64,
            Self::Arm64(_) => Architecture::Arm64,
        }
    }

    /// Parses the rest of the line `entry`.
    fn registers(&mut self, text: &str) {
        match self {
            Self::Riscv(entry) => entry.take(text),
            Self::Arm64(entry) => entry.take(text),
        }
    }
}

/// The architecture of a handoff by its banner, behind `mbtool VERSION at `.
#[must_use]
pub fn handoff_architecture(banner: &str) -> Architecture {
    let arm = banner.contains(" in mode ") && banner.contains(" on cpu ");
    match EntryText::banner(banner) {
        Some(entry) => entry.architecture(),
        None if arm => Architecture::Arm,
        None => Architecture::X86_64,
    }
}

impl LogContext {
    /// The state at entry of a handoff for riscv64.
    #[must_use]
    pub const fn riscv(&self) -> Option<&RiscvEntryText> {
        match &self.entry {
            Some(EntryText::Riscv(entry)) => Some(entry),
            _ => None,
        }
    }

    /// The state at entry of a handoff for arm64.
    #[must_use]
    pub fn arm64(&self) -> Option<&Arm64EntryText> {
        match &self.entry {
            Some(EntryText::Arm64(entry)) => Some(entry),
            _ => None,
        }
    }

    /// Parses a line of the handoff, without its prefix.
    pub(super) fn take(&mut self, text: &str) {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match word {
            "mbtool" => {
                *self = Self::default();
                if let Some((version, rest)) = rest.split_once(" at ") {
                    let base = rest.split(',').next().and_then(hex);
                    self.handoff = base.map(|base| (version.to_owned(), base));
                    self.entry = EntryText::banner(rest);
                }
            }
            "verify" => self.verify(rest),
            "jump" => self.jump = Some(rest.strip_prefix("to ").unwrap_or(rest).to_owned()),
            "drill:" => self.drill = true,
            "guard:" => {
                let mut numbers = rest.split(' ').filter_map(hex);
                self.guard = numbers.next().zip(numbers.next()).map(<[u64; 2]>::from);
            }
            "entry" => {
                if let Some(entry) = &mut self.entry {
                    entry.registers(rest);
                }
            }
            "page" => match &mut self.entry {
                Some(EntryText::Riscv(entry)) => entry.refused(rest),
                Some(EntryText::Arm64(entry)) => entry.no_tables |= rest.contains("granule"),
                None => {}
            },
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
        let name: String = name.chars().take(MAX_NAME).collect();
        if text.contains(": BAD ") && self.damaged.len() < MAX_SEGMENTS {
            self.damaged.push(name.clone());
        }
        if self.segments.len() < MAX_SEGMENTS {
            self.segments.push((name, range));
        }
    }
}

/// Pairs of a name and a number, behind each other.
fn pairs(text: &str) -> impl Iterator<Item = (&str, Option<u64>)> {
    let mut words = text.split(' ');
    std::iter::from_fn(move || Some((words.next()?, hex(words.next()?))))
}

/// Parses `0x...`, in lower case.
fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}
