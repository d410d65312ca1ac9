//! The blob: what mbtool loads and the old kernel jumps to.

use crate::spec::Spec;
extern crate alloc;
use alloc::{string::String, vec::Vec};

/// The blob with its parameters filled in, ready to be a segment.
#[derive(Clone, Debug)]
pub struct Built {
    /// Bytes to load at the base address.
    pub bytes: Vec<u8>,
    /// Bytes of memory it occupies (stacks follow the loaded part); a multiple of the page size.
    pub memsz: u64,
    /// Address to jump to in long mode.
    pub entry: u64,
}

/// Bytes of memory that [`build`] will ask for, whatever the parameters.
#[must_use]
pub fn memsz() -> u64 {
    0x20000
}

/// Fills in the parameters for `spec.base`.
///
/// # Errors
///
/// Says which parameter does not fit (base not page aligned or above 4 GiB,
/// too many regions or fixups, a bad MMIO stride).
pub fn build(spec: &Spec) -> Result<Built, String> {
    let _ = spec;
    Err(String::from("not built yet"))
}
