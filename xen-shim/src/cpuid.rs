// UNSAFETY: CPUID was an unsafe function before Rust 1.94.
#![allow(unsafe_code, unused_unsafe)] // neither where there is no CPUID
//! Xen's CPUID leaves (public/arch-x86/cpuid.h).
//!
//! They are visible in guests with hardware virtualization: HVM and PVH,
//! including a PVH dom0. In a PV domain CPUID is that of the processor, without
//! Xen's leaves, unless Xen makes it fault. Xen's prefix for PV domains (ud2a,
//! "xen") would work there, but is an invalid opcode elsewhere; files can be used
//! instead.

/// EBX, ECX, EDX of the first leaf: "XenVMMXenVMM".
#[cfg(any(target_arch = "x86_64", test))]
const SIGNATURE: [u32; 3] = [0x566e_6558, 0x6558_4d4d, 0x4d4d_566e];
/// Possible leaves of a hypervisor: in steps, because Xen's come second when it
/// also provides Hyper-V's interface.
#[cfg(any(target_arch = "x86_64", test))]
const LEAVES: core::ops::Range<u32> = 0x4000_0000..0x4001_0000;
/// Distance from one hypervisor's leaves to the next.
#[cfg(any(target_arch = "x86_64", test))]
const STEP: usize = 0x100;

/// True when CPUID shows Xen.
#[must_use]
pub fn says_xen() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        let read = |leaf| {
            // SAFETY: every x86_64 processor has the instruction.
            let answer = unsafe { core::arch::x86_64::__cpuid(leaf) };
            [answer.eax, answer.ebx, answer.ecx, answer.edx]
        };
        // ECX bit 31 of leaf 1: a hypervisor
        read(1)[2] & (1 << 31) != 0 && signature_in(read)
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Returns the name that a hypervisor has in its first leaf, without trailing zeros.
#[must_use]
pub fn hypervisor() -> Option<String> {
    #[cfg(target_arch = "x86_64")]
    {
        let read = |leaf| {
            // SAFETY: every x86_64 processor has the instruction.
            unsafe { core::arch::x86_64::__cpuid(leaf) }
        };
        let answers = [read(1), read(LEAVES.start)];
        let name = [answers[1].ebx, answers[1].ecx, answers[1].edx];
        // ECX bit 31 of leaf 1: a hypervisor
        (answers[0].ecx & 1 << 31 != 0)
            .then(|| text(name))
            .flatten()
    }
    #[cfg(not(target_arch = "x86_64"))]
    None
}

/// Returns registers as text; `None` if they have none.
#[cfg(any(target_arch = "x86_64", test))]
fn text(registers: [u32; 3]) -> Option<String> {
    let bytes = registers.map(u32::to_le_bytes).concat();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let text = text.trim_end_matches('\0');
    let printable = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() || byte == b' ');
    (printable && !text.is_empty()).then(|| text.into())
}

/// Whether one of the leaves that `read` gives as EAX, EBX, ECX, EDX is Xen's.
#[cfg(any(target_arch = "x86_64", test))]
fn signature_in(read: impl Fn(u32) -> [u32; 4]) -> bool {
    LEAVES
        .step_by(STEP)
        .any(|leaf| read(leaf)[1..] == SIGNATURE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text_without_zeros() {
        assert_eq!(text(SIGNATURE).as_deref(), Some("XenVMMXenVMM"));
        // "KVMKVMKVM\0\0\0"
        let kvm = [0x4b4d_564b, 0x564b_4d56, 0x4d];
        assert_eq!(text(kvm).as_deref(), Some("KVMKVMKVM"));
        assert_eq!(text([0; 3]), None);
        assert_eq!(text([1, 2, 3]), None);
    }

    #[test]
    fn the_signature_is_found_in_the_first_and_second_leaves() {
        let text: Vec<u8> = SIGNATURE.iter().flat_map(|w| w.to_le_bytes()).collect();
        assert_eq!(text, b"XenVMMXenVMM");
        let xen = |at: u32| {
            move |leaf: u32| {
                let [b, c, d] = if leaf == at { SIGNATURE } else { [7; 3] };
                [at + 4, b, c, d]
            }
        };
        assert!(signature_in(xen(0x4000_0000)));
        assert!(signature_in(xen(0x4000_0100)));
        assert!(!signature_in(xen(0x4000_0010)));
        assert!(!signature_in(xen(0x4001_0000)));
    }
}
