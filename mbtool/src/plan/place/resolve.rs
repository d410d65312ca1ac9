//! From segments as wished to segments as a kernel takes them.
//!
//! A segment without data is a claim: memory to keep free. Claims may overlap
//! anything and give way; loaded data never does.

use crate::plan::{Bytes, KernelSegment, Segment};
use handoff::addr::{PAGE_SIZE, PhysRange};
use handoff::runs;

/// Zero bytes that are stored to join two neighbours when there is no need to.
const CHEAP: u64 = 64 << 10;

/// Segments that cannot be made acceptable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Both carry data.
    #[error("{first} and {second} both load {range}")]
    Overlap {
        /// The one that starts lower.
        first: String,
        /// The other.
        second: String,
        /// What both fill.
        range: PhysRange,
    },
    /// More than the kernel takes, after merging all that touch.
    #[error(
        "{count} segments, the kernel takes at most {limit} (those that lie side by side count \
         once): {}; link the image with fewer gaps, put several files into one module, or widen \
         the window from --mem-min to --mem-max",
        names.join(", ")
    )]
    TooMany {
        /// Segments.
        count: usize,
        /// The most.
        limit: usize,
        /// Their names.
        names: Vec<String>,
    },
}

/// Sorts `segments` by destination and cuts claims around loaded data and
/// around each other. Pieces keep their claim's name; empty claims vanish.
///
/// # Errors
///
/// Two loaded segments overlap.
pub fn resolve(segments: Vec<Segment>) -> Result<Vec<Segment>, ResolveError> {
    let (claims, mut fixed): (Vec<Segment>, Vec<Segment>) = segments
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
    for claim in claims {
        let pieces = runs::without([claim.dest], fixed.iter().map(|other| other.dest));
        let piece = |dest| Segment {
            dest,
            ..claim.clone()
        };
        fixed.extend(pieces.into_iter().map(piece));
    }
    fixed.sort_by_key(|segment| segment.dest);
    Ok(fixed)
}

/// Bytes of zeroes to store when `after` is joined to what ends with `before`.
fn padding(before: &Segment, after: &Segment) -> u64 {
    if after.data.is_empty() {
        0
    } else {
        before.dest.len() - before.data.len() as u64
    }
}

/// Joins neighbours: those that cost little always, others, the cheapest first,
/// while there are more than `limit`. `segments` are as [`resolve`] leaves them;
/// where several loaded ones are joined, their data becomes part of one buffer.
///
/// # Errors
///
/// More than `limit` are left.
pub fn kernel_segments(
    segments: &mut [Segment],
    limit: usize,
) -> Result<Vec<KernelSegment>, ResolveError> {
    // groups of neighbours, as the index after each group's last segment
    let touches = |at: usize| segments[at - 1].dest.end == segments[at].dest.start;
    let cost = |at: usize| group_padding(segments, at);
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

/// [`padding`] in front of `segments[at]`, counting the claims right before it,
/// which will have been joined to what precedes them.
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

/// One kernel segment of neighbours, at least one.
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
