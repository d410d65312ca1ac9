//! The page list of Linux's `kimage` (`include/linux/kexec.h`, `IND_*`): pages
//! to copy and their destinations, as words in list pages.
//!
//! A word is a page-aligned physical address with one flag. [`DESTINATION`]
//! gives the target of the next source page and advances by a page with each;
//! [`INDIRECTION`] gives the next list page; [`DONE`] ends the list. The first
//! word, the head, is passed by value. Words without a known flag are skipped;
//! of several flags the lowest applies.
//!
//! Every walk is bounded, even of a list with a loop.

use crate::addr::PAGE_SIZE;
use core::fmt;

/// Destination of the next source page.
pub const DESTINATION: u64 = 1;
/// Next list page.
pub const INDIRECTION: u64 = 2;
/// End of the list.
pub const DONE: u64 = 4;
/// A page to copy, or to exchange.
pub const SOURCE: u64 = 8;
/// Words in a list page.
pub const WORDS: usize = 512;

/// A decoded word of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageListEntry {
    /// [`DESTINATION`], with the page's address.
    Destination(u64),
    /// [`INDIRECTION`], with the list page's address.
    Indirection(u64),
    /// [`DONE`].
    Done,
    /// [`SOURCE`], with the page's address.
    Source(u64),
    /// No known flag.
    Other,
}

/// Decodes a word.
#[must_use]
pub const fn decode(word: u64) -> PageListEntry {
    let page = word & !(PAGE_SIZE - 1);
    if word & DESTINATION != 0 {
        PageListEntry::Destination(page)
    } else if word & INDIRECTION != 0 {
        PageListEntry::Indirection(page)
    } else if word & DONE != 0 {
        PageListEntry::Done
    } else if word & SOURCE != 0 {
        PageListEntry::Source(page)
    } else {
        PageListEntry::Other
    }
}

/// One page to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageMove {
    /// Physical address of the destination page.
    pub to: u64,
    /// Physical address of the source page.
    pub from: u64,
}

/// Why a list is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListError {
    /// More words than any valid list: it has a loop.
    TooLong {
        /// The limit, in words.
        limit: u64,
    },
    /// The head is neither an indirection nor the end.
    Head {
        /// The head.
        word: u64,
    },
    /// A list page that is not memory.
    Unreadable {
        /// Address of the word.
        at: u64,
    },
    /// A source page before any destination.
    NoDestination {
        /// The source page.
        from: u64,
    },
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooLong { limit } => write!(
                f,
                "page list has no end within {limit} words: it has a cycle"
            ),
            Self::Head { word } => write!(
                f,
                "page list starts with {word:#x}, expected an indirection (2) or the end (4)"
            ),
            Self::Unreadable { at } => {
                write!(f, "page list continues at {at:#x}, where no list page is")
            }
            Self::NoDestination { from } => {
                write!(f, "page list has source {from:#x} before any destination")
            }
        }
    }
}

impl core::error::Error for ListError {}

/// A walk over a list: one [`PageMove`] per source page, or the error that ended
/// it. `read` returns the word at a physical address.
#[derive(Clone, Debug)]
pub struct Walk<R> {
    read: R,
    /// The head, until it was read.
    head: Option<u64>,
    /// Address of the next word.
    cursor: Option<u64>,
    to: Option<u64>,
    left: u64,
    limit: u64,
    ended: bool,
}

impl<R: FnMut(u64) -> Option<u64>> Walk<R> {
    /// Starts at `head`; reads at most `limit` words.
    pub const fn new(head: u64, limit: u64, read: R) -> Self {
        Self {
            read,
            head: Some(head),
            cursor: None,
            to: None,
            left: limit,
            limit,
            ended: false,
        }
    }

    fn word(&mut self) -> Result<u64, ListError> {
        let limit = self.limit;
        self.left = self
            .left
            .checked_sub(1)
            .ok_or(ListError::TooLong { limit })?;
        if let Some(head) = self.head.take() {
            return match decode(head) {
                PageListEntry::Indirection(_) | PageListEntry::Done => Ok(head),
                _ => Err(ListError::Head { word: head }),
            };
        }
        let at = self.cursor.unwrap_or(u64::MAX);
        self.cursor = at.checked_add(8);
        (self.read)(at).ok_or(ListError::Unreadable { at })
    }

    fn step(&mut self) -> Result<Option<PageMove>, ListError> {
        loop {
            match decode(self.word()?) {
                PageListEntry::Destination(page) => self.to = Some(page),
                PageListEntry::Indirection(page) => self.cursor = Some(page),
                PageListEntry::Done => return Ok(None),
                PageListEntry::Source(from) => {
                    let to = self.to.ok_or(ListError::NoDestination { from })?;
                    self.to = to.checked_add(PAGE_SIZE);
                    return Ok(Some(PageMove { to, from }));
                }
                PageListEntry::Other => {}
            }
        }
    }
}

impl<R: FnMut(u64) -> Option<u64>> Iterator for Walk<R> {
    type Item = Result<PageMove, ListError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let step = self.step();
        self.ended = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}

#[cfg(not(freestanding))]
pub use encode::{EncodeError, Encoded, encode, pages_needed};
#[cfg(not(freestanding))]
pub use interpret::{SimulatedMemory, interpret};

#[cfg(not(freestanding))]
#[path = "pagelist/encode.rs"]
mod encode;
#[cfg(not(freestanding))]
#[path = "pagelist/interpret.rs"]
mod interpret;
#[cfg(test)]
#[path = "pagelist/tests.rs"]
mod tests;
