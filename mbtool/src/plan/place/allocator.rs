//! Finding room: RAM minus what is taken.

use handoff::addr::{PAGE_SIZE, PhysRange, align_down, align_up};
use handoff::runs;
use std::cmp::Reverse;
use std::fmt;

/// Which end of the window to try first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefer {
    /// The lowest address that fits.
    Lowest,
    /// The highest one.
    Highest,
}

/// A wish for room.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Segment name, for messages.
    pub name: String,
    /// Bytes, rounded up to pages when placed.
    pub len: u64,
    /// Alignment of the start: a power of two; a page at least is used.
    pub align: u64,
    /// Where it must be, as a whole.
    pub window: PhysRange,
    /// Which place of several.
    pub prefer: Prefer,
}

/// Physical memory that can be loaded into, and who has which part.
#[derive(Clone, Debug)]
pub struct Arena {
    /// Whole pages of RAM, sorted and merged.
    ram: Vec<PhysRange>,
    /// What is left, sorted.
    free: Vec<PhysRange>,
    /// Named parts that are not free.
    taken: Vec<(String, PhysRange)>,
}

impl Arena {
    /// Starts with `ram`, in any order; parts of pages are left out.
    #[must_use]
    pub fn new(ram: impl IntoIterator<Item = PhysRange>) -> Self {
        let mut runs: Vec<PhysRange> = ram.into_iter().filter(|run| !run.is_empty()).collect();
        runs.sort_unstable();
        let mut merged: Vec<PhysRange> = Vec::with_capacity(runs.len());
        for run in runs {
            match merged.last_mut() {
                Some(last) if run.start <= last.end => last.end = last.end.max(run.end),
                _ => merged.push(run),
            }
        }
        let ram: Vec<PhysRange> = merged
            .iter()
            .filter_map(|run| run.align_inward(PAGE_SIZE))
            .collect();
        Self {
            free: ram.clone(),
            ram,
            taken: Vec::new(),
        }
    }

    /// Takes `range` out, RAM or not, free or not.
    pub fn remove(&mut self, name: &str, range: PhysRange) {
        let pages = range.align_outward(PAGE_SIZE).unwrap_or(range);
        self.free = runs::without(self.free.iter().copied(), [pages]);
        self.taken.push((name.to_owned(), pages));
    }

    /// Takes exactly the pages of `range`.
    ///
    /// # Errors
    ///
    /// They are not RAM, or somebody has them.
    pub fn fix(&mut self, name: &str, range: PhysRange) -> Result<PhysRange, FixedError> {
        let name = || name.to_owned();
        let pages = range
            .align_outward(PAGE_SIZE)
            .ok_or_else(|| FixedError::NotRam {
                name: name(),
                range,
                ram: self.ram.clone(),
            })?;
        if let Some((by, at)) = self.taken.iter().find(|(_, at)| at.overlaps(&pages)) {
            return Err(FixedError::Taken {
                name: name(),
                range: pages,
                by: by.clone(),
                at: *at,
            });
        }
        if !self.free.iter().any(|run| run.covers(&pages)) {
            return Err(FixedError::NotRam {
                name: name(),
                range: pages,
                ram: self.ram.clone(),
            });
        }
        self.remove(&name(), pages);
        Ok(pages)
    }

    /// The best place for `ask`; `None` only when there is none.
    #[must_use]
    pub fn find(&self, ask: &Ask) -> Option<PhysRange> {
        let len = align_up(ask.len.max(1), PAGE_SIZE)?;
        let align = ask.align.max(PAGE_SIZE);
        let mut places = self.free.iter().filter_map(|run| {
            let room = run.intersect(&ask.window)?;
            let start = match ask.prefer {
                Prefer::Lowest => align_up(room.start, align)?,
                Prefer::Highest => align_down(room.end.checked_sub(len)?, align),
            };
            PhysRange::from_len(start, len).filter(|place| room.covers(place))
        });
        match ask.prefer {
            Prefer::Lowest => places.next(),
            Prefer::Highest => places.next_back(),
        }
    }

