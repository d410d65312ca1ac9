//! Converts the planned segments to segments that a kernel accepts.
//!
//! A segment without data is a zero-length segment: memory to keep free. Zero-length segments
//! may overlap anything and are cut; loaded data is never cut.

use crate::plan::{Bytes, KernelSegment, Segment};
use handoff::addr::{PAGE_SIZE, PhysRange};
use handoff::runs;
use xen_shim::fix::{Fix, Remedy, tail};

/// Maximum zero bytes to store in order to merge two neighbors when it is not
/// necessary.
const CHEAP: u64 = 64 << 10;
/// Size from which a segment is not copied to merge it, in bytes.
const LARGE: u64 = 32 << 20;

/// Segments that a kernel would not accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Two segments with data overlap.
    #[error("{first} and {second} both load {range}")]
    Overlap {
        /// Name of the lower segment.
        first: String,
        /// Name of the higher segment.
        second: String,
        /// Common range.
        range: PhysRange,
    },
    /// More segments than the kernel accepts, after merging all adjacent ones.
    #[error(
        "{count} segments, the kernel accepts at most {limit} (adjacent ones count once): {}{}",
        names.join(", "), tail(self.fix())
    )]
    TooMany {
        /// Number of segments.
        count: usize,
        /// Maximum number.
        limit: usize,
        /// Names of the segments.
        names: Vec<String>,
    },
}

impl Fix for ResolveError {
    fn fix(&self) -> Remedy {
        match self {
            Self::TooMany { .. } => Some(
                "link the image with fewer gaps, put several files into one module, or widen the \
                 window from --mem-min to --mem-max"
                    .into(),
            ),
            Self::Overlap { .. } => None,
        }
    }
}

/// Sorts `segments` by destination, and cuts zero-length segments around loaded data and
/// around each other. Pieces keep the name; empty ones are dropped.
///
/// # Errors
///
/// When two loaded segments overlap.
pub fn resolve(segments: Vec<Segment>) -> Result<Vec<Segment>, ResolveError> {
    let (zero_length, mut fixed): (Vec<Segment>, Vec<Segment>) = segments
        .into_iter()
        .partition(|segment| segment.data.is_empty());
    fixed.sort_by_key(|segment| segment.dest);
    for pair in fixed.windows(2) {
        if let Some(range) = pair[0].dest.intersect(&pair[1].dest) {
            let (first, second) = (pair[0].name.clone(), pair[1].name.clone());
            return Err(ResolveError::Overlap {
                first,
                second,
                range,
            });
        }
    }
    for one in zero_length {
        let pieces = runs::without([one.dest], fixed.iter().map(|other| other.dest));
        let piece = |dest| Segment {
            dest,
            ..one.clone()
        };
        fixed.extend(pieces.into_iter().map(piece));
    }
    fixed.sort_by_key(|segment| segment.dest);
    Ok(fixed)
}

/// One kernel segment for each of `segments`, which come from [`resolve`].
///
/// # Errors
///
/// When there are more than `limit`.
pub fn unmerged(segments: &[Segment], limit: usize) -> Result<Vec<KernelSegment>, ResolveError> {
    if segments.len() > limit {
        return Err(ResolveError::TooMany {
            count: segments.len(),
            limit,
            names: segments
                .iter()
                .map(|segment| segment.name.clone())
                .collect(),
        });
    }
    let one = |segment: &Segment| KernelSegment {
        dest: segment.dest,
        data: segment.data.clone(),
        names: vec![segment.name.clone()],
    };
    Ok(segments.iter().map(one).collect())
}

/// Number of zero bytes to store when `after` is merged with the segment that
/// ends with `before`.
fn padding(before: &Segment, after: &Segment) -> u64 {
    if after.data.is_empty() {
        0
    } else {
        before.dest.len() - before.data.len() as u64
    }
}

