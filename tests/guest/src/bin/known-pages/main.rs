//! Runs in guests of the crash tests.
//!
//! - `known-pages make DIR COUNT` writes pages 0 to COUNT - 1 into files of DIR, a tmpfs, so that
//!   they are in memory.
//! - `known-pages low FIRST` writes pages from FIRST on below 1 MiB, where Linux stores
//!   nothing.
//! - `known-pages scan CORE COUNT [digests]` counts the intact ones in an ELF core (/proc/vmcore),
//!   and prints digests of all of its memory.
//! - `known-pages notes CORE` prints the core's notes, like `readelf -n`.

mod elf_core;
mod file_mapping;
mod low_memory;
mod notes;
mod scan;

use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use guest_programs::known_pages::{MARKER, page};

/// Pages in one file.
const PER_FILE: u64 = 64;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["make", dir, count] => number(count).and_then(|count| make(Path::new(dir), count)),
        ["low", first] => number(first).and_then(low_memory::make),
        ["scan", core, count] => {
            number(count).and_then(|count| scan::run(Path::new(core), count, false))
        }
        ["scan", core, count, "digests"] => {
            number(count).and_then(|count| scan::run(Path::new(core), count, true))
        }
        ["notes", core] => notes::run(Path::new(core)),
        _ => Err(anyhow::anyhow!(
            "usage: known-pages make DIR COUNT | low FIRST | scan CORE COUNT [digests] | notes CORE"
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{MARKER}FAIL {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn number(text: &str) -> Result<u64> {
    match text.parse() {
        Ok(number) if number > 0 && number <= 1 << 24 => Ok(number),
        _ => bail!("{text:?} is no number of pages"),
    }
}

fn make(dir: &Path, count: u64) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    for first in (0..count).step_by(PER_FILE as usize) {
        let path = dir.join(format!("{first:08}"));
        let mut file = File::create(&path).with_context(|| path.display().to_string())?;
        for index in first..count.min(first + PER_FILE) {
            file.write_all(&page(index))
                .with_context(|| path.display().to_string())?;
        }
    }
    println!("{MARKER}made={count}");
    Ok(())
}
