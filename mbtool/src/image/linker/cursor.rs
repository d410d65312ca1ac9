//! Address space that is filled from a base address on.

use super::MAX_MEMORY;
use super::error::LinkError;
use handoff::addr::align_up;

/// The part of the address space that is filled.
pub(super) struct Cursor {
    base: u64,
    /// Its end.
    pub(super) at: u64,
}

impl Cursor {
    /// Nothing, from `base` on.
    pub(super) const fn new(base: u64) -> Self {
        Self { base, at: base }
    }

    /// Takes the next `size` bytes at a multiple of `align`, for a section.
    pub(super) fn take(
        &mut self,
        size: u64,
        align: u64,
        name: impl FnOnce() -> String,
    ) -> Result<u64, LinkError> {
        let too_large = |name: String| LinkError::TooLarge {
            section: name,
            base: self.base,
            max: MAX_MEMORY,
        };
        let start = align_up(self.at, align);
        let end = start.and_then(|start| start.checked_add(size));
        match (start, end) {
            (Some(start), Some(end)) if end - self.base <= MAX_MEMORY => {
                self.at = end;
                Ok(start)
            }
            _ => Err(too_large(name())),
        }
    }

    /// Fails where `size` bytes do not fit.
    pub(super) fn fits(&self, size: u64, name: impl FnOnce() -> String) -> Result<(), LinkError> {
        let Self { base, at } = *self;
        Self { base, at }.take(size, 1, name).map(drop)
    }
}
