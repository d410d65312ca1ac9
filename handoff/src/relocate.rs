//! Prints the moves of a handoff.

use crate::abi::RelocateRaw;
use crate::print::Print;

/// Prints the kind and number of moves, and the number of ranges to clear.
pub fn announce(out: &mut impl Print, raw: &RelocateRaw) {
    if raw.clear_count > 0 {
        out.str("[handoff] relocate: clear ")
            .dec(raw.clear_count)
            .str(" range(s), after all moves\n");
    }
    if raw.head == 0 && raw.extent_count == 0 {
        return;
    }
    out.str(if raw.swap == 0 {
        "[handoff] relocate: copy "
    } else {
        "[handoff] relocate: exchange "
    });
    if raw.head != 0 {
        out.str("page list ").addr(raw.head).str(", ");
    }
    out.dec(raw.extent_count.into()).str(" extent(s)\n");
}
