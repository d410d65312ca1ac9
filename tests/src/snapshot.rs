//! A snapshot of a machine's RAM in files, and changes since then.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::qmp::Qmp;
use guest_programs::known_pages::PAGE;

/// Bytes that are compared together.
const PART: u64 = 64 << 20;

/// Maximum number of differing pages to report.
const MANY: usize = 4096;

/// RAM of the machine, from the first byte to one past the last.
type Range = std::ops::Range<u64>;

/// A snapshot of RAM. Its files are removed with it.
#[derive(Debug)]
pub struct Snapshot {
    dir: PathBuf,
    runs: Vec<(Range, File)>,
}

/// A changed page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its address.
    pub page: u64,
    /// Offset of the first byte that differs, and of the last.
    pub first: usize,
    /// See [`Self::first`].
    pub last: usize,
    /// Bytes from [`Self::first`] on, 16 at most: before, and now.
    pub before: Vec<u8>,
    /// See [`Self::before`].
    pub now: Vec<u8>,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            page, first, last, ..
        } = self;
        write!(f, "{page:#x} +{first:#x}..={last:#x}: ")?;
        write!(f, "{:02x?} is now {:02x?}", self.before, self.now)
    }
}

impl Snapshot {
    /// Writes all RAM of a stopped machine to files in `dir`, which is QEMU's directory.
    pub fn take(qmp: &mut Qmp, dir: &Path) -> Result<Self> {
        let mut snapshot = Self {
            dir: dir.to_owned(),
            runs: Vec::new(),
        };
        for run in ram(&qmp.human("info mtree -f")?)? {
            let name = file_name(&run);
            qmp.pmemsave(run.start, run.end - run.start, &name)?;
            let file = File::open(dir.join(&name)).with_context(|| name.clone())?;
            let len = file.metadata()?.len();
            ensure!(
                len == run.end - run.start,
                "QEMU wrote {len} bytes to {name}"
            );
            snapshot.runs.push((run, file));
        }
        Ok(snapshot)
    }

    /// Bytes of RAM.
    pub fn len(&self) -> u64 {
        self.runs.iter().map(|(run, _)| run.end - run.start).sum()
    }

    /// True when it is empty.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Returns the contents from `start` to `end`.
    pub fn read(&self, start: u64, end: u64) -> Result<Vec<u8>> {
        let found = self
            .runs
            .iter()
            .find(|(run, _)| run.start <= start && end <= run.end);
        let (run, file) = found.with_context(|| format!("{start:#x}-{end:#x} is no RAM"))?;
        let mut bytes = vec![0; usize::try_from(end - start)?];
        file.read_exact_at(&mut bytes, start - run.start)?;
        Ok(bytes)
    }

    /// Compares all bytes with the stopped machine; returns the pages that differ, without those in
    /// `without`.
    pub fn changes(&self, qmp: &mut Qmp, without: &[Range]) -> Result<Vec<Change>> {
        const NOW: &str = "ram-now";
        let path = self.dir.join(NOW);
        let mut changes = Vec::new();
        for (run, _) in &self.runs {
            let mut at = run.start;
            while at < run.end {
                let end = run.end.min(at + PART);
                if !without
                    .iter()
                    .any(|hole| hole.start <= at && end <= hole.end)
                {
                    qmp.pmemsave(at, end - at, NOW)?;
                    let now = fs::read(&path).with_context(|| path.display().to_string());
                    fs::remove_file(&path)?;
                    let then = self.read(at, end)?;
                    compare(at, &then, &now?, without, &mut changes)?;
                }
                at = end;
            }
        }
        Ok(changes)
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        for (run, _) in &self.runs {
            let _ = fs::remove_file(self.dir.join(file_name(run)));
        }
    }
}

fn file_name(run: &Range) -> String {
    format!("ram-{:#x}", run.start)
}

