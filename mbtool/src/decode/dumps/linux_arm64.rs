//! Linux on arm64: the registers of an oops.
//!
//! `pstate: 60000005 (...)`, `pc : FUNCTION+0x16/0x20`, `lr : FUNCTION+0x16/0x20`, `sp : VALUE`, `x29: VALUE x28: VALUE
//! x27: VALUE` and so on down to x0, then calls and `Code: WORD WORD (WORD)`. Before 4.17 the addresses of pc and lr are
//! printed. The syndrome stands in the lines before: `ESR = VALUE`, `Internal error: Oops: VALUE [#1]`.

use super::calls::place;
use super::{MAX_CODE, MAX_QUOTE, ReadDump, after, all_or_none, hex, quote};
use crate::decode::text_set::starts_with;
use handoff::arch::arm64::dump::read::Arm64Dump;
use handoff::arch::arm64::registers::Regime;

/// Digits of a register.
const DIGITS: usize = 16;
/// x0 to x29 and sp: of x30 only the function is printed.
const PRINTED: usize = 31;
/// Texts in front of a syndrome.
const SYNDROMES: [&str; 5] = [
    "ESR = 0x",
    "ESR: 0x",
    "ESR 0x",
    ", code 0x",
    "Internal error: ",
];

/// What the lines of an arm64 kernel tell.
#[derive(Debug, Default)]
pub(super) struct Arm64Oops {
    pub(super) dump: Arm64Dump,
    /// `FUNCTION+0x16/0x20`.
    at: Option<String>,
    /// Code before pc.
    before: Vec<u8>,
    /// `pc` was printed.
    counter: bool,
}

impl Arm64Oops {
    /// True for a line that only an arm64 kernel prints in an oops.
    pub(super) fn begins(text: &str) -> bool {
        let pstate = starts_with(text, "pstate: ") || text.contains("] pstate: ");
        pstate && after(text, "pstate: ").and_then(hex).is_some()
            || starts_with(text, "Mem abort info:")
            || starts_with(text, "ESR: 0x") && text.contains(" -- ")
    }

    /// True for a line that an arm64 kernel prints while it boots.
    pub(super) fn is_of_boot(text: &str) -> bool {
        starts_with(text, "Booting Linux on physical CPU") && text.contains("[0x")
    }

