//! Above or below 4 GiB: where the parts of a Linux image are.

use crate::abi::boot_params::XLoadFlags;
use crate::image::Protocol;
use handoff::addr::{FOUR_GIB, PAGE_SIZE, PhysRange};

/// End of the memory that a part of a Linux image may be loaded to: Linux accepts destinations
/// below 2^46 - 1.
pub(super) const HIGH_END: u64 = (1 << 46) - PAGE_SIZE;

/// On which side of 4 GiB a part is placed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Side {
    /// Below: reachable with 32 bits.
    #[default]
    Low,
    /// Above, for an image with a 64-bit entry that supports it.
    High,
}

impl Side {
    /// Returns the addresses of this side, up to `end`.
    pub(super) fn addresses(self, end: u64) -> PhysRange {
        let (start, end) = match self {
            Self::Low => (0, end.min(FOUR_GIB)),
            Self::High => (FOUR_GIB, end.min(HIGH_END)),
        };
        PhysRange {
            start: start.min(end),
            end,
        }
    }
}

/// The sides of the parts that may be above 4 GiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sides {
    pub initrd: Side,
    pub image: Side,
    pub info: Side,
}

impl Sides {
    const ALL_LOW: Self = Self {
        initrd: Side::Low,
        image: Side::Low,
        info: Side::Low,
    };
    /// In the order in which they are tried: as much as possible below 4 GiB, and the largest part
    /// first above.
    const LINUX: [Self; 5] = [
        Self::ALL_LOW,
        Self {
            initrd: Side::High,
            ..Self::ALL_LOW
        },
        Self {
            image: Side::High,
            ..Self::ALL_LOW
        },
        Self {
            info: Side::Low,
            ..Self::ALL_HIGH
        },
        Self::ALL_HIGH,
    ];
    const ALL_HIGH: Self = Self {
        initrd: Side::High,
        image: Side::High,
        info: Side::High,
    };

    /// Returns the possible sides for an image of this protocol.
    pub(super) const fn of(protocol: &Protocol) -> &'static [Self] {
        match protocol {
            Protocol::Linux(setup) if setup.can(XLoadFlags::CAN_BE_LOADED_ABOVE_4G) => &Self::LINUX,
            _ => &[Self::ALL_LOW],
        }
    }
}
