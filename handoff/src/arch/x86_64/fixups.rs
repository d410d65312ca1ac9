//! Changes of low memory before the jump.

// UNSAFETY: physical memory by address.
#![expect(unsafe_code)]

use super::cpu;
use crate::abi::{self, FixupRaw, MAX_FIXUPS, Params};
use crate::print::Print;

/// Makes all changes of `params` that apply to this CPU, in order.
///
/// # Safety
///
/// As for [`apply`], for each of them.
#[inline(always)]
pub unsafe fn apply_all(out: &mut impl Print, params: &Params, boot_cpu: bool) {
    let not_here = if boot_cpu {
        abi::FIXUP_IF_OTHER_CPU
    } else {
        abi::FIXUP_IF_BOOT_CPU
    };
    for fixup in &params.fixups[..MAX_FIXUPS.min(params.fixup_count as usize)] {
        if fixup.kind & not_here != 0 {
            continue;
        }
        // SAFETY: the caller's promise.
        unsafe { apply(out, fixup) };
    }
}

/// Makes one change.
///
/// # Safety
///
/// Source and destination must be mapped, and the destination must be memory
/// with no other user.
pub unsafe fn apply(out: &mut impl Print, fixup: &FixupRaw) {
    let FixupRaw {
        kind,
        len,
        to,
        from,
    } = *fixup;
    let to_bytes = to as *mut u8;
    match kind & !(abi::FIXUP_IF_BOOT_CPU | abi::FIXUP_IF_OTHER_CPU) {
        abi::FIXUP_STORE16 => {
            // SAFETY: the caller's promise; 0x413 is odd, hence unaligned.
            unsafe { (to as *mut u16).write_unaligned(from as u16) };
            out.str("[handoff] low memory: word ")
                .addr(to)
                .str(" = ")
                .hex(from, 4)
                .str("\n");
        }
        abi::FIXUP_ZERO => {
            // SAFETY: the caller's promise.
            unsafe { cpu::clear(to, len.into()) };
            out.str("[handoff] low memory: clear ")
                .addr(to)
                .str("-")
                .addr(to + u64::from(len));
            out.str("\n");
        }
        abi::FIXUP_COPY_RSDP => {
            // SAFETY: the caller's promise: `len` mapped bytes at `from`.
            let rsdp = unsafe { core::slice::from_raw_parts(from as *const u8, len as usize) };
            out.str("[handoff] acpi: rsdp ").addr(from);
            if !rsdp_is_good(rsdp) {
                out.str(" has no signature or a bad checksum: NOT copied, expect no ACPI\n");
                return;
            }
            // SAFETY: the caller's promise; the two cannot overlap, one is firmware's.
            unsafe { cpu::copy(to_bytes, rsdp.as_ptr(), rsdp.len()) };
            out.str(" copied to ").addr(to).str("\n");
        }
        _ => {
            out.str("[handoff] unknown fix-up: skipped\n");
        }
    }
}

/// ACPI 6.5, 5.2.5.3: signature, checksum of 20 bytes, and of all 36.
fn rsdp_is_good(bytes: &[u8]) -> bool {
    let sum = |bytes: &[u8]| bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    bytes.len() >= 20 && bytes.starts_with(b"RSD PTR ") && sum(&bytes[..20]) == 0 && sum(bytes) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_checksummed_rsdp_is_copied() {
        let mut rsdp = *b"RSD PTR \0BOCHS \0\0\0\0\0";
        rsdp[8] = 0u8.wrapping_sub(rsdp.iter().fold(0, |sum, byte| sum.wrapping_add(*byte)));
        assert!(rsdp_is_good(&rsdp));
        rsdp[16] ^= 1;
        assert!(!rsdp_is_good(&rsdp));
        assert!(!rsdp_is_good(&rsdp[..8]));
    }
}
