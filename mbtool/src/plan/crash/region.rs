//! The memory reserved for a crash image.

use super::Reserve;
use crate::arch::Architecture;
use crate::host::{Host, RawRange};
use handoff::addr::PhysRange;
use xen_shim::fix::{Fix, Remedy, tail};

/// There is no usable crash region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegionError {
    /// Nothing is reserved.
    #[error("no memory is reserved for a crash image{}", tail(self.fix()))]
    None {
        /// True when Xen makes the reservation.
        xen: bool,
        /// Advised reservation, if known.
        advice: Option<Reserve>,
    },
    /// The region is not addressable.
    #[error(
        "the crash region {region} ends above 4 GiB, where the handoff does not load an image \
         (the crashkernel= that reserves it has \"{}\", or is too large for what is free below){}",
        if *xen { "@" } else { ",high" }, tail(self.fix())
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

impl Fix for RegionError {
    fn fix(&self) -> Remedy {
        let (verb, to, xen, advice) = match *self {
            Self::None { xen, advice } => ("add", "to", xen, advice),
            Self::TooHigh { xen, advice, .. } => ("replace it by", "on", xen, advice),
        };
        let whose = Reserve { bytes: 0, xen }.whose();
        let fix = match advice {
            Some(reserve) => format!("{verb} {reserve} (or more) {to} {whose} and reboot"),
            None => format!("`mbtool crash size` prints the crashkernel= parameter for {whose}"),
        };
        Some(fix.into())
    }
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

/// Returns the region for the crash image. The kernel loads only into its main
/// region. That is the highest one: if it is above 4 GiB, the kernel keeps a
/// second region below, for 32-bit devices.
///
/// # Errors
///
/// When nothing is reserved, or on x86_64 the region ends above 4 GiB.
pub fn choose(host: &Host) -> Result<PhysRange, RegionError> {
    of(&host.crash_regions, host.xen.is_some(), host.arch)
}

/// [`choose`] for other regions than those of a host.
///
/// # Errors
///
/// As [`choose`].
pub fn of(regions: &[RawRange], xen: bool, arch: Architecture) -> Result<PhysRange, RegionError> {
    let regions = regions.iter();
    let regions = regions.filter_map(|region| PhysRange::new(region.start, region.end));
    let advice = None;
    match regions
        .filter(|region| !region.is_empty())
        .max_by_key(|region| region.end)
    {
        None => Err(RegionError::None { xen, advice }),
        Some(region) if region.end > arch.crash_region_end() => Err(RegionError::TooHigh {
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
    use handoff::addr::{FOUR_GIB, MIB};

    const LOW: RawRange = RawRange {
        start: 0x3000_0000,
        end: 0x4000_0000,
    };

    #[test]
    fn the_region_is_the_main_one() {
        let region = PhysRange {
            start: LOW.start,
            end: LOW.end,
        };
        assert_eq!(of(&[LOW], false, Architecture::X86_64), Ok(region));
        let high = RawRange {
            start: FOUR_GIB,
            end: FOUR_GIB + 256 * MIB,
        };
        let region = PhysRange {
            start: high.start,
            end: high.end,
        };
        let expected = RegionError::TooHigh {
            region,
            xen: false,
            advice: None,
        };
        assert_eq!(of(&[LOW, high], false, Architecture::X86_64), Err(expected));
        assert_eq!(of(&[LOW, high], false, Architecture::Riscv64), Ok(region));
    }

    #[test]
    fn the_remedy_names_the_command_line() {
        let reserve = |xen| Reserve {
            bytes: 256 * MIB,
            xen,
        };
        let fix = |xen| {
            let error = of(&[], xen, Architecture::X86_64).unwrap_err();
            (error.fix(), error.advising(reserve(xen)).fix())
        };
        let some = |text: &'static str| Some(text.into());
        assert_eq!(
            fix(false),
            (
                some(
                    "`mbtool crash size` prints the crashkernel= parameter for the kernel's command \
                     line"
                ),
                some("add crashkernel=256M (or more) to the kernel's command line and reboot")
            )
        );
        assert_eq!(
            fix(true),
            (
                some(
                    "`mbtool crash size` prints the crashkernel= parameter for Xen's command line \
                     (not dom0's)"
                ),
                some(
                    "add crashkernel=256M,below=4G (or more) to Xen's command line (not dom0's) \
                     and reboot"
                )
            )
        );
    }
}
