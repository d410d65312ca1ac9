//! Dumps of all programs and eras. The texts have the format of the programs' output, with values
//! made for the tests; recorded logs are in tests/data/decode.

mod edk2;
mod hostile;
mod linux;
mod linux_arm64;
mod linux_riscv;
mod qemu;
mod xen;
mod xen_arm64;

use super::*;
use crate::decode::found::{CpuDump, FoundDump};
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

/// A dump of x86.
struct FoundX86 {
    source: DumpSource,
    line: usize,
    dump: Dump,
    details: DumpDetails,
}

fn one(log: &str) -> FoundX86 {
    let mut found = scan(log);
    assert_eq!(found.len(), 1, "{log}\n{found:#?}");
    x86(found.remove(0))
}

fn x86(found: FoundDump) -> FoundX86 {
    let CpuDump::X86(dump) = found.dump else {
        panic!("{found:#?}")
    };
    FoundX86 {
        source: found.source,
        line: found.line,
        dump,
        details: found.details,
    }
}

fn labelled(log: &str, label: &str) -> String {
    log.lines()
        .map(|line| format!("{label}{line}\r\n"))
        .collect()
}
