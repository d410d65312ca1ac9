//! The blob for x86_64 where it was not built: a library for another architecture holds that
//! architecture's blob only.

extern crate alloc;
use super::Built;
use crate::abi::{self, Area};
use crate::addr::PhysRange;
use crate::spec::Spec;
use alloc::string::String;
use core::mem::offset_of;

/// The architecture of this library.
const NATIVE: &str = if cfg!(target_arch = "riscv64") {
    "riscv64"
} else {
    "another architecture"
};

/// Bytes assumed for the code.
const TEXT: u64 = 32 << 10;

/// Refuses.
///
/// # Errors
///
/// Always: names the architecture.
pub fn build(_: &Spec) -> Result<Built, String> {
    Err(alloc::format!(
        "this mbtool was built for {}: it has no handoff for x86_64; use an mbtool built for x86_64",
        NATIVE
    ))
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