fn compare(
    at: u64,
    then: &[u8],
    now: &[u8],
    without: &[Range],
    changes: &mut Vec<Change>,
) -> Result<()> {
    ensure!(then.len() == now.len(), "QEMU wrote {} bytes", now.len());
    let pages = then.chunks(PAGE).zip(now.chunks(PAGE));
    for (page, (then, now)) in (at..).step_by(PAGE).zip(pages) {
        if then == now || without.iter().any(|hole| hole.contains(&page)) {
            continue;
        }
        let differs = |n: &usize| then[*n] != now[*n];
        let first = (0..then.len()).find(differs).unwrap_or(0);
        let last = (0..then.len()).rfind(differs).unwrap_or(first);
        let end = then.len().min(first + 16);
        changes.push(Change {
            page,
            first,
            last,
            before: then[first..end].to_vec(),
            now: now[first..end].to_vec(),
        });
        ensure!(
            changes.len() < MANY,
            "{MANY} pages differ, the first: {}",
            changes[0]
        );
    }
    Ok(())
}

/// RAM as a CPU sees it, from the monitor's "info mtree -f": the parts of "pc.ram" in the address
/// space "memory", including read-only ones.
fn ram(tree: &str) -> Result<Vec<Range>> {
    let view = tree
        .split("FlatView #")
        .find(|view| view.contains("AS \"memory\""));
    let view = view.context("no address space \"memory\"")?;
    let mut runs: Vec<Range> = Vec::new();
    for line in view.lines() {
        let Some((range, _)) = line.trim().split_once(" (prio ") else {
            continue;
        };
        if !line.contains("): pc.ram") {
            continue;
        }
        let ends = range.split_once('-').with_context(|| line.to_owned())?;
        let start = u64::from_str_radix(ends.0, 16).with_context(|| line.to_owned())?;
        let last = u64::from_str_radix(ends.1, 16).with_context(|| line.to_owned())?;
        match runs.last_mut() {
            Some(run) if run.end == start => run.end = last + 1,
            _ => runs.push(start..last + 1),
        }
    }
    ensure!(!runs.is_empty(), "no RAM: {view}");
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "FlatView #1
 AS \"cpu-smm-0\", root: memory
  0000000000000000-00000000000bffff (prio 0, ram): pc.ram
FlatView #2
 AS \"memory\", root: system
 Root memory region: system
  0000000000000000-000000000009ffff (prio 0, ram): pc.ram
  00000000000a0000-00000000000bffff (prio 1, i/o): vga-lowmem
  00000000000c0000-00000000000c9fff (prio 0, rom): pc.ram @00000000000c0000
  00000000000ca000-00000000000fffff (prio 0, ram): pc.ram @00000000000ca000
  0000000000100000-000000007fffffff (prio 0, ram): pc.ram @0000000000100000
  00000000fd000000-00000000fdffffff (prio 1, ram): vga.vram
  0000000100000000-000000013fffffff (prio 0, ram): pc.ram @0000000080000000
";

    #[test]
    fn ram_is_read_from_the_memory_tree() {
        let runs = ram(TREE).unwrap();
        let expected = [
            0..0xa_0000,
            0xc_0000..0x8000_0000,
            0x1_0000_0000..0x1_4000_0000,
        ];
        assert_eq!(runs, expected);
        assert!(ram("FlatView #0\n AS \"I/O\"\n").is_err());
        assert!(ram("FlatView #0\n AS \"memory\", root: system\n").is_err());
    }

    #[test]
    fn every_byte_is_compared() {
        let then = vec![7; 3 * PAGE];
        let mut now = then.clone();
        now[2 * PAGE + 5] = 8;
        now[3 * PAGE - 1] = 9;
        now[0] = 1;
        let mut changes = Vec::new();
        let hole = 0x10_0000..0x10_1000;
        compare(
            0x10_0000,
            &then,
            &now,
            std::slice::from_ref(&hole),
            &mut changes,
        )
        .unwrap();
        assert_eq!(changes.len(), 1);
        let change = &changes[0];
        assert_eq!(
            (change.page, change.first, change.last),
            (0x10_2000, 5, 4095)
        );
        assert_eq!((change.before[0], change.now[0]), (7, 8));
        assert!(change.to_string().starts_with("0x102000 +0x5..=0xfff: [07"));
        compare(0x10_0000, &then, &now, &[], &mut changes).unwrap();
        assert_eq!(changes.len(), 3);
        assert!(compare(0, &then, &now[1..], &[], &mut changes).is_err());
    }
}