    /// Takes the best place for `ask`.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn take(&mut self, ask: &Ask) -> Result<PhysRange, NoRoom> {
        let place = self.find(ask).ok_or_else(|| self.no_room(ask))?;
        self.remove(&ask.name, place);
        Ok(place)
    }

    /// Takes a place for each, the most constrained first: narrow windows, then
    /// big alignments, then big sizes. The answers are in the order of `asks`.
    ///
    /// # Errors
    ///
    /// One of them has none.
    pub fn take_all(&mut self, asks: &[Ask]) -> Result<Vec<PhysRange>, NoRoom> {
        let mut order: Vec<usize> = (0..asks.len()).collect();
        order.sort_by_key(|&index| {
            let ask = &asks[index];
            (
                ask.window.len(),
                Reverse(ask.align),
                Reverse(ask.len),
                index,
            )
        });
        let mut places = vec![PhysRange::default(); asks.len()];
        for index in order {
            places[index] = self.take(&asks[index])?;
        }
        Ok(places)
    }

    /// The largest free run inside `window`.
    #[must_use]
    pub fn largest_free(&self, window: &PhysRange) -> Option<PhysRange> {
        // the lowest of equals
        let runs = self.free.iter().filter_map(|run| run.intersect(window));
        runs.max_by_key(|run| (run.len(), Reverse(run.start)))
    }

    /// Free bytes inside `window`.
    #[must_use]
    pub fn free_bytes(&self, window: &PhysRange) -> u64 {
        self.free
            .iter()
            .filter_map(|run| run.intersect(window))
            .map(|run| run.len())
            .sum()
    }

    /// Whole pages of RAM, sorted and merged, free or not.
    #[must_use]
    pub fn ram(&self) -> &[PhysRange] {
        &self.ram
    }

    fn no_room(&self, ask: &Ask) -> NoRoom {
        NoRoom {
            name: ask.name.clone(),
            len: ask.len,
            align: ask.align.max(PAGE_SIZE),
            window: ask.window,
            ram: self.ram.clone(),
            largest: self.largest_free(&ask.window),
        }
    }
}

/// Nothing free is big enough where it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoRoom {
    /// Segment name.
    pub name: String,
    /// Bytes asked for.
    pub len: u64,
    /// Alignment asked for.
    pub align: u64,
    /// Where it had to be.
    pub window: PhysRange,
    /// All RAM.
    pub ram: Vec<PhysRange>,
    /// The largest free run in the window.
    pub largest: Option<PhysRange>,
}

impl std::error::Error for NoRoom {}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            len,
            align,
            window,
            ram,
            largest,
        } = self;
        write!(
            f,
            "no room for {name}: {len:#x} bytes aligned to {align:#x} within {window}; "
        )?;
        match largest {
            Some(run) => write!(
                f,
                "the largest free run there is {run} ({:#x} bytes)",
                run.len()
            )?,
            None => write!(f, "nothing is free there")?,
        }
        write!(f, ", RAM is {}; ", list(ram))?;
        write!(f, "widen the window (--mem-min, --mem-max) or load less")
    }
}

/// A place that an image insists on cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FixedError {
    /// Not RAM, or not all of it.
    #[error(
        "{name} must be at {range}, which is not all free RAM: RAM is {}; the image has no \
         relocatable tag that would let it go elsewhere",
        list(ram)
    )]
    NotRam {
        /// Segment name.
        name: String,
        /// Pages wanted.
        range: PhysRange,
        /// All RAM.
        ram: Vec<PhysRange>,
    },
    /// Somebody else's.
    #[error("{name} must be at {range}, but {by} has {at}")]
    Taken {
        /// Segment name.
        name: String,
        /// Pages wanted.
        range: PhysRange,
        /// Who has them.
        by: String,
        /// What that one has.
        at: PhysRange,
    },
}

/// Ranges for a message: the first few, and how many more.
pub(crate) fn list(ranges: &[PhysRange]) -> String {
    const SHOWN: usize = 8;
    if ranges.is_empty() {
        return "none".to_owned();
    }
    let shown: Vec<String> = ranges.iter().take(SHOWN).map(ToString::to_string).collect();
    let mut text = shown.join(", ");
    if ranges.len() > SHOWN {
        text += &format!(" and {} more", ranges.len() - SHOWN);
    }
    text
}

#[cfg(test)]
mod tests;
