//! The word that reserves memory for a crash image.

use handoff::addr::MIB;
use std::fmt;

/// `crashkernel=`, for the command line of whoever reserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// Bytes; whole MiB are reserved.
    pub bytes: u64,
    /// Xen reserves, not Linux.
    pub xen: bool,
}

impl Reserve {
    /// Where the word belongs.
    #[must_use]
    pub const fn whose(self) -> &'static str {
        if self.xen {
            "Xen's command line (not dom0's)"
        } else {
            "the kernel's command line"
        }
    }

    /// How the reservation comes to lie below 4 GiB, where the handoff can load.
    #[must_use]
    pub const fn below(self) -> &'static str {
        if self.xen {
            "Without \",below=4G\" Xen reserves as high as there is memory; \"@ADDRESS\" in its place \
             says where."
        } else {
            "Linux takes memory below 4 GiB for this form of the word, and only where none is free \
             there from above; never write \",high\"."
        }
    }
}

/// `crashkernel=512M`, for Xen `crashkernel=512M,below=4G`.
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
    fn xen_is_kept_below_4_gib() {
        let bytes = 511 * MIB + 1;
        let word = |xen| Reserve { bytes, xen }.to_string();
        assert_eq!(word(false), "crashkernel=512M");
        assert_eq!(word(true), "crashkernel=512M,below=4G");
    }
}
