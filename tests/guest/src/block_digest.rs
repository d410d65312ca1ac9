//! Digests of memory by block: printed by a program in the guest about a dump, and computed by a
//! test from the machine's memory.

use anyhow::{Context, Result, ensure};

use crate::known_pages::{MARKER, PAGE};

/// Blocks up to this address are pages.
const LOW: u64 = 1 << 20;
/// Blocks up to this address have 64 KiB: dom0's range is below.
const MIDDLE: u64 = 256 << 20;

/// Number of digests per line.
const PER_LINE: usize = 16;

/// Prefix of each line of digests.
const LINE: &str = "crc ";

/// One past the last byte of the block that has the byte at `addr`.
pub fn end_of(addr: u64) -> u64 {
    let len = match addr {
        0..LOW => PAGE as u64,
        LOW..MIDDLE => 64 << 10,
        _ => 1 << 20,
    };
    (addr / len + 1).saturating_mul(len)
}

/// Returns the blocks from `start` to `end`; the first and the last may be
/// partial.
pub fn blocks(start: u64, end: u64) -> impl Iterator<Item = (u64, u64)> {
    let mut at = start;
    std::iter::from_fn(move || {
        let block = (at, end_of(at).min(end));
        at = block.1;
        (block.0 < block.1).then_some(block)
    })
}

/// Computes digests of memory that is read in parts.
#[derive(Debug)]
pub struct Digests {
    at: u64,
    hasher: crc32fast::Hasher,
    /// Of whole blocks, in order.
    done: Vec<u32>,
}

impl Digests {
    /// For memory from `start` on.
    pub fn new(start: u64) -> Self {
        Self {
            at: start,
            hasher: crc32fast::Hasher::new(),
            done: Vec::new(),
        }
    }

    /// Adds the next bytes.
    pub fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let end = end_of(self.at);
            let left = usize::try_from(end - self.at).unwrap_or(usize::MAX);
            let (part, rest) = bytes.split_at(left.min(bytes.len()));
            self.hasher.update(part);
            self.at += part.len() as u64;
            if self.at == end {
                self.done.push(std::mem::take(&mut self.hasher).finalize());
            }
            bytes = rest;
        }
    }

    /// Returns all digests; the last block may be partial.
    pub fn finish(mut self, start: u64) -> Vec<u32> {
        if blocks(start, self.at).count() > self.done.len() {
            self.done.push(self.hasher.finalize());
        }
        self.done
    }
}

/// Formats `digests` of memory from `start` on as lines.
pub fn lines(start: u64, digests: &[u32]) -> Vec<String> {
    let mut lines = Vec::with_capacity(digests.len() / PER_LINE + 1);
    for (n, part) in digests.chunks(PER_LINE).enumerate() {
        let words: Vec<String> = part.iter().map(|crc| format!("{crc:08x}")).collect();
        lines.push(format!(
            "{MARKER}{LINE}{start:#x} {}: {}",
            n * PER_LINE,
            words.join(" ")
        ));
    }
    lines
}

/// A memory range of a dump, as read by the guest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DigestedRange {
    /// Physical address of the first byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// Digests of its blocks.
    pub digests: Vec<u32>,
}

/// Returns the lines of the test in `log`. Xen prints at any time, also in the middle of a line,
/// which then continues in the next.
fn mended(log: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut begun = String::new();
    for line in log {
        let ours = !begun.is_empty() || line.contains(MARKER);
        match line.split_once("(XEN) ") {
            Some((start, _)) if ours => begun.push_str(start),
            _ if ours => lines.push(std::mem::take(&mut begun) + line),
            _ => {}
        }
    }
    lines
}

/// Returns all memory ranges reported by the guest, in order.
pub fn read(log: &[String]) -> Result<Vec<DigestedRange>> {
    let mut loads: Vec<DigestedRange> = Vec::new();
    for line in mended(log) {
        let Some((_, line)) = line.split_once(MARKER) else {
            continue;
        };
        if let Some(load) = line.strip_prefix("load=") {
            let range = load.split(' ').next().unwrap_or_default().split_once('-');
            let (start, end) = range.with_context(|| line.to_owned())?;
            loads.push(DigestedRange {
                start: hex(start)?,
                end: hex(end)?,
                digests: Vec::new(),
            });
        } else if let Some(digests) = line.strip_prefix(LINE) {
            let parts = digests.split_once(": ");
            let (place, words) = parts.with_context(|| line.to_owned())?;
            let load = loads.last_mut().context("digests of nothing")?;
            let expected = format!("{:#x} {}", load.start, load.digests.len());
            ensure!(place == expected, "digests {place:?}, expected {expected}");
            for word in words.split(' ') {
                let crc = u32::from_str_radix(word, 16).with_context(|| line.to_owned())?;
                load.digests.push(crc);
            }
        }
    }
    for load in &loads {
        let count = blocks(load.start, load.end).count();
        ensure!(
            load.digests.len() == count,
            "{} digests of {:#x}-{:#x}, expected {count}",
            load.digests.len(),
            load.start,
            load.end
        );
    }
    Ok(loads)
}

fn hex(text: &str) -> Result<u64> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u64::from_str_radix(digits, 16).with_context(|| format!("{text:?} is no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_small_below_1_mib_and_larger_above() {
        let found: Vec<_> = blocks(0x1000, 0x9_fc00).collect();
        assert_eq!(found.len(), 0x9f);
        assert_eq!(found[0], (0x1000, 0x2000));
        assert_eq!(found[0x9e], (0x9_f000, 0x9_fc00));
        let found: Vec<_> = blocks(0xff_f000, 0x102_0001).collect();
        assert_eq!(
            found,
            [
                (0xff_f000, 0x100_0000),
                (0x100_0000, 0x101_0000),
                (0x101_0000, 0x102_0000),
                (0x102_0000, 0x102_0001)
            ]
        );
        assert_eq!(end_of(0x1_2345_6789), 0x1_2350_0000);
        assert_eq!(blocks(0x1000, 0x1000).count(), 0);
    }

    #[test]
    fn printed_digests_are_parsed() {
        let bytes: Vec<u8> = (0..0x13_0001_u32).map(|n| (n >> 7 ^ n) as u8).collect();
        let start = 0xf_8000;
        for step in [0x13_0001, 0x1000, 777] {
            let mut digests = Digests::new(start);
            bytes.chunks(step).for_each(|part| digests.add(part));
            let digests = digests.finish(start);
            let expected: Vec<u32> = blocks(start, start + bytes.len() as u64)
                .map(|(from, to)| {
                    crc32fast::hash(&bytes[(from - start) as usize..(to - start) as usize])
                })
                .collect();
            assert_eq!(digests, expected);
            let mut log = vec![
                "(XEN) something".to_owned(),
                format!("{MARKER}made=1"),
                format!("{MARKER}load=0xf8000-0x228001 virt=0x0"),
            ];
            log.extend(lines(start, &digests));
            let rest = log[3].split_off(40);
            log[3].push_str("(XEN) uart interrupt taking more than 4ms, switched to polling");
            log.insert(4, rest);
            let loads = read(&log).unwrap();
            assert_eq!((loads[0].start, loads[0].end), (start, 0x22_8001));
            assert_eq!(loads[0].digests, expected);
            // a line is missing
            log.drain(3..5);
            assert!(read(&log).is_err());
        }
        // the end is missing
        let log = [format!("{MARKER}load=0x0-0x2000 virt=0x0")];
        assert!(read(&log).unwrap_err().to_string().contains("expected 2"));
    }
}
