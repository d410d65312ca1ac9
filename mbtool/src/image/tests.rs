//! One file per part of the parser; a test exists for every [`ImageErrorReason`].

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::as_conversions)]

mod dom0;
mod elf;
mod flat;
mod header;
mod hostile;
mod mb1;
mod moved;
mod pvh;
mod refused;

use super::*;

fn parse(bytes: &[u8]) -> Result<Image, ImageErrorReason> {
    Image::parse(bytes, "test").map_err(|error| {
        assert_eq!(error.name, "test");
        error.reason
    })
}

/// Parses an invalid file.
fn reason(bytes: &[u8]) -> ImageErrorReason {
    parse(bytes).expect_err("parsed")
}

fn range(start: u64, end: u64) -> PhysRange {
    PhysRange::new(start, end).unwrap()
}
