//! Dumps of all programs and eras. The texts have the format of the programs' output, with values
//! made for the tests; recorded logs are in tests/data/decode.

mod edk2;
mod hostile;
mod linux;
mod qemu;
mod xen;

use super::*;
use crate::decode::found::FoundDump;
use crate::decode::lines::Lines;
use crate::decode::scan::Scanner;
use handoff::dump::Mode;

fn scan(log: &str) -> Vec<FoundDump> {
    let (mut lines, mut scanner, mut found) = (Lines::default(), Scanner::default(), Vec::new());
    lines.push(log.as_bytes(), |number, line| {
        found.extend(scanner.line(number, line))
    });
    lines.finish(|number, line| found.extend(scanner.line(number, line)));
    found.extend(scanner.finish());
    found
}

fn one(log: &str) -> FoundDump {
    let mut found = scan(log);
    assert_eq!(found.len(), 1, "{log}\n{found:#?}");
    found.remove(0)
}

fn labelled(log: &str, label: &str) -> String {
    log.lines()
        .map(|line| format!("{label}{line}\r\n"))
        .collect()
}
