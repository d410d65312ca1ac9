//! An image as its container describes it.

use super::bytes::len;
use super::error::ImageErrorReason;
use super::{ElfNote, Format, LoadSegment, RelativeReloc, Sections};
use std::fmt::Write;

/// The program in a container (ELF or flat).
pub(super) struct ImageLayout {
    pub(super) format: Format,
    pub(super) position_independent: bool,
    pub(super) segments: Vec<LoadSegment>,
    /// Physical address; `None` when the container has no entry point.
    pub(super) entry: Option<u64>,
    pub(super) notes: Vec<ElfNote>,
    pub(super) sections: Option<Sections>,
    pub(super) relocs: Vec<RelativeReloc>,
    pub(super) align: u64,
    pub(super) warnings: Vec<String>,
}

impl ImageLayout {
    /// Returns an entry point, which is from `source_of`.
    ///
    /// # Errors
    ///
    /// When it is not in loaded bytes.
    pub(super) fn in_loaded(
        &self,
        entry: u64,
        source_of: &'static str,
    ) -> Result<u64, ImageErrorReason> {
        let segments = &self.segments;
        let loaded = |segment: &LoadSegment| {
            let end = segment.range.start + len(&segment.data);
            (segment.range.start..end).contains(&entry)
        };
        if segments.iter().any(loaded) {
            return Ok(entry);
        }
        let mut list = String::new();
        for (index, segment) in segments.iter().enumerate().take(8) {
            let comma = if index == 0 { "" } else { ", " };
            let filled = segment.range.start + len(&segment.data);
            let _ = write!(
                list,
                "{comma}{} with bytes up to {filled:#x}",
                segment.range
            );
        }
        if segments.len() > 8 {
            list.push_str(", ...");
        }
        Err(ImageErrorReason::Entry {
            entry,
            source_of,
            segments: list,
        })
    }
}
