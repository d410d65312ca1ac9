//! Images placed by the address tag (Multiboot2 specification, section 3.1.5),
//! which has priority over an ELF header.

use super::bytes::{len, slice};
use super::error::AddressFieldsError;
use super::layout::ImageLayout;
use super::{Format, LoadSegment};
use handoff::addr::PhysRange;

/// Value of `load_addr` that means "from the first byte of the file".
const FROM_FILE_START: u32 = u32::MAX;

/// Lays out `file`, whose header is at `header_offset`, by the address tag's
/// header_addr, load_addr, load_end_addr and bss_end_addr.
pub(super) fn layout(
    file: &[u8],
    header_offset: u64,
    address: [u32; 4],
) -> Result<ImageLayout, AddressFieldsError> {
    let from_start = address.get(1) == Some(&FROM_FILE_START);
    let [header_addr, load_addr, load_end, bss_end] = address.map(u64::from);
    let load_addr = if from_start {
        header_addr
            .checked_sub(header_offset)
            .ok_or(AddressFieldsError::BelowZero {
                header_offset,
                header_addr,
            })?
    } else {
        load_addr
    };
    let ahead = header_addr
        .checked_sub(load_addr)
        .ok_or(AddressFieldsError::LoadAboveHeader {
            load_addr,
            header_addr,
        })?;
    let offset = header_offset
        .checked_sub(ahead)
        .ok_or(AddressFieldsError::BeforeFile {
            ahead,
            header_offset,
        })?;
    let size = if load_end == 0 {
        len(file).saturating_sub(offset)
    } else {
        load_end
            .checked_sub(load_addr)
            .filter(|size| *size > 0)
            .ok_or(AddressFieldsError::Empty {
                load_end,
                load_addr,
            })?
    };
    let data = slice(file, offset, size).ok_or(AddressFieldsError::PastFile {
        size,
        offset,
        len: file.len(),
        load_end,
    })?;
    let end = load_addr + size;
    if bss_end != 0 && bss_end < end {
        return Err(AddressFieldsError::Bss { bss_end, end });
    }
    let range = PhysRange {
        start: load_addr,
        end: end.max(bss_end),
    };
    Ok(ImageLayout {
        format: Format::Flat,
        position_independent: false,
        segments: vec![LoadSegment {
            range,
            data: data.to_vec(),
        }],
        entry: None,
        notes: Vec::new(),
        sections: None,
        relocs: Vec::new(),
        align: 1,
        warnings: Vec::new(),
    })
}
