//! The memory that was reserved for a crash image.

use crate::memory::CrashRegion;
use handoff::addr::{FOUR_GIB, MIB, PhysRange};

/// What to reserve when nothing is known of the image: enough for Debian's
/// kernel with an initial RAM disk of 40 MB.
const USUAL: u64 = 256 * MIB;

/// No region that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegionError {
    /// There is none.
    #[error(
        "-p: no memory is reserved for a crash image: add {} and reboot",
        reserve(*xen, *advice)
    )]
    None {
        /// Xen would reserve it.
        xen: bool,
        /// Bytes to reserve.
        advice: u64,
    },
    /// It is out of reach.
    #[error(
        "-p: the crash region {region} ends above 4 GiB, where the handoff does not load an image: \
         replace the crashkernel= that reserves it (with \",high\", or too large for what is free \
         below) by {} and reboot",
        reserve(*xen, *advice)
    )]
    TooHigh {
        /// Where it is.
        region: PhysRange,
        /// Xen reserved it.
        xen: bool,
        /// Bytes to reserve.
        advice: u64,
    },
}

impl RegionError {
    /// The same, with advice to reserve `bytes`.
    #[must_use]
    pub const fn advising(self, bytes: u64) -> Self {
        match self {
            Self::None { xen, .. } => Self::None { xen, advice: bytes },
            Self::TooHigh { region, xen, .. } => Self::TooHigh {
                region,
                xen,
                advice: bytes,
            },
        }
    }
}

fn reserve(xen: bool, advice: u64) -> String {
    let mib = advice.div_ceil(MIB);
    if xen {
        format!("crashkernel={mib}M,below=4G (or more) to Xen's command line, not to dom0's,")
    } else {
        format!("crashkernel={mib}M (or more) to the kernel's command line")
    }
}

/// Where a crash image goes. The kernel takes it in its main region only: the
/// highest, as it keeps a second one, for devices of 32 bits, when that is above
/// 4 GiB.
///
/// # Errors
///
/// None is reserved, or it ends above 4 GiB.
pub fn choose(regions: &[CrashRegion], xen: bool) -> Result<PhysRange, RegionError> {
    let regions = regions.iter().filter_map(CrashRegion::range);
    let advice = USUAL;
    match regions
        .filter(|region| !region.is_empty())
        .max_by_key(|region| region.end)
    {
        None => Err(RegionError::None { xen, advice }),
        Some(region) if region.end > FOUR_GIB => Err(RegionError::TooHigh {
            region,
            xen,
            advice,
        }),
        Some(region) => Ok(region),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOW: CrashRegion = CrashRegion {
        start: 0x3000_0000,
        end: 0x4000_0000,
    };

    #[test]
    fn the_region_is_the_main_one() {
        let region = PhysRange {
            start: LOW.start,
            end: LOW.end,
        };
        assert_eq!(choose(&[LOW], false), Ok(region));
        let high = CrashRegion {
            start: FOUR_GIB,
            end: FOUR_GIB + 256 * MIB,
        };
        let text = choose(&[LOW, high], false).unwrap_err().to_string();
        assert!(
            text.contains("0x100000000-0x110000000") && text.contains("crashkernel=256M (or more)"),
            "{text}"
        );
    }

    #[test]
    fn advice_can_be_better() {
        let error = choose(&[], false).unwrap_err().advising(544 * MIB);
        assert!(error.to_string().contains("crashkernel=544M (or more)"));
        let high = CrashRegion {
            start: FOUR_GIB,
            end: 2 * FOUR_GIB,
        };
        let error = choose(&[high], false).unwrap_err().advising(544 * MIB);
        assert!(error.to_string().contains("crashkernel=544M (or more)"));
    }

    #[test]
    fn without_a_region_the_sentence_says_whose_command_line() {
        assert_eq!(
            choose(&[], false).unwrap_err().to_string(),
            "-p: no memory is reserved for a crash image: add crashkernel=256M (or more) to the \
             kernel's command line and reboot"
        );
        assert_eq!(
            choose(&[], true).unwrap_err().to_string(),
            "-p: no memory is reserved for a crash image: add crashkernel=256M,below=4G (or more) \
             to Xen's command line, not to dom0's, and reboot"
        );
    }
}
