//! Allocator: RAM minus named ranges.

pub use super::error::{FixedError, NoFreeRange};

use handoff::addr::{PAGE_SIZE, PhysRange, align_down, align_up};
use handoff::runs;
use std::cmp::Reverse;

/// End of the window to search first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefer {
    /// The lowest address that fits.
    Lowest,
    /// The highest address that fits.
    Highest,
}

/// Request for a memory range.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Segment name, for messages.
    pub name: String,
    /// Size in bytes, rounded up to pages.
    pub len: u64,
    /// Alignment of the start: a power of two, at least a page is used.
    pub align: u64,
    /// Range that must contain all of it.
    pub window: PhysRange,
    /// The range that would have to contain it without `--mem-min` and `--mem-max`.
    pub allowed: PhysRange,
    /// Choice among several possible addresses.
    pub prefer: Prefer,
}

/// Physical memory that can be loaded into, and its allocated parts.
#[derive(Clone, Debug)]
pub struct Arena {
    /// Whole pages of RAM, sorted and merged.
    ram: Vec<PhysRange>,
    /// Free ranges, sorted.
    free: Vec<PhysRange>,
    /// Allocated parts, with names.
    taken: Vec<(String, PhysRange)>,
}

impl Arena {
    /// Creates an arena from `ram`, in any order; partial pages are dropped.
    #[must_use]
    pub fn new(ram: impl IntoIterator<Item = PhysRange>) -> Self {
        let ram: Vec<PhysRange> = merged(ram)
            .iter()
            .filter_map(|run| run.align_inward(PAGE_SIZE))
            .collect();
        Self {
            free: ram.clone(),
            ram,
            taken: Vec::new(),
        }
    }

    /// Removes `range`, whether RAM or not, free or not.
    pub fn remove(&mut self, name: &str, range: PhysRange) {
        let pages = range.align_outward(PAGE_SIZE).unwrap_or(range);
        self.free = runs::without(self.free.iter().copied(), [pages]);
        self.taken.push((name.to_owned(), pages));
    }

    /// Allocates exactly the pages of `range`.
    ///
    /// # Errors
    ///
    /// When they are not RAM, or already allocated.
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

    /// Returns the best range for `ask`; `None` when there is none.
    #[must_use]
    pub fn find(&self, ask: &Ask) -> Option<PhysRange> {
        let len = align_up(ask.len.max(1), PAGE_SIZE)?;
        let align = ask.align.max(PAGE_SIZE);
        let mut places = self.free.iter().filter_map(|run| {
            let range = run.intersect(&ask.window)?;
            let start = match ask.prefer {
                Prefer::Lowest => align_up(range.start, align)?,
                Prefer::Highest => align_down(range.end.checked_sub(len)?, align),
            };
            PhysRange::from_len(start, len).filter(|place| range.covers(place))
        });
        match ask.prefer {
            Prefer::Lowest => places.next(),
            Prefer::Highest => places.next_back(),
        }
    }

    /// Allocates the best range for `ask`.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn take(&mut self, ask: &Ask) -> Result<PhysRange, NoFreeRange> {
        let place = self.find(ask).ok_or_else(|| self.no_free_range(ask))?;
        self.remove(&ask.name, place);
        Ok(place)
    }

    /// Allocates a range for each request, the most constrained first: narrow
    /// windows, then large alignments, then large sizes. The results are in the
    /// order of `asks`.
    ///
    /// # Errors
    ///
    /// When there is none for one of them.
    pub fn take_all(&mut self, asks: &[Ask]) -> Result<Vec<PhysRange>, NoFreeRange> {
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

    /// Returns the largest free range inside `window`.
    #[must_use]
    pub fn largest_free(&self, window: &PhysRange) -> Option<PhysRange> {
        // the lowest of equal ones
        let runs = self.free.iter().filter_map(|run| run.intersect(window));
        runs.max_by_key(|run| (run.len(), Reverse(run.start)))
    }

    /// Free memory inside `window`, in bytes.
    #[must_use]
    pub fn free_bytes(&self, window: &PhysRange) -> u64 {
        self.free
            .iter()
            .filter_map(|run| run.intersect(window))
            .map(|run| run.len())
            .sum()
    }

    /// All RAM, free or not: whole pages, sorted and merged.
    #[must_use]
    pub fn ram(&self) -> &[PhysRange] {
        &self.ram
    }

    /// Returns the error for `ask`, for which there is no range.
    pub(super) fn no_free_range(&self, ask: &Ask) -> NoFreeRange {
        NoFreeRange {
            name: ask.name.clone(),
            len: ask.len,
            align: ask.align.max(PAGE_SIZE),
            window: ask.window,
            ram: self.ram.clone(),
            largest: self.largest_free(&ask.window),
            elsewhere: self
                .find(&Ask {
                    window: ask.allowed,
                    ..ask.clone()
                })
                .map(|place| place.start),
        }
    }
}

/// Returns `ranges` sorted, without empty ones; adjacent and overlapping ones become one.
pub(crate) fn merged(ranges: impl IntoIterator<Item = PhysRange>) -> Vec<PhysRange> {
    let mut runs: Vec<PhysRange> = ranges.into_iter().filter(|run| !run.is_empty()).collect();
    runs.sort_unstable();
    let mut merged: Vec<PhysRange> = Vec::with_capacity(runs.len());
    for run in runs {
        match merged.last_mut() {
            Some(last) if run.start <= last.end => last.end = last.end.max(run.end),
            _ => merged.push(run),
        }
    }
    merged
}

/// Formats ranges for a message: the first few, and the number of others.
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
