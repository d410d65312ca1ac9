//! The kernel command-line parameter that reserves memory for a crash image.

use crate::arch::Architecture;
use handoff::addr::{FOUR_GIB, MIB};
use std::fmt;

/// `crashkernel=` parameter for Linux or Xen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// Size in bytes, rounded up to whole MiB.
    pub bytes: u64,
    /// True for Xen's command line, false for Linux's.
    pub xen: bool,
}

impl Reserve {
    /// Returns the command line that the parameter belongs to.
    #[must_use]
    pub const fn whose(self) -> &'static str {
        if self.xen {
            "Xen's command line (not dom0's)"
        } else {
            "the kernel's command line"
        }
    }

    /// Explains where the reservation is: on x86_64 below 4 GiB, as the handoff requires.
    #[must_use]
    pub const fn below(self, arch: Architecture) -> &'static str {
        if arch.crash_region_end() > FOUR_GIB {
            "Linux reserves below 4 GiB if there is room, else above: both serve."
        } else if self.xen {
            "Without \",below=4G\" Xen reserves the highest free memory; \"@ADDRESS\" in its place \
             says where."
        } else {
            "Linux reserves below 4 GiB for crashkernel=SIZE, and above only if none is free \
             there from above; never write \",high\"."
        }
    }
}

/// Formats `crashkernel=512M`, or `crashkernel=512M,below=4G` for Xen.
impl fmt::Display for Reserve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let below = if self.xen { ",below=4G" } else { "" };
        write!(f, "crashkernel={}M{below}", self.bytes.div_ceil(MIB))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reservation_of_xen_is_below_4_gib() {
        let bytes = 511 * MIB + 1;
        let parameter = |xen| Reserve { bytes, xen }.to_string();
        assert_eq!(parameter(false), "crashkernel=512M");
        assert_eq!(parameter(true), "crashkernel=512M,below=4G");
    }
}