    /// Takes the syndrome of a first line, or of one of the lines about it.
    pub(super) fn syndrome(&mut self, text: &str) {
        let value = SYNDROMES.iter().find_map(|mark| {
            let rest = after(text, mark)?;
            // Internal error: TEXT: VALUE [#1]
            let digits = match rest.split_once(" [#") {
                Some((rest, _)) => rest.rsplit_once(": ")?.1,
                None => rest.split([' ', ',']).next()?,
            };
            (digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
                .then(|| hex(digits))?
        });
        // of the first exception
        self.dump.esr = self.dump.esr.or(value);
        if let Some(far) = after(text, "FAR: 0x") {
            self.dump.far = self.dump.far.or(hex(far));
        }
    }

    /// Adds a line; false if it is none of these.
    pub(super) fn take(&mut self, text: &str) -> bool {
        if let Some(code) = text.strip_prefix("Code:") {
            if let Some((before, code)) = words(code) {
                self.before = before;
                self.dump.code = Some(code);
            }
            return true;
        }
        let esr = self.dump.esr;
        self.syndrome(text);
        if esr != self.dump.esr || starts_with(text, "Mem abort info:") {
            return true;
        }
        if let Some(value) = after(text, "pstate: ").and_then(hex) {
            self.dump.spsr.get_or_insert(value);
            self.dump.regime = self.dump.regime.or(regime(value));
        }
        let walk = text.contains("pgtable: ") || text.starts_with('[') && text.contains("] pgd=");
        if walk && self.dump.more.len() < MAX_QUOTE {
            self.dump.more.push(quote(text));
            return true;
        }
        let named = ["pc", "lr"].iter().find_map(|name| {
            let rest = text.strip_prefix(name)?.trim_start().strip_prefix(':')?;
            Some((*name, rest.trim()))
        });
        if let Some((name, rest)) = named {
            self.counter |= name == "pc";
            self.counters(name, rest);
            return true;
        }
        if let Some(rest) = text.strip_prefix("PC is at ") {
            self.at.get_or_insert_with(|| quote(rest));
            return true;
        }
        let mut count = usize::from(starts_with(text, "pstate: "));
        for (name, value) in pairs(text) {
            let index = Arm64Dump::names().position(|known| known == name);
            if let Some(index) = index {
                // of the first state: others may follow
                self.dump.gpr[index].get_or_insert(value);
                count += 1;
            }
        }
        count > 0
    }

    /// `FUNCTION+0x16/0x20`, `VALUE`, or `[<VALUE>] lr : [<VALUE>] pstate: VALUE`.
    fn counters(&mut self, name: &str, text: &str) {
        let word = text.split_ascii_whitespace().next().unwrap_or("");
        if name == "pc" && place(word).is_some() {
            self.at.get_or_insert_with(|| quote(word));
        }
        let address = |text: &str| {
            let digits = text.trim_matches(['[', '<', '>', ']']);
            value(digits)
        };
        let (counter, link) = match name {
            "pc" => {
                let link = after(text, "lr : ").and_then(|rest| rest.split(' ').next());
                (address(word), link.and_then(address))
            }
            _ => (None, address(word)),
        };
        self.dump.elr = self.dump.elr.or(counter);
        self.dump.gpr[30] = self.dump.gpr[30].or(link);
    }

    /// True with all that stands before the calls.
    pub(super) const fn is_complete(&self) -> bool {
        self.counter && self.dump.gpr[0].is_some()
    }

    /// Completes the dump.
    pub(super) fn end(self, mut found: ReadDump<Arm64Dump>) -> ReadDump {
        found.dump = self.dump;
        found.details.at = self.at;
        found.details.before = self.before;
        found.rate().read()
    }
}

impl ReadDump<Arm64Dump> {
    /// Sets the integrity: registers are printed all, or none.
    pub(super) fn rate(mut self) -> Self {
        let known = self.dump.gpr.iter().flatten().count();
        self.dump.integrity = all_or_none(known.min(PRINTED), PRINTED);
        self
    }
}

/// The level of a kernel by `pstate`: at EL2 Linux has E2H set.
const fn regime(pstate: u64) -> Option<u32> {
    match pstate & 0x1f {
        4 | 5 => Some(Regime::El1 as u32),
        8 | 9 => Some(Regime::El2Host as u32),
        _ => None,
    }
}

/// Names and values of `x29: ffff800080003c00 x28: 0000000000000000`.
fn pairs(text: &str) -> impl Iterator<Item = (&str, u64)> {
    let mut words = text
        .split([' ', '\t', ':'])
        .filter(|word| !word.is_empty())
        .peekable();
    std::iter::from_fn(move || {
        loop {
            let name = words.next()?;
            if let Some(value) = words.peek().and_then(|word| value(word)) {
                words.next();
                return Some((name, value));
            }
        }
    })
}

fn value(word: &str) -> Option<u64> {
    (word.len() == DIGITS).then(|| u64::from_str_radix(word, 16).ok())?
}

/// The code of `aa1303e0 97fffc5d (b9000001)`: before pc, and from it on.
fn words(text: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let (mut before, mut code, mut reached) = (Vec::new(), Vec::new(), false);
    for word in text.split_ascii_whitespace().take(MAX_CODE / 4) {
        let mark = word.starts_with(['<', '(']);
        let digits = word.trim_matches(['<', '>', '(', ')']);
        if digits.len() != 8 {
            break;
        }
        let Ok(word) = u32::from_str_radix(digits, 16) else {
            // not readable
            before.clear();
            continue;
        };
        reached |= mark;
        let bytes = if reached { &mut code } else { &mut before };
        bytes.extend(word.to_le_bytes());
    }
    reached.then_some((before, code))
}
