//! An image as its container describes it.

use super::{ElfNote, Format, LoadSegment, RelativeReloc, Sections};

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
