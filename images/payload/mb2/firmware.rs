//! Firmware data below 1 MiB for a kernel without EFI: BIOS data area fields and
//! the ACPI root pointer.

use crate::json::{Json, Sink};
use crate::mbi::sums_to_zero;
use crate::memory;

/// Segment of the extended BIOS data area.
const BDA_EBDA_SEGMENT: u64 = 0x40e;
/// Conventional memory, in KiB.
const BDA_BASE_MEMORY: u64 = 0x413;

/// Writes the object `firmware`.
pub fn write<S: Sink>(json: &mut Json<'_, S>) {
    let ebda_segment = word(BDA_EBDA_SEGMENT);
    json.key("firmware");
    json.object();
    json.number("ebda_segment", ebda_segment.into());
    json.number("base_memory_kib", word(BDA_BASE_MEMORY).into());
    json.number_or_null("rsdp", find_rsdp(u64::from(ebda_segment) << 4));
    json.end_object();
}

fn word(address: u64) -> u16 {
    match memory::bytes(address, 2) {
        Some(&[low, high]) => u16::from_le_bytes([low, high]),
        _ => 0,
    }
}

/// Searches the areas of ACPI 6.5, section 5.2.5.1: the first KiB of the
/// extended BIOS data area, then 0xe0000-0xfffff.
fn find_rsdp(ebda: u64) -> Option<u64> {
    let in_ebda = if ebda > 0x400 && ebda < 0xa_0000 {
        scan(ebda, 0x400)
    } else {
        None
    };
    in_ebda.or_else(|| scan(0xe_0000, 0x2_0000))
}

fn scan(start: u64, len: u64) -> Option<u64> {
    let area = memory::bytes(start, len)?;
    area.windows(20)
        .enumerate()
        .step_by(16)
        .find(|(_, rsdp)| rsdp.starts_with(b"RSD PTR ") && sums_to_zero(rsdp))
        .map(|(offset, _)| start + offset as u64)
}
