//! /proc/iomem: the running kernel's memory map, and its crash regions.
//!
//! Lines are `START-END : NAME`, hex without 0x, `END` inclusive, two spaces of
//! indent per level of nesting.

use super::{MapEntry, MemoryError, MemoryKind, RawRange, firmware};
use crate::sys::file;
use crate::sys::number;

/// Contents of /proc/iomem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Iomem {
    /// Memory ranges, not normalized.
    pub entries: Vec<MapEntry>,
    /// "Crash kernel" entries, sorted.
    pub crash_regions: Vec<RawRange>,
    /// RAM that drivers have added, not normalized.
    pub added: Vec<MapEntry>,
    /// "Reserved" ranges inside of other ones, which are in `entries`, too, not normalized.
    pub nested: Vec<MapEntry>,
}

/// Parses the text.
///
/// "System RAM" counts at the top level only: on deeper levels, or with a
/// driver's name after it, it is memory added by a driver (virtio-mem, dax).
/// Linux uses it, but the next kernel may not. Restrictive types count at every
/// level. Other names are devices, or the running kernel's own parts, and are
/// left out.
///
/// # Errors
///
/// A malformed line (with its number), or [`MemoryError::Hidden`] when all
/// addresses are zero.
pub fn parse(content: &str) -> Result<Iomem, MemoryError> {
    let mut found = Iomem::default();
    let (mut lines, mut hidden) = (0_usize, 0_usize);
    for (at, line) in content.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let depth = line.len() - line.trim_start_matches(' ').len();
        let Some((start, last, name)) = fields(line.trim()) else {
            return Err(MemoryError::IomemLine {
                line: at + 1,
                found: file::excerpt(line),
            });
        };
        if last < start {
            return Err(MemoryError::IomemBackwards {
                line: at + 1,
                start,
                end: last,
            });
        }
        lines += 1;
        if last == 0 {
            hidden += 1;
            continue;
        }
        let end = last.saturating_add(1);
        match firmware::kind(name) {
            Some(MemoryKind::Ram) if depth > 0 => found.added.push(MapEntry {
                start,
                end,
                kind: MemoryKind::Ram,
            }),
            Some(kind) => {
                let entry = MapEntry { start, end, kind };
                found.entries.push(entry);
                let nested = depth > 0 && kind == MemoryKind::Reserved;
                found.nested.extend(nested.then_some(entry));
            }
            None if name == "Crash kernel" => {
                found.crash_regions.push(RawRange { start, end });
            }
            None if name.starts_with("System RAM (") => found.added.push(MapEntry {
                start,
                end,
                kind: MemoryKind::Ram,
            }),
            None => {}
        }
    }
    if lines > 0 && lines == hidden {
        return Err(MemoryError::Hidden);
    }
    found
        .crash_regions
        .sort_unstable_by_key(|region| region.start);
    Ok(found)
}

/// Returns start, last byte and name of a line.
fn fields(line: &str) -> Option<(u64, u64, &str)> {
    let (range, name) = line.split_once(" : ")?;
    let (start, last) = range.trim_end().split_once('-')?;
    Some((number::hex(start)?, number::hex(last)?, name.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SAMPLE: &str = "\
00000000-00000fff : Reserved
00001000-0009fbff : System RAM
0009fc00-0009ffff : Reserved
000a0000-000bffff : PCI Bus 0000:00
000f0000-000fffff : Reserved
  000f0000-000fffff : System ROM
00100000-7ffdcfff : System RAM
  01000000-01e03507 : Kernel code
  2b000000-3affffff : Crash kernel
7ffdd000-7fffffff : Reserved
fd000000-febfffff : PCI Bus 0000:00
  fe000000-fe003fff : ACPI Non-volatile Storage
100000000-17fffffff : Persistent Memory
  100000000-13fffffff : dax0.0
    100000000-13fffffff : System RAM (kmem)
    110000000-113ffffff : System RAM
180000000-1bfffffff : System RAM
  1b0000000-1bfffffff : Crash kernel
200000000-2ffffffff : virtio5
  200000000-20fffffff : System RAM (virtio_mem)
";

    #[test]
    fn top_level_ram_nested_reservations_and_crash_regions() {
        let found = parse(SAMPLE).unwrap();
        let ram: Vec<_> = found
            .entries
            .iter()
            .filter(|entry| entry.kind == MemoryKind::Ram)
            .map(|entry| (entry.start, entry.end))
            .collect();
        assert_eq!(
            ram,
            [
                (0x1000, 0x9fc00),
                (0x10_0000, 0x7ffd_d000),
                (0x1_8000_0000, 0x1_c000_0000)
            ]
        );
        let added: Vec<_> = found.added.iter().map(|e| (e.start, e.end)).collect();
        assert_eq!(
            added,
            [
                (0x1_0000_0000, 0x1_4000_0000),
                (0x1_1000_0000, 0x1_1400_0000),
                (0x2_0000_0000, 0x2_1000_0000)
            ]
        );
        let nvs = MapEntry {
            start: 0xfe00_0000,
            end: 0xfe00_4000,
            kind: MemoryKind::AcpiNvs,
        };
        assert!(found.entries.contains(&nvs));
        assert_eq!(
            found.crash_regions,
            [
                RawRange {
                    start: 0x2b00_0000,
                    end: 0x3b00_0000
                },
                RawRange {
                    start: 0x1_b000_0000,
                    end: 0x1_c000_0000
                },
            ]
        );
    }

    #[test]
    fn zero_addresses_mean_no_rights() {
        let text = "00000000-00000000 : System RAM\n  00000000-00000000 : Kernel code\n";
        let err = parse(text).unwrap_err();
        assert!(matches!(err, MemoryError::Hidden));
        // an empty file is not evidence of missing privileges
        assert_eq!(parse("\n").unwrap(), Iomem::default());
    }

    #[test]
    fn bad_lines_are_numbered() {
        for (text, line) in [
            ("00-0f : A\nhello\n", "line 2"),
            ("00-0f - A\n", "line 1"),
            ("00-0f : A\n\n10-0g : A\n", "line 3"),
            ("20-10 : A\n", "line 1"),
            ("+1-+2 : A\n", "line 1"),
            ("10000000000000000-10000000000000001 : A\n", "line 1"),
        ] {
            let err = parse(text).unwrap_err().to_string();
            assert!(err.contains(line), "{text:?}: {err}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[ 0-9a-f:\\-\nSystemRA]{0,200}") {
            if let Ok(found) = parse(&text) {
                prop_assert!(found.entries.iter().all(|entry| entry.start < entry.end));
            }
        }

        #[test]
        fn arbitrary_text_is_handled(text in "\\PC*") {
            let _ = parse(&text);
        }
    }
}
