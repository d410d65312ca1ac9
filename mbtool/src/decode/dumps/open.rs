//! A dump of which lines may follow.

use super::{MAX_NOISE, ReadDump};
use crate::decode::log_line::LogLine;

/// What an incomplete dump did with a line.
pub(super) enum Taken {
    /// It is part of the dump.
    Yes,
    /// It is not.
    No,
    /// It is the last line of the dump.
    Last,
}

/// An incomplete dump.
pub(super) trait OpenDump {
    /// Adds a line.
    fn take(&mut self, line: &LogLine<'_>) -> Taken;

    /// Number of lines since the last one of the dump.
    fn noise(&mut self) -> &mut usize;

    /// Completes it; `None` if it is no dump after all.
    fn end(self) -> Option<ReadDump>;
}

/// Adds a line to an incomplete dump. Ends the dump at its last line, and after [`MAX_NOISE`] lines
/// that are not part of it.
pub(super) fn add<D: OpenDump>(open: &mut Option<Box<D>>, line: &LogLine<'_>) -> Vec<ReadDump> {
    let Some(dump) = open else {
        return Vec::new();
    };
    let ends = match dump.take(line) {
        Taken::Yes => {
            *dump.noise() = 0;
            false
        }
        Taken::No => {
            *dump.noise() += 1;
            *dump.noise() > MAX_NOISE
        }
        Taken::Last => true,
    };
    if ends { end(open) } else { Vec::new() }
}

/// Ends an incomplete dump.
pub(super) fn end<D: OpenDump>(open: &mut Option<Box<D>>) -> Vec<ReadDump> {
    let dump = open.take();
    dump.and_then(|dump| dump.end()).into_iter().collect()
}
