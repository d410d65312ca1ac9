//! What is wrong with a list of segments for Xen.

use handoff::addr::PhysRange;
use xen_shim::hypercall::MAX_SEGMENTS;

/// A list that the planner should never make.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentListError {
    /// Too many segments.
    #[error("the plan has {count} kernel segments, and Xen accepts {MAX_SEGMENTS}")]
    TooMany {
        /// Number of segments.
        count: usize,
    },
    /// A destination that is empty, or does not begin and end at pages.
    #[error("kernel segment {index} at {dest} is not of whole pages")]
    Unaligned {
        /// Index in the list, from 0.
        index: usize,
        /// Destination.
        dest: PhysRange,
    },
    /// More data than memory.
    #[error("kernel segment {index} has {data} bytes for {dest}")]
    TooMuchData {
        /// Index in the list, from 0.
        index: usize,
        /// Bytes of data.
        data: usize,
        /// Destination.
        dest: PhysRange,
    },
    /// Two destinations overlap.
    #[error("kernel segments {first} and {second} overlap")]
    Overlap {
        /// Destination of the first.
        first: PhysRange,
        /// Destination of the second.
        second: PhysRange,
    },
    /// The entry point is not in loaded bytes.
    #[error("the entry {entry:#x} is in no loaded segment")]
    Entry {
        /// Entry point.
        entry: u64,
    },
    /// Data of a crash image outside of the crash area.
    #[error("{names} has data for {dest}, outside of the crash area {area}")]
    OutsideCrashArea {
        /// Names of the segment.
        names: String,
        /// Destination.
        dest: PhysRange,
        /// The crash area.
        area: PhysRange,
    },
}
