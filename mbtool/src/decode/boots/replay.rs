//! Whether a kernel that seems to start again is a log that a program prints (`dmesg`).
//!
//! In such a log the lines have the times that they had. A kernel that starts again prints much of the
//! same text, but not in the same microseconds. Times of a clock with ticks (0.004000, 0.008000) are no
//! evidence, and neither is 0.000000.

use crate::decode::log_line::LogLine;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Maximum number of lines of a boot that are kept, as digests.
const KEPT: usize = 8192;
/// Number of repeated lines that make a replay.
const ENOUGH: usize = 4;
/// Number of lines after which there is none.
const COMPARED: usize = 64;

/// Lines of a kernel, each with its time.
#[derive(Clone, Debug, Default)]
pub(super) struct KernelLines(HashSet<u64>);

impl KernelLines {
    /// Adds a line; false for one that tells nothing.
    pub(super) fn add(&mut self, line: &LogLine<'_>) -> bool {
        let Some(digest) = digest(line) else {
            return false;
        };
        if self.0.len() < KEPT {
            self.0.insert(digest);
        }
        true
    }
}

/// The digest of a line whose time has microseconds.
fn digest(line: &LogLine<'_>) -> Option<u64> {
    let time = line.time.filter(|time| !time.ends_with("000"))?;
    let mut hasher = DefaultHasher::new();
    (time, line.body).hash(&mut hasher);
    Some(hasher.finish())
}

/// What is known about a suspected replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeated {
    /// Too few lines so far.
    Unknown,
    /// It is a replay.
    Yes,
    /// It is a boot.
    No,
}

/// A boot that may be a log of the one before.
#[derive(Clone, Debug)]
pub(super) struct SuspectedReplay {
    earlier: KernelLines,
    compared: usize,
    same: usize,
}

impl SuspectedReplay {
    /// `earlier`: the lines of the boot before.
    pub(super) fn new(earlier: KernelLines) -> Self {
        Self {
            earlier,
            compared: 0,
            same: 0,
        }
    }

    /// Compares a line.
    pub(super) fn line(&mut self, line: &LogLine<'_>) -> Repeated {
        if let Some(digest) = digest(line) {
            self.compared += 1;
            self.same += usize::from(self.earlier.0.contains(&digest));
        }
        match () {
            () if self.same >= ENOUGH => Repeated::Yes,
            () if self.compared >= COMPARED => Repeated::No,
            () => Repeated::Unknown,
        }
    }

    /// Returns the lines of the boot before.
    pub(super) fn into_earlier(self) -> KernelLines {
        self.earlier
    }
}
