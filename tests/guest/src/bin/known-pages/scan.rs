//! `known-pages scan`: searches all memory of a core page by page.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::Result;
use elf::abi::PT_LOAD;
use elf::segment::ProgramHeader;
use guest_programs::block_digest::{self, Digests};
use guest_programs::known_pages::{MARKER, PAGE, Seen, look};

use crate::elf_core::Core;
use crate::file_mapping::FileMapping;

/// Size of a mapping in bytes.
const WINDOW: u64 = 64 << 20;

/// Below this address dom0 of a crash kernel may have its own memory.
const LOW: u64 = 128 << 20;

/// Below this address a starting Xen writes.
const BASE: u64 = 1 << 20;

/// Results.
#[derive(Debug, Default)]
struct Found {
    /// One flag for each expected page.
    whole: Vec<bool>,
    scanned: u64,
    damaged: u64,
    unreadable: u64,
    /// Physical address of the first page that could not be read.
    first_unreadable: Option<u64>,
    /// Number of intact pages below [`LOW`], with duplicates.
    low: u64,
    /// Number of those below [`BASE`].
    base: u64,
    /// Digests of the current memory range, if requested.
    digests: Option<Digests>,
}

/// Prints results for pages 0 to `count` - 1, and with `digests` those of all memory ranges.
pub fn run(path: &Path, count: u64, digests: bool) -> Result<()> {
    let core = Core::open(path)?;
    let mut found = Found {
        whole: vec![false; count as usize],
        ..Found::default()
    };
    for load in core.of_type(PT_LOAD) {
        println!(
            "{MARKER}load={:#x}-{:#x} virt={:#x}",
            load.p_paddr,
            load.p_paddr.saturating_add(load.p_memsz),
            load.p_vaddr
        );
        found.digests = digests.then(|| Digests::new(load.p_paddr));
        found.load(&core.file, load);
        if let Some(digests) = found.digests.take() {
            let digests = digests.finish(load.p_paddr);
            for line in block_digest::lines(load.p_paddr, &digests) {
                println!("{line}");
            }
        }
    }
    let whole = found.whole.iter().filter(|&&whole| whole).count();
    println!(
        "{MARKER}found={whole} of={count} scanned={} damaged={} low={} base={} unreadable={}{}",
        found.scanned,
        found.damaged,
        found.low,
        found.base,
        found.unreadable,
        found
            .first_unreadable
            .map_or_else(String::new, |at| format!(" first={at:#x}"))
    );
    Ok(())
}

impl Found {
    /// Scans the whole pages of one memory range.
    fn load(&mut self, file: &File, load: &ProgramHeader) {
        let page = PAGE as u64;
        let start = load.p_paddr.next_multiple_of(page);
        let last = load.p_paddr.saturating_add(load.p_filesz);
        let end = last / page * page;
        self.part(file, load, load.p_paddr, start.min(last));
        let mut at = start;
        while at < end {
            let len = WINDOW.min(end - at);
            let offset = load.p_offset + (at - load.p_paddr);
            match FileMapping::open(file, offset, len as usize) {
                Ok(mapping) => self.pages(at, mapping.bytes()),
                Err(_) => self.read(file, offset, at, len),
            }
            at += len;
        }
        self.part(file, load, end.max(start), last);
    }

    /// Adds a part of a page to the digests; it contains no known page.
    fn part(&mut self, file: &File, load: &ProgramHeader, from: u64, to: u64) {
        let mut bytes = vec![0; usize::try_from(to.saturating_sub(from)).unwrap_or(0)];
        match file.read_exact_at(&mut bytes, load.p_offset + (from - load.p_paddr)) {
            Ok(()) => {
                if let Some(digests) = &mut self.digests {
                    digests.add(&bytes);
                }
            }
            Err(_) => {
                self.unreadable += 1;
                self.first_unreadable.get_or_insert(from);
            }
        }
    }

    /// Slow method, which distinguishes readable from unreadable pages.
    fn read(&mut self, file: &File, offset: u64, at: u64, len: u64) {
        let mut bytes = [0; PAGE];
        for done in (0..len).step_by(PAGE) {
            match file.read_exact_at(&mut bytes, offset + done) {
                Ok(()) => self.pages(at + done, &bytes),
                Err(_) => {
                    self.unreadable += 1;
                    self.first_unreadable.get_or_insert(at + done);
                }
            }
        }
    }

    /// Scans whole pages, the first of which is at physical address `at`.
    fn pages(&mut self, at: u64, bytes: &[u8]) {
        if let Some(digests) = &mut self.digests {
            digests.add(bytes);
        }
        for (at, page) in (at..).step_by(PAGE).zip(bytes.chunks_exact(PAGE)) {
            self.scanned += 1;
            match look(page) {
                Seen::Other => {}
                Seen::Damaged => self.damaged += 1,
                Seen::Whole(index) => {
                    self.low += u64::from(at < LOW);
                    self.base += u64::from(at < BASE);
                    let flag = self.whole.get_mut(index as usize);
                    flag.into_iter().for_each(|flag| *flag = true);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use guest_programs::known_pages::page;
    use std::io::Write;

    #[test]
    fn different_whole_pages_are_counted() {
        let mut file = tempfile::tempfile().unwrap();
        let mut damaged = page(3);
        damaged[4095] ^= 1;
        // a duplicate, one of another run, one that is not expected
        for bytes in [page(1), damaged, [0; PAGE], page(1), page(0), page(9)] {
            file.write_all(&bytes).unwrap();
        }
        let load = |p_paddr, p_offset, p_filesz| ProgramHeader {
            p_type: PT_LOAD,
            p_offset,
            p_vaddr: 0,
            p_paddr,
            p_filesz,
            p_memsz: p_filesz,
            p_flags: 0,
            p_align: 0,
        };
        let mut found = Found {
            whole: vec![false; 4],
            ..Found::default()
        };
        found.load(&file, &load(0x10_0000, 0, 5 * PAGE as u64));
        // not aligned: its first and last pages are parts
        found.load(&file, &load(0x20_0c00, 4 * PAGE as u64 + 0xc00, 0x1400));
        assert_eq!(found.whole, [true, true, false, false]);
        assert_eq!((found.scanned, found.damaged, found.unreadable), (6, 1, 0));
        assert_eq!((found.low, found.base), (4, 0));
        // every byte counts for the digests, also of parts of pages
        found.digests = Some(Digests::new(0x20_0c00));
        found.load(&file, &load(0x20_0c00, 4 * PAGE as u64 + 0xc00, 0x1400));
        let digests = found.digests.take().map(|all| all.finish(0x20_0c00));
        let mut bytes = page(0)[0xc00..].to_vec();
        bytes.extend(page(9));
        assert_eq!(digests.unwrap(), [crc32fast::hash(&bytes)]);
        // behind the end
        found.read(&file, 7 * PAGE as u64, 0x30_0000, 2 * PAGE as u64);
        assert_eq!(
            (found.unreadable, found.first_unreadable),
            (2, Some(0x30_0000))
        );
    }
}
