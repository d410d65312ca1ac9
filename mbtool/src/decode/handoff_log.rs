//! Lines of the handoff before a dump.

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
    /// The state at entry of a handoff for riscv64.
    pub riscv: Option<RiscvEntryText>,
}

/// What a handoff for riscv64 prints about its entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RiscvEntryText {
    /// Number of the hart.
    pub hart: Option<u64>,
    /// Number of the SBI implementation.
    pub sbi: Option<u64>,
    /// `satp`, `sstatus`, `stvec` and `sie`, as far as printed.
    pub registers: [Option<u64>; ENTRY_REGISTERS.len()],
    /// The value of `satp` for the handoff's own tables, if the CPU did not take it.
    pub refused_satp: Option<u64>,
}

/// Names of [`RiscvEntryText::registers`].
pub const ENTRY_REGISTERS: [&str; 4] = ["satp", "sstatus", "stvec", "sie"];

impl RiscvEntryText {
    /// A register by its name.
    #[must_use]
    pub fn register(&self, name: &str) -> Option<u64> {
        let index = ENTRY_REGISTERS.iter().position(|known| *known == name)?;
        self.registers[index]
    }

    /// Parses the rest of the banner; `None` if it is of another architecture.
    fn banner(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once(" on hart ")?;
        let number = |text: &str| text.split([',', ' ']).next()?.parse().ok();
        Some(Self {
            hart: number(rest),
            sbi: rest
                .split_once(" implementation ")
                .and_then(|(_, rest)| number(rest)),
            ..Self::default()
        })
    }
}

impl LogContext {
    /// Parses a line of the handoff, without its prefix.
    pub(super) fn take(&mut self, text: &str) {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match word {
            "mbtool" => {
                *self = Self::default();
                if let Some((version, rest)) = rest.split_once(" at ") {
                    let base = rest.split(',').next().and_then(hex);
                    self.handoff = base.map(|base| (version.to_owned(), base));
                    self.riscv = RiscvEntryText::banner(rest);
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
                let Some(riscv) = &mut self.riscv else {
                    return;
                };
                let mut words = rest.split(' ');
                while let (Some(name), Some(value)) = (words.next(), words.next()) {
                    let index = ENTRY_REGISTERS.iter().position(|known| *known == name);
                    if let Some(index) = index {
                        riscv.registers[index] = hex(value);
                    }
                }
            }
            "page" => {
                if let (Some(riscv), Some(value)) =
                    (&mut self.riscv, rest.split_once("not take satp "))
                {
                    riscv.refused_satp = hex(value.1.trim_end_matches(": translation stays off"));
                }
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
        let name: String = name.chars().take(MAX_NAME).collect();
        if text.contains(": BAD ") && self.damaged.len() < MAX_SEGMENTS {
            self.damaged.push(name.clone());
        }
        if self.segments.len() < MAX_SEGMENTS {
            self.segments.push((name, range));
        }
    }
}

/// Parses `0x...`, in lower case.
fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}
