//! Images placed by the address tag (Multiboot2 specification, section 3.1.5),
//! which has priority over an ELF header.

use super::bytes::{len, slice};
use super::error::ImageErrorReason;
use super::layout::Layout;
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
) -> Result<Layout, ImageErrorReason> {
    let from_start = address.get(1) == Some(&FROM_FILE_START);
    let [header_addr, load_addr, load_end, bss_end] = address.map(u64::from);
    let load_addr = if from_start {
        header_addr.checked_sub(header_offset).ok_or_else(|| {
            ImageErrorReason::Address(format!(
                "the header is {header_offset:#x} bytes into the file, so with header_addr \
                 {header_addr:#x} the file would start below address 0"
            ))
        })?
    } else {
        load_addr
    };
    let ahead = header_addr.checked_sub(load_addr).ok_or_else(|| {
        ImageErrorReason::Address(format!(
            "load_addr {load_addr:#x} is above header_addr {header_addr:#x}"
        ))
    })?;
    let offset = header_offset.checked_sub(ahead).ok_or_else(|| {
        ImageErrorReason::Address(format!(
            "loading starts {ahead:#x} bytes before the header, but the header is only \
             {header_offset:#x} bytes into the file"
        ))
    })?;
    let size = if load_end == 0 {
        len(file).saturating_sub(offset)
    } else {
        load_end
            .checked_sub(load_addr)
            .filter(|size| *size > 0)
            .ok_or_else(|| {
                ImageErrorReason::Address(format!(
                    "load_end_addr {load_end:#x} is not above load_addr {load_addr:#x}"
                ))
            })?
    };
    let data = slice(file, offset, size).ok_or_else(|| {
        ImageErrorReason::Address(format!(
            "{size:#x} bytes from file offset {offset:#x} are wanted, but the file has {:#x}: it \
             is cut short or load_end_addr {load_end:#x} is wrong",
            file.len()
        ))
    })?;
    let end = load_addr + size;
    if bss_end != 0 && bss_end < end {
        return Err(ImageErrorReason::Address(format!(
            "bss_end_addr {bss_end:#x} is below the end of the loaded bytes, {end:#x}"
        )));
    }
    let range = PhysRange {
        start: load_addr,
        end: end.max(bss_end),
    };
    Ok(Layout {
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
