//! Large moves as extents of arbitrary bytes, ordered so that no source is
//! overwritten before it was read.
//!
//! Each byte of a destination has one source. When all moves that overwrite no pending
//! source are done, the remaining ones form cycles. A cycle is broken by saving a part
//! of it in a bounce buffer.

extern crate alloc;
use crate::abi::Extent;
use crate::addr::PhysRange;
use crate::runs;
use alloc::vec::Vec;
use core::fmt;

/// Why moves cannot be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderError {
    /// A source or destination ends above 2^64.
    Wraps {
        /// The move.
        extent: Extent,
    },
    /// Two destinations overlap.
    Overlap {
        /// One destination.
        first: PhysRange,
        /// The other.
        second: PhysRange,
    },
    /// The bounce buffer is part of a move, or empty.
    Bounce {
        /// The buffer.
        bounce: PhysRange,
    },
    /// More extents are needed than the limit.
    TooMany {
        /// The limit.
        limit: usize,
    },
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wraps { extent } => write!(
                f,
                "move of {:#x} bytes from {:#x} to {:#x} ends above 2^64",
                extent.len, extent.from, extent.to
            ),
            Self::Overlap { first, second } => {
                write!(f, "two moves go to the same bytes: {first} and {second}")
            }
            Self::Bounce { bounce } => {
                write!(f, "bounce buffer {bounce} is empty or is moved itself")
            }
            Self::TooMany { limit } => write!(
                f,
                "moves that overlap each other need more than {limit} extents: place the segments \
                 apart"
            ),
        }
    }
}

impl core::error::Error for OrderError {}

fn range(start: u64, len: u64) -> PhysRange {
    // every move was checked to end below 2^64
    PhysRange::from_len(start, len).unwrap_or_default()
}

impl Extent {
    /// The bytes written.
    #[must_use]
    pub fn destination(&self) -> PhysRange {
        range(self.to, self.len)
    }

    /// The bytes read.
    #[must_use]
    pub fn source(&self) -> PhysRange {
        range(self.from, self.len)
    }

    /// Returns the part of the move that writes `part` of its destination.
    fn part(&self, part: PhysRange) -> Self {
        Self {
            to: part.start,
            from: self.from + (part.start - self.to),
            len: part.len(),
        }
    }
}

/// Orders `moves` so that executing them one after the other, each like
/// `memmove`, is the same as executing all at once. Empty moves, and moves to
/// their own source, are dropped.
///
/// # Errors
///
/// When destinations overlap, `bounce` is part of a move, or more than `limit`
/// extents are needed.
pub fn order(moves: &[Extent], bounce: PhysRange, limit: usize) -> Result<Vec<Extent>, OrderError> {
    check(moves, bounce)?;
    let mut pending: Vec<Extent> = moves.to_vec();
    pending.retain(|extent| extent.len > 0 && extent.to != extent.from);
    let mut ordered = Vec::new();
    while !pending.is_empty() {
        if ordered.len() >= limit || pending.len() > limit {
            return Err(OrderError::TooMany { limit });
        }
        if let Some(index) = harmless(&pending) {
            ordered.push(pending.swap_remove(index));
        } else if let Some((index, part)) = harmless_part(&pending) {
            let whole = pending.swap_remove(index);
            ordered.push(whole.part(part));
            let rest = whole.destination().minus(&part);
            pending.extend(rest.into_iter().flatten().map(|rest| whole.part(rest)));
        } else {
            ordered.push(save(&mut pending, bounce));
        }
    }
    Ok(ordered)
}

fn check(moves: &[Extent], bounce: PhysRange) -> Result<(), OrderError> {
    for &extent in moves {
        let end = extent.to.max(extent.from).checked_add(extent.len);
        end.ok_or(OrderError::Wraps { extent })?;
        let touched = [extent.destination(), extent.source()];
        if bounce.is_empty() || touched.iter().any(|range| range.overlaps(&bounce)) {
            return Err(OrderError::Bounce { bounce });
        }
    }
    for (index, one) in moves.iter().enumerate() {
        for other in &moves[..index] {
            let (first, second) = (other.destination(), one.destination());
            if first.overlaps(&second) {
                return Err(OrderError::Overlap { first, second });
            }
        }
    }
    Ok(())
}

/// Finds a move that overwrites no source of others.
fn harmless(pending: &[Extent]) -> Option<usize> {
    (0..pending.len()).find(|&index| {
        let to = pending[index].destination();
        let mut others = pending.iter().enumerate();
        others.all(|(other, extent)| other == index || !to.overlaps(&extent.source()))
    })
}

/// Finds the largest part of a destination that is not a source any more.
fn harmless_part(pending: &[Extent]) -> Option<(usize, PhysRange)> {
    let mut best: Option<(usize, PhysRange)> = None;
    for (index, extent) in pending.iter().enumerate() {
        let sources = pending.iter().map(Extent::source);
        for part in runs::without([extent.destination()], sources) {
            if best.is_none_or(|(_, found)| part.len() > found.len()) {
                best = Some((index, part));
            }
        }
    }
    best
}

/// Saves the start of the smallest move's source, which breaks its cycle. Only called
/// when all pending moves are in cycles: then each source has one reader, and the buffer
/// is free, because the last move of a broken cycle reads it.
fn save(pending: &mut Vec<Extent>, bounce: PhysRange) -> Extent {
    let smallest = (0..pending.len()).min_by_key(|&index| pending[index].len);
    let whole = pending.swap_remove(smallest.unwrap_or(0));
    let len = whole.len.min(bounce.len());
    pending.push(Extent {
        to: whole.to,
        from: bounce.start,
        len,
    });
    let rest = range(whole.to + len, whole.len - len);
    if !rest.is_empty() {
        pending.push(whole.part(rest));
    }
    Extent {
        to: bounce.start,
        from: whole.from,
        len,
    }
}

#[cfg(test)]
mod tests;
