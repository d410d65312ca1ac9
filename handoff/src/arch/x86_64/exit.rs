//! The last line before the jump, and page table changes for exits in long mode.

use super::paging::NX;
use crate::abi::{EXIT_LINUX64, EXIT_PVH, EXITS, Params, Tables};
use crate::names::nth;
use crate::print::Print;

/// A bit of a paging entry that the CPU ignores: marks an entry that had
/// [`NX`].
pub const HAD_NX: u64 = 1 << 9;

/// True for exits that stay in long mode, with the handoff's page tables.
#[must_use]
pub const fn stays_long(params: &Params) -> bool {
    params.exit >= EXIT_LINUX64
}

/// Makes the target's memory executable: clears `NX` everywhere. `CR3` must be
/// reloaded afterwards.
pub fn open(tables: &mut Tables) {
    for entry in tables.pool.0.as_flattened_mut() {
        if *entry & NX != 0 {
            *entry = *entry & !NX | HAD_NX;
        }
    }
}

/// Reverts [`open`]: a handoff that returned may be entered again.
pub fn close(tables: &mut Tables) {
    for entry in tables.pool.0.as_flattened_mut() {
        if *entry & HAD_NX != 0 {
            *entry = *entry & !HAD_NX | NX;
        }
    }
}

/// Prints the target of the jump.
pub fn announce(out: &mut impl Print, params: &Params) {
    out.str("[handoff] jump to ").hex(params.entry, 8);
    let name = nth(EXITS, params.exit).unwrap_or(b"?");
    out.str(" (").bytes(name).str("), ");
    if params.exit == EXIT_LINUX64 {
        out.str("boot_params ").hex(params.rsi, 8);
    } else {
        let information = if params.exit == EXIT_PVH {
            "start_info "
        } else {
            "mbi "
        };
        out.str(information).hex(params.mbi.into(), 8);
    }
    out.str("\n");
}
