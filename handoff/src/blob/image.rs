//! The blob as linked, before its parameters are filled in.

use super::IMAGE;
use crate::abi::{self, Area, BlobHeader};
use crate::addr::PhysRange;
use core::mem::offset_of;
use zerocopy::FromBytes;

/// Returns the header of [`IMAGE`].
///
/// # Panics
///
/// When [`IMAGE`] is shorter than its header, which build.rs prevents.
#[must_use]
pub fn header() -> BlobHeader {
    let (header, _) = BlobHeader::read_from_prefix(IMAGE).expect("the image starts with a header");
    header
}

/// Returns the memory size of any blob built by [`super::build`], in bytes.
#[must_use]
pub fn memsz() -> u64 {
    header().mem_size.into()
}

/// Returns the memory range of a blob at `base`.
#[must_use]
pub fn range(base: u64) -> PhysRange {
    let end = base.saturating_add(memsz());
    PhysRange { start: base, end }
}

/// Returns the bounce buffer of a blob at `base`, for
/// [`crate::extents::order`].
#[must_use]
pub fn bounce(base: u64) -> PhysRange {
    let offset = u64::from(header().area) + offset_of!(Area, scratch.bounce) as u64;
    let start = base.saturating_add(offset);
    PhysRange {
        start,
        end: start.saturating_add(abi::BOUNCE_SIZE as u64),
    }
}
