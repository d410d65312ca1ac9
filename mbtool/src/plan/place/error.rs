//! Why memory cannot be allocated.

use super::allocator::list;
use handoff::addr::{PAGE_SIZE, PhysRange, align_up};
use std::fmt;
use xen_shim::fix::{Fix, Remedy, tail};

/// No free range is large enough in the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoFreeRange {
    /// Segment name.
    pub name: String,
    /// Requested size in bytes.
    pub len: u64,
    /// Requested alignment.
    pub align: u64,
    /// Requested window.
    pub window: PhysRange,
    /// All RAM.
    pub ram: Vec<PhysRange>,
    /// The largest free range in the window.
    pub largest: Option<PhysRange>,
    /// Start of a range that is large enough, outside of the window that `--mem-min` and
    /// `--mem-max` leave.
    pub elsewhere: Option<u64>,
}

impl std::error::Error for NoFreeRange {}

impl NoFreeRange {
    /// The range outside of the window.
    #[must_use]
    pub fn place_elsewhere(&self) -> Option<PhysRange> {
        let len = align_up(self.len.max(1), PAGE_SIZE)?;
        PhysRange::from_len(self.elsewhere?, len)
    }
}

impl fmt::Display for NoFreeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            len,
            align,
            window,
            ram,
            largest,
            elsewhere: _,
        } = self;
        write!(
            f,
            "no memory for {name}: {len:#x} bytes aligned to {align:#x} within {window}; "
        )?;
        match largest {
            Some(run) => write!(
                f,
                "the largest free range there is {run} ({:#x} bytes)",
                run.len()
            )?,
            None => write!(f, "no memory is free there")?,
        }
        write!(f, ", RAM is {}{}", list(ram), tail(self.fix()))
    }
}

impl Fix for NoFreeRange {
    fn fix(&self) -> Remedy {
        let Some(place) = self.place_elsewhere() else {
            // what no other part takes is too small, too
            let mut ram = self
                .ram
                .iter()
                .filter_map(|run| run.intersect(&self.window));
            let enough = ram.any(|run| run.len() >= self.len);
            return enough.then(|| "load less".into());
        };
        let lower = || format!("lower --mem-min to {:#x}", place.start);
        let higher = || format!("raise --mem-max to {:#x}", place.end);
        let below = (place.start < self.window.start).then(lower);
        let above = (place.end > self.window.end).then(higher);
        let changes: Vec<String> = below.into_iter().chain(above).collect();
        if changes.is_empty() {
            return Some("load less".into());
        }
        let changes = changes.join(" and ");
        Some(format!("{changes}: there is enough memory at {place}").into())
    }
}

/// A fixed range that cannot be allocated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FixedError {
    /// The range is not, or not all, RAM.
    #[error(
        "{name} must be at {range}, which is not all free RAM: RAM is {}{}",
        list(ram), tail(self.fix())
    )]
    NotRam {
        /// Segment name.
        name: String,
        /// Requested pages.
        range: PhysRange,
        /// All RAM.
        ram: Vec<PhysRange>,
    },
    /// The range is already allocated.
    #[error("{name} must be at {range}, but {by} is at {at}")]
    Taken {
        /// Segment name.
        name: String,
        /// Requested pages.
        range: PhysRange,
        /// Name of the owner.
        by: String,
        /// Range of the owner.
        at: PhysRange,
    },
}

impl Fix for FixedError {
    fn fix(&self) -> Remedy {
        match self {
            Self::NotRam { .. } => Some(
                "link the image for an address in RAM, or give it a relocatable tag, so that it \
                 can be moved"
                    .into(),
            ),
            Self::Taken { .. } => None,
        }
    }
}