/// Merges neighbors: always if that costs little, and others, the cheapest
/// first, while there are more than `limit`. `segments` come from [`resolve`].
/// If several loaded segments are merged, their data is moved to one buffer.
///
/// # Errors
///
/// When more than `limit` remain.
pub fn kernel_segments(
    segments: &mut [Segment],
    limit: usize,
) -> Result<Vec<KernelSegment>, ResolveError> {
    // groups of neighbors, stored as the index after the last segment of each
    let touches = |at: usize| segments[at - 1].dest.end == segments[at].dest.start;
    let cost = |at: usize| group_padding(segments, at) + copied(segments, at);
    let mut cuts: Vec<usize> = (1..segments.len())
        .filter(|&at| !touches(at) || cost(at) > CHEAP)
        .collect();
    while cuts.len() + 1 > limit {
        let Some(cheapest) = (0..cuts.len())
            .filter(|&index| touches(cuts[index]))
            .min_by_key(|&index| cost(cuts[index]))
        else {
            break;
        };
        cuts.remove(cheapest);
    }
    let count = if segments.is_empty() {
        0
    } else {
        cuts.len() + 1
    };
    if count > limit {
        let names = segments
            .iter()
            .map(|segment| segment.name.clone())
            .collect();
        return Err(ResolveError::TooMany {
            count,
            limit,
            names,
        });
    }
    let mut rest = segments;
    let mut done = 0;
    let mut joined = Vec::with_capacity(count);
    for cut in cuts
        .into_iter()
        .chain((count > 0).then_some(done + rest.len()))
    {
        let (group, after) = rest.split_at_mut(cut - done);
        joined.push(join(group));
        (rest, done) = (after, cut);
    }
    Ok(joined)
}

/// [`padding`] before `segments[at]`, including the zero-length segments right before it,
/// which will have been merged with their predecessor.
fn group_padding(segments: &[Segment], at: usize) -> u64 {
    if segments[at].data.is_empty() {
        return 0;
    }
    let mut sum = 0;
    for pair in segments[..=at].windows(2).rev() {
        if pair[0].dest.end != pair[1].dest.start {
            break;
        }
        sum += padding(&pair[0], &segments[at]);
        if !pair[0].data.is_empty() {
            break;
        }
    }
    sum
}

/// Bytes of large segments that are copied to merge `segments[at]` with its predecessor.
fn copied(segments: &[Segment], at: usize) -> u64 {
    let large = |segment: &Segment| match segment.data.len() as u64 {
        len if len >= LARGE => len,
        _ => 0,
    };
    if segments[at].data.is_empty() {
        return 0;
    }
    let mut before = segments[..at].iter().rev();
    let loaded = before.find(|segment| !segment.data.is_empty());
    large(&segments[at]) + loaded.map_or(0, large)
}

/// Merges at least one neighbor to one kernel segment.
fn join(group: &mut [Segment]) -> KernelSegment {
    let start = group[0].dest.start;
    let end = group[group.len() - 1].dest.end;
    let names = group.iter().map(|segment| segment.name.clone()).collect();
    let dest = PhysRange { start, end };
    let loaded: Vec<usize> = (0..group.len())
        .filter(|&index| !group[index].data.is_empty())
        .collect();
    let data = match loaded[..] {
        [] => Bytes::default(),
        [only] if group[only].dest.start == start => group[only].data.clone(),
        [.., last] => {
            let offset = |segment: &Segment| (segment.dest.start - start) as usize;
            let len = offset(&group[last]) + group[last].data.len();
            let mut buffer = vec![0; len];
            for segment in loaded.iter().map(|&index| &group[index]) {
                buffer[offset(segment)..][..segment.data.len()].copy_from_slice(&segment.data);
            }
            let buffer = Bytes::from(buffer);
            for segment in group.iter_mut().filter(|segment| !segment.data.is_empty()) {
                let at = offset(segment);
                segment.data = buffer.slice(at..at + segment.data.len());
            }
            buffer
        }
    };
    debug_assert!(start.is_multiple_of(PAGE_SIZE) && end.is_multiple_of(PAGE_SIZE));
    KernelSegment { dest, data, names }
}

#[cfg(test)]
mod tests;
