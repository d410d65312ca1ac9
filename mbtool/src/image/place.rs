//! [`Image::at`]: moves a parsed image to its run-time address.

use super::bytes::len;
use super::error::{ImageError, ImageErrorReason, RelocationError};
use super::{Image, LoadSegment, PlacedImage, RelativeReloc};
use handoff::addr::PhysRange;

/// Maximum distance of a relocated word from the end of a segment's file bytes.
/// Linkers put no such words into zero-filled memory; the limit bounds the
/// zeros that are stored for one.
const BSS_WORDS: u64 = 16 << 20;

impl Image {
    /// Moves the image so that its span starts at `base`, and applies its
    /// relocations. They are applied at the link address too, as a `DT_RELA`
    /// word need not have its value in the file.
    ///
    /// An image that cannot be moved (no relocatable tag, not position
    /// independent) is returned unchanged at its link address. The planner
    /// checks the bounds and alignment of the relocatable tag.
    ///
    /// # Errors
    /// When the image cannot be moved to `base`.
    pub fn at(&self, base: u64) -> Result<PlacedImage, ImageError> {
        self.place(base).map_err(|reason| ImageError {
            name: self.name.clone(),
            reason,
        })
    }

    fn place(&self, base: u64) -> Result<PlacedImage, ImageErrorReason> {
        let linked = self.span.start;
        let movable = self.position_independent || self.requirements.relocatable.is_some();
        if base != linked && !movable {
            return Err(ImageErrorReason::Fixed { linked, base });
        }
        // addresses in the span are at least `linked`: the subtraction cannot
        // underflow
        let moved = |addr: u64| {
            addr.checked_sub(linked)
                .and_then(|offset| base.checked_add(offset))
                .ok_or(ImageErrorReason::Overflow { base })
        };
        let mut segments = Vec::with_capacity(self.segments.len());
        for segment in &self.segments {
            let range = PhysRange {
                start: moved(segment.range.start)?,
                end: moved(segment.range.end)?,
            };
            segments.push(LoadSegment {
                range,
                data: segment.data.clone(),
            });
        }
        // words hold virtual addresses; they move with the image only if
        // virtual and physical addresses are equal
        let delta = if self.position_independent {
            base.wrapping_sub(linked)
        } else {
            0
        };
        for reloc in &self.relocs {
            let addr = moved(reloc.addr)?;
            let value = reloc.addend.wrapping_add(delta);
            write_word(&mut segments, &self.segments, addr, reloc, value)?;
        }
        Ok(PlacedImage {
            segments,
            entry: moved(self.entry)?,
            base,
        })
    }
}

/// Writes `value` at `addr`. If the word is in zero-filled memory, stores the
/// zeros before it. `original` has the parsed segments.
fn write_word(
    segments: &mut [LoadSegment],
    original: &[LoadSegment],
    addr: u64,
    reloc: &RelativeReloc,
    value: u64,
) -> Result<(), ImageErrorReason> {
    let outside = || ImageErrorReason::Relocations(RelocationError::Split { addr: reloc.addr });
    let after = segments.partition_point(|segment| segment.range.start <= addr);
    let index = after.checked_sub(1).ok_or_else(outside)?;
    let segment = segments.get_mut(index).ok_or_else(outside)?;
    let offset = addr - segment.range.start;
    let width = u64::from(reloc.width);
    let end = offset
        .checked_add(width)
        .filter(|end| *end <= segment.range.len());
    let end = end.ok_or_else(outside)?;
    let stored = original.get(index).map_or(0, |segment| len(&segment.data));
    let missing = end.saturating_sub(stored);
    if missing > BSS_WORDS {
        return Err(ImageErrorReason::Relocations(RelocationError::InBss {
            addr: reloc.addr,
            missing,
            max: BSS_WORDS,
        }));
    }
    let (Ok(start), Ok(end)) = (usize::try_from(offset), usize::try_from(end)) else {
        return Err(outside());
    };
    if segment.data.len() < end {
        segment.data.resize(end, 0);
    }
    let target = segment.data.get_mut(start..end).ok_or_else(outside)?;
    for (to, from) in target.iter_mut().zip(value.to_le_bytes()) {
        *to = from;
    }
    Ok(())
}
