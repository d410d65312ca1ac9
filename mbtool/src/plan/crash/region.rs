//! The memory reserved for a crash image.

use super::Reserve;
use crate::host::CrashRegion;
use handoff::addr::{FOUR_GIB, PhysRange};

/// There is no usable crash region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegionError {
    /// Nothing is reserved.
    #[error(
        "-p: no memory is reserved for a crash image: {}",
        reserve(("add", "to"), *xen, *advice)
    )]
    None {
        /// True when Xen makes the reservation.
        xen: bool,
        /// Advised reservation, if known.
        advice: Option<Reserve>,
    },
    /// The region is not addressable.
    #[error(
        "-p: the crash region {region} ends above 4 GiB, where the handoff does not load an image \
         (the crashkernel= that reserves it has \"{}\", or is too large for what is free below): {}",
        if *xen { "@" } else { ",high" }, reserve(("replace it by", "on"), *xen, *advice)
    )]
    TooHigh {
        /// The reserved region.
        region: PhysRange,
        /// True when Xen made the reservation.
        xen: bool,
        /// Advised reservation, if known.
        advice: Option<Reserve>,
    },
}

impl RegionError {
    /// Adds the advised reservation.
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

fn reserve((verb, where_to): (&str, &str), xen: bool, advice: Option<Reserve>) -> String {
    match advice {
        Some(reserve) => {
            let whose = reserve.whose();
            format!("{verb} {reserve} (or more) {where_to} {whose} and reboot")
        }
        None => {
            let whose = Reserve { bytes: 0, xen }.whose();
            format!("`mbtool crash size` prints the crashkernel= parameter for {whose}")
        }
    }
}

/// Returns the region for the crash image. The kernel loads only into its main
/// region. That is the highest one: if it is above 4 GiB, the kernel keeps a
/// second region below, for 32-bit devices.
///
/// # Errors
///
/// When nothing is reserved, or the region ends above 4 GiB.
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
            text.contains("0x100000000-0x110000000") && text.contains("`mbtool crash size` prints"),
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
    fn a_region_above_4_gib_is_refused_with_advice() {
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
    fn without_a_region_the_error_names_the_command_line_to_change() {
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
            "-p: no memory is reserved for a crash image: `mbtool crash size` prints the \
             crashkernel= parameter for Xen's command line (not dom0's)"
        );
    }
}
