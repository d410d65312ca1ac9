//! Failed steps: printed on the console, and recorded beside the dump.

use super::context::SaveContext;
use super::copy::CopyResult;
use super::record::DumpInfo;
use crate::sys::size::Size;

/// Reports ranges that a copy could not read.
pub fn lost(run: &SaveContext, copied: &CopyResult, record: &mut DumpInfo) {
    let lost = &copied.lost;
    if let Some(first) = lost.ranges.first() {
        let text = format!(
            "{} of the dump could not be read and are zeros, the first {} at offset {:#x}",
            Size(lost.bytes),
            Size(first.end - first.start),
            first.start
        );
        problem(run, record, text);
    }
}

/// Reports and records a problem.
pub fn problem(run: &SaveContext, record: &mut DumpInfo, text: String) {
    run.console.say(&text);
    record.problems.push(text);
}
