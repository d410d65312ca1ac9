//! Address of Xen's boot trampoline.

use handoff::addr::{PAGE_SIZE, PhysRange};

/// Size of the trampoline with its heap and stack, in bytes.
pub const TRAMPOLINE_LEN: u64 = 64 << 10;
/// End of base memory on a PC: the VGA window starts here.
pub const BASE_END: u64 = 0xa0000;
/// Base memory as a whole: Xen as a crash kernel must leave it unchanged.
pub const BASE_MEMORY: PhysRange = PhysRange {
    start: 0,
    end: BASE_END,
};
/// EBDA segments that Xen accepts, in paragraphs.
pub(super) const EBDA_SEGMENTS: core::ops::Range<u32> = 0x4000..0xa000;
/// Values of the `mem_lower` field below this are ignored by Xen, in KiB.
const MEM_LOWER_MIN: u32 = 0x100;

/// Xen's trampoline would not be in base memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "xen would put its trampoline at {start:#x}: EBDA segment {ebda_segment:#x} and base memory \
     {base_kib} KiB in the BIOS data area, mem_lower {mem_lower_kib} KiB"
)]
pub struct BadTrampoline {
    /// Physical address.
    pub start: u32,
    /// Word at [`BDA_EBDA`](super::BDA_EBDA).
    pub ebda_segment: u16,
    /// Word at [`BDA_BASE_KIB`](super::BDA_BASE_KIB).
    pub base_kib: u16,
    /// `mem_lower` of the boot information.
    pub mem_lower_kib: u32,
}

/// Computes the address of Xen's trampoline.
///
/// # Errors
///
/// When it is not within base memory above page 0: Xen would crash silently.
pub fn trampoline(
    ebda_segment: u16,
    base_kib: u16,
    mem_lower_kib: u32,
) -> Result<PhysRange, BadTrampoline> {
    // in paragraphs and 32 bits, with wraparound, like Xen
    let mut top = u32::from(ebda_segment);
    if !EBDA_SEGMENTS.contains(&top) {
        top = u32::from(base_kib) << 6;
    }
    if mem_lower_kib >= MEM_LOWER_MIN {
        top = top.min(mem_lower_kib.wrapping_shl(6));
    }
    let start = (top.wrapping_sub(0x1000) & !0xff) << 4;
    let range = PhysRange::from_len(u64::from(start), TRAMPOLINE_LEN);
    let base = PhysRange {
        start: PAGE_SIZE,
        end: BASE_END,
    };
    range
        .filter(|range| base.covers(range))
        .ok_or(BadTrampoline {
            start,
            ebda_segment,
            base_kib,
            mem_lower_kib,
        })
}
