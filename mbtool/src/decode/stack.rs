//! Finds return addresses on the stack.

use super::address_map::{AddressMap, MappedPlace};
use super::symbolizer::Symbolizer;
use super::symbols::Symbol;
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

/// Annotates the words of a stack, of `size` bytes each. `ends_in_call`: the code before an address ends in a call.
#[must_use]
pub fn walk(
    words: &[u64],
    (sp, size): (Option<u64>, u64),
    ends_in_call: impl Fn(&[u8]) -> bool,
    map: &AddressMap,
    symbols: &Symbolizer,
) -> Vec<StackSlot> {
    let one = |(index, value): (usize, &u64)| {
        let code = symbols.code(*value, 8);
        StackSlot {
            address: sp.map(|sp| format!("{:#x}", sp.wrapping_add(index as u64 * size))),
            value: format!("{value:#x}"),
            place: map.at(*value).filter(|place| place.segment),
            symbol: symbols.lookup(*value).filter(|_| code.is_some()),
            returns: code.is_some_and(|(before, _)| ends_in_call(before)),
        }
    };
    words.iter().enumerate().map(one).collect()
}
