//! Numbers in hexadecimal notation.

use handoff::addr::PhysRange;
use serde::{Serialize, Serializer};
use std::fmt;

/// An address or another number in hexadecimal notation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hex(pub u64);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A half-open range.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct HexRange {
    /// First byte.
    pub start: Hex,
    /// One past the last byte.
    pub end: Hex,
}

impl From<PhysRange> for HexRange {
    fn from(range: PhysRange) -> Self {
        Self {
            start: Hex(range.start),
            end: Hex(range.end),
        }
    }
}
