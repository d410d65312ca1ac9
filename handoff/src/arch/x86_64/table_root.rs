//! Loads the handoff's page tables.

// UNSAFETY: CR3 and EFER.
#![expect(unsafe_code)]

use super::registers::{CR4_LA57, EFER_LME, EFER_NXE, MSR_EFER};
use super::{cpu, paging};
use crate::abi::{Scratch, Tables};

/// Loads the handoff's page tables, without NX if the CPU lacks it; returns
/// true when that changed them.
///
/// # Safety
///
/// CPL 0 in long mode; `tables` maps code, stack and data where they are.
#[inline(always)] // one caller
pub unsafe fn switch(tables: &mut Tables, scratch: &mut Scratch) -> bool {
    scratch.efer = EFER_LME;
    let nx = cpu::has_nx();
    if nx {
        scratch.efer |= EFER_NXE;
        // SAFETY: the CPU has NX, so the bit may be set.
        unsafe { cpu::wrmsr(MSR_EFER, cpu::rdmsr(MSR_EFER) | u64::from(EFER_NXE)) };
    } else {
        for entry in tables.pool.0.as_flattened_mut() {
            *entry &= !paging::NX;
        }
    }
    // SAFETY: the caller's promise.
    unsafe { load(tables) };
    !nx
}

/// Loads the root of the tables for the current paging mode.
///
/// # Safety
///
/// As for [`switch`].
pub unsafe fn load(tables: &Tables) {
    // SAFETY: reading control registers at CPL 0, then the caller's promise.
    unsafe {
        let la57 = cpu::control_registers()[3] & u64::from(CR4_LA57) != 0;
        cpu::load_cr3(if la57 { tables.cr3_la57 } else { tables.cr3 });
    }
}
