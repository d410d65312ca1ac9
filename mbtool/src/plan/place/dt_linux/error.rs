//! Why a Linux with a device tree has no place.

use super::super::allocator::list;
use super::INITRD;
use handoff::addr::PhysRange;
use xen_shim::fix::{Fix, Remedy, tail};

/// Why there is no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DtPlaceError {
    /// A tree that Linux does not map.
    #[error("the device tree has {len:#x} bytes, Linux takes at most {max:#x}{}", tail(self.fix()))]
    TreeTooLarge {
        /// Its size.
        len: u64,
        /// Limit.
        max: u64,
    },
    /// A part that has no place even alone.
    #[error(
        "no memory for the {name}: {len:#x} bytes aligned to {align:#x}{}; {}{}",
        from(*floor), memory(*largest, free), tail(self.fix())
    )]
    Part {
        /// Name of the part.
        name: &'static str,
        /// Its size.
        len: u64,
        /// Its alignment.
        align: u64,
        /// Its lowest address; 0 for any.
        floor: u64,
        /// The largest free range there, or anywhere if there is none.
        largest: Option<PhysRange>,
        /// All free ranges.
        free: Vec<PhysRange>,
    },
    /// Each part has a place, but not all of them together.
    #[error(
        "no memory for {} together ({total:#x} bytes); {}{}",
        names(parts), memory(*largest, free), tail(self.fix())
    )]
    Together {
        /// The parts with their sizes.
        parts: Vec<(&'static str, u64)>,
        /// Sum of their pages.
        total: u64,
        /// The largest free range.
        largest: Option<PhysRange>,
        /// All free ranges.
        free: Vec<PhysRange>,
    },
}

fn from(floor: u64) -> String {
    match floor {
        0 => String::new(),
        _ => format!(" at {floor:#x} or above"),
    }
}

fn memory(largest: Option<PhysRange>, free: &[PhysRange]) -> String {
    let Some(largest) = largest else {
        return "no memory is free".to_owned();
    };
    let (len, free) = (largest.len(), list(free));
    format!("the largest free range is {largest} ({len:#x} bytes) of {free}")
}

fn names(parts: &[(&'static str, u64)]) -> String {
    let names: Vec<String> = parts
        .iter()
        .map(|(name, len)| format!("{name} {len:#x}"))
        .collect();
    names.join(", ")
}

impl Fix for DtPlaceError {
    fn fix(&self) -> Remedy {
        let fix = match self {
            Self::TreeTooLarge { .. } => "shorten the command line, or give a smaller tree",
            Self::Part { name: INITRD, .. } | Self::Together { .. } => {
                "give a smaller initrd, or reserve more memory (crashkernel=SIZE) for a crash kernel"
            }
            Self::Part { .. } => "reserve more memory (crashkernel=SIZE) for a crash kernel",
        };
        Some(fix.into())
    }
}
