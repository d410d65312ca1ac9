//! Linux on riscv64: the registers of an oops.
//!
//! `epc : FUNCTION+0x16/0x20`, then `epc : ADDRESS ra : ADDRESS sp : ADDRESS` and so on with three on a line, at the end
//! `status: VALUE badaddr: VALUE cause: VALUE`. The head, the calls and the panic are those of all architectures.

use super::calls::place;
use super::{MAX_CODE, ReadDump, after, quote};
use crate::decode::text_set::starts_with;
use handoff::arch::riscv64::dump::read::RiscvDump;

/// Digits of a register.
const DIGITS: usize = 16;

/// What the lines of a riscv64 kernel tell.
#[derive(Debug, Default)]
pub(super) struct RiscvOops {
    pub(super) dump: RiscvDump,
    /// `FUNCTION+0x16/0x20`.
    at: Option<String>,
    /// Code before `epc`.
    before: Vec<u8>,
}

impl RiscvOops {
    /// True for a line that only a riscv64 kernel prints in an oops.
    pub(super) fn begins(text: &str) -> bool {
        let epc = starts_with(text, "epc");
        epc && text["epc".len()..].trim_start().starts_with(':')
    }

    /// True for a line that a riscv64 kernel prints while it boots.
    pub(super) fn is_of_boot(text: &str) -> bool {
        ["riscv: ", "SBI specification v", "SBI implementation ID"]
            .iter()
            .any(|start| starts_with(text, start))
    }

    /// Adds a line; false if it is none of these.
    pub(super) fn take(&mut self, text: &str) -> bool {
        if let Some(code) = text.strip_prefix("Code:") {
            if let Some((before, code)) = parcels(code) {
                self.before = before;
                self.dump.code = Some(code);
            }
            return true;
        }
        let named = ["epc", "ra"].iter().find_map(|name| {
            let rest = text.strip_prefix(name)?.trim_start().strip_prefix(':')?;
            let word = rest.split_ascii_whitespace().next()?;
            place(word).map(|_| (*name, word))
        });
        if let Some((name, word)) = named {
            if name == "epc" {
                self.at.get_or_insert_with(|| quote(word));
            }
            return true;
        }
        let mut count = 0;
        for (name, value) in pairs(text) {
            let dump = &mut self.dump;
            let slot = match name {
                "epc" => Some(&mut dump.sepc),
                "status" => Some(&mut dump.sstatus),
                "badaddr" => Some(&mut dump.stval),
                "cause" => Some(&mut dump.scause),
                _ => {
                    let index = RiscvDump::names().position(|known| known == name);
                    index.map(|index| &mut dump.gpr[index])
                }
            };
            if let Some(slot) = slot {
                // of the first state: others may follow
                slot.get_or_insert(value);
                count += 1;
            }
        }
        count > 0
    }

    /// True with all that stands before the calls.
    pub(super) const fn is_complete(&self) -> bool {
        self.dump.sepc.is_some() && self.dump.scause.is_some()
    }

    /// Completes the dump.
    pub(super) fn end(self, mut found: ReadDump<RiscvDump>) -> ReadDump {
        found.dump = self.dump;
        found.details.at = self.at;
        found.details.before = self.before;
        found.rate().read()
    }
}

/// The address in `Unable to handle kernel paging request at virtual address 0000000000000010`.
pub(super) fn virtual_address(text: &str) -> Option<u64> {
    let word = after(text, "virtual address ")?;
    let digits = word.split(|c: char| !c.is_ascii_hexdigit()).next()?;
    value(digits)
}

/// Names and values of `gp : ffffffff81a04000 tp : ff6000000100b600`.
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

/// The code of `4605 0513 (9002)` in parcels of 16 bits: before `epc`, and from it on.
fn parcels(text: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let (mut before, mut code, mut reached) = (Vec::new(), Vec::new(), false);
    for word in text.split_ascii_whitespace().take(MAX_CODE) {
        let mark = word.starts_with(['<', '(']);
        let digits = word.trim_matches(['<', '>', '(', ')']);
        if digits.len() != 4 {
            break;
        }
        let Ok(parcel) = u16::from_str_radix(digits, 16) else {
            break;
        };
        reached |= mark;
        let bytes = if reached { &mut code } else { &mut before };
        bytes.extend(parcel.to_le_bytes());
    }
    reached.then_some((before, code))
}
