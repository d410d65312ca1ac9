//! The memory that was reserved for a crash image.

use super::Reserve;
use crate::host::CrashRegion;
use handoff::addr::{FOUR_GIB, PhysRange};

/// No region that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegionError {
    /// There is none.
    #[error(
        "-p: no memory is reserved for a crash image: {}",
        add("add", *xen, *advice)
    )]
    None {
        /// Xen would reserve it.
        xen: bool,
        /// What to reserve, where that is known.
        advice: Option<Reserve>,
    },
    /// It is out of reach.
    #[error(
        "-p: the crash region {region} ends above 4 GiB, where the handoff does not load an image \
         (the crashkernel= that reserves it has \"{}\", or is too large for what is free below): {}",
        if *xen { "@" } else { ",high" }, add("replace it by", *xen, *advice)
    )]
    TooHigh {
        /// Where it is.
        region: PhysRange,
        /// Xen reserved it.
        xen: bool,
        /// What to reserve, where that is known.
        advice: Option<Reserve>,
    },
}

impl RegionError {
    /// The same, with advice to reserve that.
    #[must_use]
    pub const fn advising(self, reserve: Reserve) -> Self {
        let advice = Some(reserve);
        match self {
            Self::None { xen, .. } => Self::None { xen, advice },
            Self::TooHigh { region, xen, .. } => Self::TooHigh {
                region,
                xen,
                advice,
            },
        }
    }
}

fn add(verb: &str, xen: bool, advice: Option<Reserve>) -> String {
    match advice {
        Some(word) if verb == "add" => {
            format!("{verb} {word} (or more) to {} and reboot", word.whose())
        }
        Some(word) => format!("{verb} {word} (or more) on {} and reboot", word.whose()),
        None => {
            let whose = Reserve { bytes: 0, xen }.whose();
            format!("`mbtool crash size` says which crashkernel= belongs on {whose}")
        }
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
    let regions = regions.iter();
    let regions = regions.filter_map(|region| PhysRange::new(region.start, region.end));
    let advice = None;
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
    use handoff::addr::MIB;

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
            text.contains("0x100000000-0x110000000") && text.contains("`mbtool crash size` says"),
            "{text}"
        );
    }

    const fn reserve(mib: u64, xen: bool) -> Reserve {
        Reserve {
            bytes: mib * MIB,
            xen,
        }
    }

    #[test]
    fn a_region_that_is_too_high_is_to_be_replaced() {
        let high = CrashRegion {
            start: FOUR_GIB,
            end: 2 * FOUR_GIB,
        };
        for (xen, part) in [
            (
                false,
                "\",high\", or is too large for what is free below): replace it by \
                 crashkernel=544M (or more) on the kernel's command line and reboot",
            ),
            (
                true,
                "replace it by crashkernel=544M,below=4G (or more) on Xen's command line (not dom0's) and",
            ),
        ] {
            let error = choose(&[high], xen).unwrap_err();
            let text = error.advising(reserve(544, xen)).to_string();
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn without_a_region_the_sentence_says_whose_command_line() {
        let text = |xen| {
            choose(&[], xen)
                .unwrap_err()
                .advising(reserve(256, xen))
                .to_string()
        };
        assert_eq!(
            text(false),
            "-p: no memory is reserved for a crash image: add crashkernel=256M (or more) to the \
             kernel's command line and reboot"
        );
        assert_eq!(
            text(true),
            "-p: no memory is reserved for a crash image: add crashkernel=256M,below=4G (or more) \
             to Xen's command line (not dom0's) and reboot"
        );
        assert_eq!(
            choose(&[], true).unwrap_err().to_string(),
            "-p: no memory is reserved for a crash image: `mbtool crash size` says which \
             crashkernel= belongs on Xen's command line (not dom0's)"
        );
    }
}
