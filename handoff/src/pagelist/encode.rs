//! Encodes a list.

extern crate alloc;
use super::{DESTINATION, DONE, INDIRECTION, PageMove, SOURCE, WORDS};
use crate::addr::PAGE_SIZE;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

/// An encoded list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The head: the first word, passed by value.
    pub head: u64,
    /// List pages with their physical addresses.
    pub pages: Vec<(u64, [u64; WORDS])>,
    /// Number of words that a walk reads, including head and end.
    pub words: u64,
}

/// Why moves cannot be encoded as a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// An address that is not page aligned.
    Unaligned {
        /// The address.
        addr: u64,
    },
    /// A page with two sources, or (for an exchange) a source with two
    /// destinations.
    Twice {
        /// The page.
        page: u64,
    },
    /// A page that is written as a destination before or after it is read as
    /// a source: the result would depend on the order.
    Order {
        /// The page.
        page: u64,
    },
    /// A list page that is moved itself.
    ListMoved {
        /// The list page.
        page: u64,
    },
    /// Not enough list pages.
    ListPages {
        /// Number of pages needed.
        needed: usize,
        /// Number of pages given.
        found: usize,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Unaligned { addr } => {
                write!(
                    f,
                    "{addr:#x} is not page aligned: a page list moves whole pages"
                )
            }
            Self::Twice { page } => write!(f, "page {page:#x} is moved twice"),
            Self::Order { page } => write!(
                f,
                "page {page:#x} is a source and another one's destination: use extents, which \
                 are put in order"
            ),
            Self::ListMoved { page } => write!(f, "list page {page:#x} is moved itself"),
            Self::ListPages { needed, found } => {
                write!(f, "{found} list pages, {needed} are needed")
            }
        }
    }
}

impl core::error::Error for EncodeError {}

/// Words for `steps`: a destination per run, a source per page.
fn words(steps: &[PageMove]) -> impl Iterator<Item = u64> {
    let mut next = None;
    steps.iter().flat_map(move |step| {
        let follows = next == Some(step.to);
        next = step.to.checked_add(PAGE_SIZE);
        let to = (!follows).then_some(step.to | DESTINATION);
        to.into_iter().chain([step.from | SOURCE])
    })
}

/// Returns the number of list pages that [`encode`] needs for `steps`.
#[must_use]
pub fn pages_needed(steps: &[PageMove]) -> usize {
    // the last word of a page links to the next or ends the list
    words(steps).count().div_ceil(WORDS - 1)
}

/// Encodes `steps` as a list in `list_pages` (as many as needed).
///
/// A walk may execute the steps in any order, and execute an exchange twice to
/// revert it: no page is part of two steps.
///
/// # Errors
///
/// Names the page that violates that rule, is not aligned, or is missing.
pub fn encode(steps: &[PageMove], list_pages: &[u64], swap: bool) -> Result<Encoded, EncodeError> {
    let needed = pages_needed(steps);
    let Some(list_pages) = list_pages.get(..needed) else {
        let found = list_pages.len();
        return Err(EncodeError::ListPages { needed, found });
    };
    check(steps, list_pages, swap)?;
    let mut pages = Vec::with_capacity(needed);
    let all: Vec<u64> = words(steps).collect();
    let parts = all.chunks(WORDS - 1);
    for (index, (part, &page)) in parts.zip(list_pages).enumerate() {
        let mut words = [0; WORDS];
        words[..part.len()].copy_from_slice(part);
        words[part.len()] = match list_pages.get(index + 1) {
            Some(next) => next | INDIRECTION,
            None => DONE,
        };
        pages.push((page, words));
    }
    Ok(Encoded {
        head: list_pages.first().map_or(DONE, |page| page | INDIRECTION),
        // the head, the words, one link or end in each page
        words: (1 + all.len() + needed) as u64,
        pages,
    })
}

fn check(steps: &[PageMove], list_pages: &[u64], swap: bool) -> Result<(), EncodeError> {
    let addresses = steps.iter().flat_map(|step| [step.to, step.from]);
    for addr in addresses.chain(list_pages.iter().copied()) {
        if !addr.is_multiple_of(PAGE_SIZE) {
            return Err(EncodeError::Unaligned { addr });
        }
    }
    let mut sources = BTreeMap::new();
    let mut destinations = BTreeMap::new();
    for (index, step) in steps.iter().enumerate() {
        if destinations.insert(step.to, index).is_some() {
            return Err(EncodeError::Twice { page: step.to });
        }
        if sources.insert(step.from, index).is_some() && swap {
            return Err(EncodeError::Twice { page: step.from });
        }
    }
    for step in steps {
        let moved_on = destinations.get(&step.from);
        if moved_on.is_some_and(|&other| steps[other] != *step) {
            return Err(EncodeError::Order { page: step.from });
        }
    }
    for (index, page) in list_pages.iter().enumerate() {
        if sources.contains_key(page) || destinations.contains_key(page) {
            return Err(EncodeError::ListMoved { page: *page });
        }
        if list_pages[..index].contains(page) {
            return Err(EncodeError::Twice { page: *page });
        }
    }
    Ok(())
}
