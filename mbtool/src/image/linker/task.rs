//! A relocation at its place.

use super::error::{LinkError, RelocationPlace};
use super::field::Field;
use super::kind::RelocKind;
use super::layout::PlacedSection;
use super::object_file::{ObjectSection, Relocation};

/// A relocation, and the section that it changes.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) relocation: Relocation,
    pub(super) section: &'a ObjectSection<'a>,
    pub(super) placed: &'a PlacedSection,
}

impl Task<'_> {
    pub(super) fn at(&self) -> RelocationPlace {
        RelocationPlace {
            kind: self.relocation.kind,
            section: self.section.display_name(),
            offset: self.relocation.offset,
        }
    }

    pub(super) fn kind(&self) -> Result<RelocKind, LinkError> {
        let kind = RelocKind::of(self.relocation.kind);
        kind.ok_or_else(|| LinkError::Kind { at: self.at() })
    }

    /// Offset in the linked section.
    pub(super) fn offset(&self) -> u64 {
        self.placed.offset(self.relocation.offset)
    }

    /// Distance of an address from the place.
    pub(super) fn distance(&self, address: u64) -> i64 {
        let place = self.placed.address.wrapping_add(self.offset());
        address.wrapping_sub(place).cast_signed()
    }

    /// The number at the place in the bytes of the section.
    pub(super) fn number(&self, field: Field, bytes: &[u8]) -> Result<u64, LinkError> {
        let offset = usize::try_from(self.offset()).unwrap_or(usize::MAX);
        let number = field.number(bytes, offset);
        number.ok_or_else(|| LinkError::Outside { at: self.at() })
    }
}
