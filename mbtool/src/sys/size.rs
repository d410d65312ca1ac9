//! Byte counts for messages.

use std::fmt;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Prints a byte count: whole GiB in GiB, the rest in MiB, KiB or bytes, rounded down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Size {
    /// Prints at least `bytes`: rounded up to MiB, below one MiB to KiB.
    #[must_use]
    pub fn rounded_up(bytes: u64) -> Self {
        let unit = if bytes >= MIB { MIB } else { KIB };
        Self(bytes.checked_next_multiple_of(unit).unwrap_or(bytes))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes >= GIB && bytes.is_multiple_of(GIB) => write!(f, "{} GiB", bytes / GIB),
            bytes if bytes >= MIB => write!(f, "{} MiB", bytes / MIB),
            bytes if bytes >= KIB => write!(f, "{} KiB", bytes / KIB),
            bytes => write!(f, "{bytes} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_units_and_rounding() {
        for (bytes, text) in [
            (4 << 30, "4 GiB"),
            ((1 << 30) + (1 << 20), "1025 MiB"),
            ((3 << 20) + 1, "3 MiB"),
            (5000, "4 KiB"),
            (0, "0 bytes"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
        }
        for (bytes, text) in [
            (700, "1 KiB"),
            ((62 << 20) + 1, "63 MiB"),
            (8 << 20, "8 MiB"),
            (u64::MAX, "17592186044415 MiB"),
        ] {
            assert_eq!(Size::rounded_up(bytes).to_string(), text);
        }
    }
}
