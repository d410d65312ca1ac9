//! Xen on arm64: the registers, stack and calls of a dump.
//!
//! `----[ Xen-4.20.0  arm64 ... ]----`, `CPU:`, `PC:`, `LR:`, `SP:` (of a guest `SP_EL0:` and `SP_EL1:`), `CPSR:`, `X0:` to
//! `X28:` and `FP:` with three on a line, then system registers with one on a line, `Xen stack trace from sp=`, `Xen call
//! trace:`, and in most cases the panic's text between two lines of asterisks.

use super::calls::{call, place};
use super::open::{OpenDump, Taken};
use super::{MAX_CALLS, MAX_QUOTE, MAX_STACK, ReadDump, after, hex, quote};
use crate::decode::log_line::LogLine;
use handoff::arch::arm64::dump::read::Arm64Dump;
use handoff::arch::arm64::registers::Regime;

/// Digits of a register.
const DIGITS: usize = 16;

/// What the next lines are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum XenArm64Part {
    #[default]
    Registers,
    Stack,
    Calls,
    /// Between `Panic on CPU` and the last line of asterisks.
    Panic,
}

/// An incomplete dump.
#[derive(Debug)]
pub(super) struct XenArm64Open {
    found: ReadDump<Arm64Dump>,
    part: XenArm64Part,
    noise: usize,
    panic_lines: usize,
    harmless: bool,
    /// The state is a guest's.
    guest: bool,
    /// `PC:` was printed.
    counter: bool,
}

impl XenArm64Open {
    /// Starts a dump. `harmless`: one that reports no fault.
    pub(super) const fn new(found: ReadDump<Arm64Dump>, harmless: bool) -> Self {
        Self {
            found,
            part: XenArm64Part::Registers,
            noise: 0,
            panic_lines: 0,
            harmless,
            guest: false,
            counter: false,
        }
    }

    /// Sets a register; false for an unknown name.
    fn set(&mut self, name: &str, rest: &str) -> bool {
        let word = rest.split_ascii_whitespace().next().unwrap_or("");
        if !matches!(word.len(), 8 | DIGITS) || !word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return false;
        }
        let Some(value) = hex(word) else {
            return false;
        };
        let guest = self.guest;
        let dump = &mut self.found.dump;
        let slot = match name {
            "PC" => &mut dump.elr,
            "LR" => &mut dump.gpr[30],
            "FP" => &mut dump.gpr[29],
            "SP" | "SP_EL1" => &mut dump.gpr[31],
            "CPSR" => &mut dump.spsr,
            "SCTLR_EL2" if !guest => &mut dump.sctlr,
            "ESR_EL2" if !guest => &mut dump.esr,
            "FAR_EL2" if !guest => &mut dump.far,
            "SCTLR_EL1" if guest => &mut dump.sctlr,
            "ESR_EL1" if guest => &mut dump.esr,
            "FAR_EL1" if guest => &mut dump.far,
            "HCR_EL2" => &mut dump.hcr,
            _ => {
                let number = name
                    .strip_prefix('X')
                    .and_then(|number| number.parse().ok());
                let general = number.filter(|number: &usize| *number < 29);
                if let Some(number) = general {
                    dump.gpr[number] = Some(value);
                } else if name.contains("_EL") && dump.more.len() < MAX_QUOTE {
                    dump.more.push(format!("{name} {value:#x}"));
                } else {
                    return false;
                }
                return true;
            }
        };
        *slot = Some(value);
        true
    }

    /// Reads all registers of a line.
    fn registers(&mut self, text: &str) -> usize {
        let mut count = 0;
        let mut rest = text;
        while let Some((name, behind)) = rest.split_once(':') {
            let name = name.trim().rsplit(' ').next().unwrap_or("");
            let behind = behind.trim_start();
            if name == "SP_EL0" {
                self.guest = true;
            }
            if name == "PC" {
                self.counter = true;
                let function = behind.split_ascii_whitespace().nth(1);
                let function = function.filter(|word| place(word).is_some());
                self.found.details.at = function.map(quote);
            }
            if name == "CPSR" {
                let mode = after(behind, "MODE:").map(|mode| format!("mode {}", quote(mode)));
                mode.iter().for_each(|mode| self.found.note(mode));
            }
            count += usize::from(self.set(name, behind));
            rest = behind;
        }
        count
    }

    /// A line that has words of the stack and nothing else.
    fn stack_words(text: &str) -> Option<Vec<u64>> {
        let word =
            |word: &str| (word.len() == DIGITS).then(|| u64::from_str_radix(word, 16).ok())?;
        let words: Option<Vec<u64>> = text.split_ascii_whitespace().take(16).map(word).collect();
        words.filter(|words| !words.is_empty())
    }
}

impl OpenDump for XenArm64Open {
    fn take(&mut self, line: &LogLine<'_>) -> Taken {
        let text = line.body;
        let stars = text.len() >= 8 && text.bytes().all(|byte| byte == b'*');
        if self.part == XenArm64Part::Panic {
            self.panic_lines += 1;
            if stars || self.panic_lines > MAX_QUOTE {
                return Taken::Last;
            }
            self.found.say(text);
            return Taken::Yes;
        }
        if text.starts_with("Panic on CPU") {
            self.part = XenArm64Part::Panic;
            self.harmless = false;
            return Taken::Yes;
        }
        if stars {
            return Taken::Yes;
        }
        if let Some(cpu) = text.strip_prefix("CPU:") {
            self.found.note(&format!("CPU {}", quote(cpu)));
            return Taken::Yes;
        }
        if text.contains("stack trace from") {
            self.part = XenArm64Part::Stack;
            return Taken::Yes;
        }
        if text.starts_with("Xen call trace") || text.starts_with("Guest call trace") {
            self.part = XenArm64Part::Calls;
            return Taken::Yes;
        }
        match self.part {
            XenArm64Part::Stack if let Some(words) = Self::stack_words(text) => {
                let stack = self.found.dump.stack.get_or_insert_default();
                let left = MAX_STACK - stack.len().min(MAX_STACK);
                stack.extend(words.into_iter().take(left));
                Taken::Yes
            }
            XenArm64Part::Calls if let Some(call) = call(text) => {
                if self.found.details.calls.len() < MAX_CALLS {
                    self.found.details.calls.push(call);
                }
                Taken::Yes
            }
            XenArm64Part::Registers => match self.registers(text) {
                0 => Taken::No,
                _ => Taken::Yes,
            },
            _ => Taken::No,
        }
    }

    fn noise(&mut self) -> &mut usize {
        &mut self.noise
    }

    fn end(self) -> Option<ReadDump> {
        let mut found = self.found;
        let dump = &mut found.dump;
        let hcr = dump.hcr.unwrap_or(0);
        dump.regime = match dump.spsr.map(|spsr| spsr & 0xf) {
            Some(4 | 5) => Some(Regime::El1 as u32),
            // CurrentEL has the level in bits 2 and 3
            Some(8 | 9) => Some(Regime::of(2 << 2, hcr) as u32),
            _ => None,
        };
        let any = dump.gpr.iter().any(Option::is_some);
        (!self.harmless && (self.counter || any)).then(|| found.rate().read())
    }
}
