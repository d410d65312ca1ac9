//! Fields of a line: names, and numbers of an exact width.

extern crate alloc;
use crate::abi::PHASES;
use crate::dump::{CODE_BYTES, Mode};
use crate::names::entries;
use alloc::vec::Vec;

/// Returns the mode, from the width of a line's first register.
pub(super) fn mode_of(line: &str) -> Option<Mode> {
    let digits = line.split(' ').nth(1)?.strip_prefix("0x")?.len();
    let modes = [Mode::Long, Mode::Protected];
    modes
        .into_iter()
        .find(|mode| mode.digits() as usize == digits)
}

/// Expected number of digits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Width {
    /// Exactly this number.
    Exact(u32),
    /// 8 or 16: a register, with an unknown mode.
    Register,
    /// The minimum for the value.
    Minimal,
}

/// A number in lowercase hex digits.
pub(crate) fn number(text: &str, width: Width) -> Option<u64> {
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
/// Returns `false` when one of them is already set.
pub(crate) fn fill<'a>(
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

/// Registers on a line of general registers of riscv64 and arm64.
const PER_LINE: usize = 4;

/// Fills the registers of a line that begins with one of `names`, four to a line. `None` if it does
/// not; `Some(false)` when one of them is already set.
pub(crate) fn fill_registers(
    line: &str,
    names: &'static str,
    width: Width,
    registers: &mut [Option<u64>],
) -> Option<bool> {
    let first = line.split(' ').next()?;
    let mut rows = entries(names).step_by(PER_LINE);
    let row = rows.position(|name| name == first.as_bytes())?;
    let at = row * PER_LINE;
    let end = registers.len().min(at + PER_LINE);
    let skipped = entries(names).take(at).map(|name| name.len() + 1);
    let rest = &names[skipped.sum::<usize>()..];
    Some(fill(line, rest, width, registers.get_mut(at..end)?))
}

/// Fills a list, up to the first damaged entry. Returns `false` when it is
/// already set.
pub(crate) fn list<T>(
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

/// Fills the bytes of a line of code, as [`list`].
pub(crate) fn bytes(slot: &mut Option<Vec<u8>>, line: &str) -> bool {
    list(slot, line, CODE_BYTES, |word| {
        Some(number(word, Width::Exact(2))? as u8)
    })
}

/// The text between two others.
pub(crate) fn between<'a>(line: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(from)?;
    Some(rest.split_once(to)?.0)
}

/// The word after a name.
pub(crate) fn after<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(name)?;
    Some(rest.split(' ').next().unwrap_or(rest))
}

/// The phase in a first line, as an index into [`PHASES`].
pub(crate) fn phase(line: &str) -> Option<u32> {
    let (_, rest) = line.split_once(" phase ")?;
    let text = rest.split_once(" format ").map_or(rest, |(text, _)| text);
    let index = entries(PHASES).position(|name| name == text.as_bytes())?;
    Some(index as u32) // a handful
}

/// The version of the text in a first line; 0 if it has none.
pub(crate) fn format(line: &str) -> Option<u32> {
    match after(line, " format ") {
        Some(text) => text.parse().ok(),
        None => Some(0),
    }
}
