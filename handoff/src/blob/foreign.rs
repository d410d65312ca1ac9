//! The blob for x86_64 where it was not built: a library for another architecture holds that
//! architecture's blob only.

extern crate alloc;
use super::Built;
use crate::abi::{self, Area};
use crate::addr::PhysRange;
use crate::spec::Spec;
use alloc::string::String;
use core::mem::offset_of;

/// Bytes assumed for the code.
const TEXT: u64 = 32 << 10;

/// Takes the place of the blob: [`Built::is_absent`].
///
/// # Errors
///
/// None.
pub fn build(spec: &Spec) -> Result<Built, String> {
    Ok(Built::absent(spec.base, memsz()))
}

/// Returns about the memory size of a blob, in bytes.
#[must_use]
pub fn memsz() -> u64 {
    TEXT + size_of::<Area>() as u64
}

/// Returns about the bounce buffer of a blob at `base`.
#[must_use]
pub fn bounce(base: u64) -> PhysRange {
    let start = base.saturating_add(TEXT + offset_of!(Area, scratch.bounce) as u64);
    PhysRange {
        start,
        end: start.saturating_add(abi::BOUNCE_SIZE as u64),
    }
}
