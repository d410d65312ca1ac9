//! xen.efi as Multiboot2 image.
//!
//! 1. It has the same code and the same Multiboot2 header as the ELF file xen.gz: only the container differs. The
//!    addresses in that header are offsets from the image base, as are those of its sections: the physical addresses
//!    that it is linked to. Base relocations are for virtual addresses under EFI, and not applied.
//! 2. `e_entry` of the ELF file is the start of `.text`: a jump over the Multiboot headers that follow it. A PE image
//!    has no field for that: its own entry point is EFI's.
//! 3. Xen uses memory up to a multiple of 2 MiB, and what is between its sections.

use super::error::{ImageErrorReason, XenEfiError};
use super::header::Mb2Header;
use super::kind::UNIFIED_XEN;
use super::layout::ImageLayout;
use super::pe::{PeHeaders, PeSection};
use super::{Format, LoadSegment, Requirements};
use crate::image::bytes::{len, read_at};
use handoff::addr::{FOUR_GIB, PhysRange, align_up};
use zerocopy::little_endian::I32;

/// Alignment of its memory, in bytes.
const ALIGN: u64 = 0x20_0000;
/// Maximum of its memory, in bytes: Xen has 16 MiB.
const MAX_MEMORY: u64 = 64 << 20;
/// `jmp rel32`.
const JUMP: u8 = 0xe9;
/// Length of that jump, in bytes.
const JUMP_BYTES: u64 = 5;
/// The Multiboot2 header is at most so many bytes into `.text`.
const HEADER_WITHIN: u64 = 0x40;

/// Lays out xen.efi, which has this Multiboot2 header.
pub(super) fn layout(
    file: &[u8],
    header: &Mb2Header,
    requirements: &Requirements,
) -> Result<ImageLayout, ImageErrorReason> {
    let fail = |why| ImageErrorReason::XenEfi { why };
    let headers = PeHeaders::read(file).ok_or(fail(XenEfiError::Headers))?;
    let loads = loads(&headers).map_err(fail)?;
    let entry = entry(&headers, header, &loads).map_err(fail)?;
    // it names an address in the header that can be compared
    let efi = requirements.efi64_entry.map(u64::from);
    if efi.is_none_or(|efi| !is_loaded(&loads, efi)) {
        return Err(fail(XenEfiError::Addresses { efi }));
    }
    let segment = join(&loads).map_err(fail)?;
    Ok(ImageLayout {
        format: Format::Pe,
        position_independent: false,
        segments: vec![segment],
        entry: Some(entry),
        notes: Vec::new(),
        sections: None,
        relocs: Vec::new(),
        align: ALIGN,
        warnings: Vec::new(),
    })
}

/// One segment of all sections, as in xen.gz: no gap between them is free for other data.
fn join(loads: &[Load<'_>]) -> Result<LoadSegment, XenEfiError> {
    let start = loads.first().map_or(0, |load| load.range.start);
    let end = loads.last().map_or(0, |load| load.range.end);
    let end = align_up(end, ALIGN).ok_or(XenEfiError::Headers)?;
    if end - start > MAX_MEMORY {
        return Err(XenEfiError::TooLarge {
            bytes: end - start,
            max: MAX_MEMORY,
        });
    }
    let mut data = Vec::new();
    for load in loads.iter().filter(|load| !load.data.is_empty()) {
        let at = usize::try_from(load.range.start - start).unwrap_or(0);
        data.resize(at, 0);
        data.extend_from_slice(load.data);
    }
    let range = PhysRange { start, end };
    Ok(LoadSegment { range, data })
}

/// A section of Xen in memory.
struct Load<'a> {
    range: PhysRange,
    /// Bytes at its start.
    data: &'a [u8],
}

/// True for a section of Xen itself that it needs in memory.
fn is_xen(section: &PeSection<'_>) -> bool {
    !section.discardable && !UNIFIED_XEN.contains(&section.name) && section.size != 0
}

/// Its sections in memory, sorted.
fn loads<'a>(headers: &PeHeaders<'a>) -> Result<Vec<Load<'a>>, XenEfiError> {
    let mut loads = Vec::new();
    for section in &headers.sections {
        if !is_xen(section) {
            continue;
        }
        let end = section.address + section.size;
        if end > FOUR_GIB {
            return Err(XenEfiError::Headers);
        }
        loads.push(Load {
            range: PhysRange {
                start: section.address,
                end,
            },
            data: section.data.ok_or(XenEfiError::CutShort)?,
        });
    }
    loads.sort_by_key(|load| load.range.start);
    let pairs = loads.iter().zip(loads.iter().skip(1));
    for (first, second) in pairs {
        if first.range.end > second.range.start {
            let (first, second) = (first.range, second.range);
            return Err(XenEfiError::Overlap { first, second });
        }
    }
    Ok(loads)
}

/// The entry point: a jump at the start of the section with the header.
fn entry(
    headers: &PeHeaders<'_>,
    header: &Mb2Header,
    loads: &[Load<'_>],
) -> Result<u64, XenEfiError> {
    let offset = u64::try_from(header.offset).unwrap_or(u64::MAX);
    let text = headers.sections.iter().find(|section| {
        let into = offset.checked_sub(section.offset);
        is_xen(section) && into.is_some_and(|into| into < HEADER_WITHIN)
    });
    let text = text.ok_or(XenEfiError::NoEntry)?;
    let data = text.data.unwrap_or_default();
    let jump = data.first().copied();
    let by = read_at::<I32>(data, 1).ok_or(XenEfiError::NoEntry)?.get();
    let target = (text.address + JUMP_BYTES).checked_add_signed(by.into());
    match target {
        Some(target) if jump == Some(JUMP) && is_loaded(loads, target) => Ok(text.address),
        _ => Err(XenEfiError::NoEntry),
    }
}

/// True for an address with bytes from the file.
fn is_loaded(loads: &[Load<'_>], addr: u64) -> bool {
    let filled = |load: &Load<'_>| load.range.start..load.range.start + len(load.data);
    loads.iter().any(|load| filled(load).contains(&addr))
}
