//! Finds return addresses on the stack.

use super::address_map::{AddressMap, MappedPlace};
use super::disasm;
use super::symbolizer::Symbolizer;
use super::symbols::Symbol;
use handoff::dump::Mode;
use serde::Serialize;

/// A slot of the stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StackSlot {
    /// Its address.
    pub address: Option<String>,
    /// Its value.
    pub value: String,
    /// The segment that the value points to.
    pub place: Option<MappedPlace>,
    /// The function that the value points to.
    pub symbol: Option<Symbol>,
    /// True if the value follows a call instruction: a return address.
    pub returns: bool,
}

/// Annotates the words of a stack.
#[must_use]
pub fn walk(
    words: &[u64],
    rsp: Option<u64>,
    mode: Mode,
    map: &AddressMap,
    symbols: &Symbolizer,
) -> Vec<StackSlot> {
    let size = match mode {
        Mode::Long => 8,
        Mode::Protected => 4,
    };
    let one = |(index, value): (usize, &u64)| {
        let code = symbols.code(*value, 8);
        StackSlot {
            address: rsp.map(|rsp| format!("{:#x}", rsp.wrapping_add(index as u64 * size))),
            value: format!("{value:#x}"),
            place: map.at(*value).filter(|place| place.segment),
            symbol: symbols.lookup(*value).filter(|_| code.is_some()),
            returns: code.is_some_and(|(before, _)| disasm::ends_in_call(mode, before)),
        }
    };
    words.iter().enumerate().map(one).collect()
}
