//! Why a Linux with a device tree has no place.

use super::super::allocator::list;
use super::INITRD;
use handoff::addr::PhysRange;
use xen_shim::fix::{Fix, Remedy};

/// Why there is no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DtPlaceError {
    /// A tree that Linux does not map.
    #[error("the device tree has {len:#x} bytes, Linux takes at most {max:#x}")]
    TreeTooLarge {
        /// Its size.
        len: u64,
        /// Limit.
        max: u64,
    },
    /// A part that has no place even alone.
    #[error(
        "no memory for the {name}: {len:#x} bytes aligned to {align:#x}{}; {}",
        bounds(*floor, *ceiling), memory(*largest, free)
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
        /// Its upper bound; the largest number for none.
        ceiling: u64,
        /// The largest free range there, or anywhere if there is none.
        largest: Option<PhysRange>,
        /// All free ranges.
        free: Vec<PhysRange>,
    },
    /// Each part has a place, but not all of them together.
    #[error(
        "no memory for {} together ({total:#x} bytes); {}",
        names(parts), memory(*largest, free)
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

fn bounds(floor: u64, ceiling: u64) -> String {
    match (floor, ceiling) {
        (0, u64::MAX) => String::new(),
        (_, u64::MAX) => format!(" at {floor:#x} or above"),
        _ => format!(" between {floor:#x} and {ceiling:#x}"),
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

/// The memory that parts were placed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtWindow {
    /// The crash region.
    CrashRegion,
    /// What `--mem-min` and `--mem-max` leave.
    Options,
    /// All RAM.
    Ram,
}

impl DtPlaceError {
    /// What helps, with this memory.
    pub(in crate::plan) fn fix_in(&self, window: DtWindow) -> Remedy {
        let initrd = match self {
            Self::TreeTooLarge { .. } => {
                return Some("shorten the command line, or give a smaller tree".into());
            }
            Self::Part { name, .. } => *name == INITRD,
            Self::Together { parts, .. } => parts.iter().any(|(name, _)| *name == INITRD),
        };
        let other = match window {
            DtWindow::CrashRegion => "reserve more: `mbtool crash size` prints the size",
            DtWindow::Options => "leave out --mem-min and --mem-max",
            DtWindow::Ram if initrd => return Some("give a smaller initrd".into()),
            DtWindow::Ram => {
                "copy the image again if it is damaged; this machine has too little free memory for it"
            }
        };
        Some(match initrd {
            true => format!("give a smaller initrd, or {other}").into(),
            false => other.into(),
        })
    }
}

impl Fix for DtPlaceError {
    /// None: it depends on the memory, see `fix_in`.
    fn fix(&self) -> Remedy {
        None
    }
}
