//! Passes a test's files to a restored machine: pages of a file in the machine's memory, which the
//! host finds by their contents when the template is made, and overwrites when it is restored.
//!
//! It needs no disk or device, which the tested system would detect. It works the same on bare
//! Linux and in a dom0.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use images::cpio::Archive;
use images::guest::SLOT;
use rustix::fs::SeekFrom as Sought;

/// Bytes of a page.
const PAGE: usize = 4096;

/// Pages of the slot: nine of ten tests have files of less than 40 MB.
const PAGES: usize = (48 << 20) / PAGE;

/// First bytes of each page of the slot. Its number follows.
const MARK: [u8; 16] = *b"MBTOOL-SLOT-PAGE";

/// First bytes of a file that the first stage unpacks: a cpio archive.
const SIGNAL: &[u8] = b"070701";

/// Timeout for QEMU to map its memory.
const MAPPED: Duration = Duration::from_secs(20);

/// Offsets of the slot's pages in the file of a machine's memory, by number.
#[derive(Debug, PartialEq, Eq)]
pub struct MemorySlot {
    offsets: Vec<u64>,
}

/// Describes the slot: all inputs of a template.
pub fn description() -> String {
    format!("slot of {PAGES} pages, {SLOT:?}, {MARK:x?}")
}

/// The slot as a cpio archive, which goes behind `base` in an initial RAM disk.
pub fn archive(base: &[u8]) -> Result<Vec<u8>> {
    let mut slot = vec![0; PAGES * PAGE];
    for (number, page) in slot.chunks_exact_mut(PAGE).enumerate() {
        page[..16].copy_from_slice(&MARK);
        page[16..24].copy_from_slice(&(number as u64).to_le_bytes());
    }
    let mut archive = Archive::new();
    archive.file(SLOT, 0o600, &slot)?;
    let archive = archive.finish()?;
    // remains of the initrd itself must not be mistaken for the file: its pages begin at other
    // offsets in a page
    let at = archive.windows(16).position(|bytes| bytes == MARK);
    let at = base.len() + at.context("the archive has no mark")?;
    ensure!(
        !at.is_multiple_of(PAGE),
        "the pages of the slot would begin at pages of the initial RAM disk"
    );
    Ok(archive)
}

impl MemorySlot {
    /// True when `files` fit.
    pub fn takes(files: &[u8]) -> bool {
        files.len() <= PAGES * PAGE
    }

    /// Finds the slot's pages in a machine's memory, each exactly once.
    pub fn find(memory: &File) -> Result<Self> {
        let mut offsets = vec![None; PAGES];
        each_run(memory, &mut |at, bytes| {
            for (index, page) in bytes.chunks_exact(PAGE).enumerate() {
                if page[..16] != MARK {
                    continue;
                }
                let number = page[16..24].try_into().map(u64::from_le_bytes);
                let number = number.unwrap_or(u64::MAX) as usize;
                let offset = at + (index * PAGE) as u64;
                let place = offsets.get_mut(number);
                let place = place.with_context(|| format!("page {number} of the slot"))?;
                if let Some(other) = place.replace(offset) {
                    bail!("page {number} of the slot is at {other:#x} and at {offset:#x}");
                }
            }
            Ok(())
        })?;
        let missing = offsets.iter().filter(|offset| offset.is_none()).count();
        ensure!(
            missing == 0,
            "{missing} of {PAGES} pages of the slot are not in memory"
        );
        Ok(Self {
            offsets: offsets.into_iter().flatten().collect(),
        })
    }

    /// Converts it to bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let bytes = self.offsets.iter().flat_map(|offset| offset.to_le_bytes());
        bytes.collect()
    }

    /// Parses the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        ensure!(
            bytes.len() == PAGES * 8,
            "{} bytes, expected {}",
            bytes.len(),
            PAGES * 8
        );
        let offsets = bytes.as_chunks().0.iter().copied().map(u64::from_le_bytes);
        Ok(Self {
            offsets: offsets.collect(),
        })
    }

    /// Writes `files`, a cpio archive, into the memory of the process `qemu`, which has `ram` mapped. The first stage continues
    /// with the last write.
    pub fn fill(&self, qemu: u32, ram: &Path, files: &[u8]) -> Result<()> {
        ensure!(
            Self::takes(files) && files.starts_with(SIGNAL),
            "{} bytes that begin with {:x?} do not go into the slot",
            files.len(),
            &files[..files.len().min(SIGNAL.len())]
        );
        let mappings = mappings(qemu, ram)?;
        let memory = File::options()
            .write(true)
            .open(format!("/proc/{qemu}/mem"))
            .context("the memory of QEMU cannot be written")?;
        let write = |offset: u64, bytes: &[u8]| -> Result<()> {
            let place = mappings.iter().find_map(|mapping| mapping.address(offset));
            let place = place.with_context(|| format!("offset {offset:#x} is not mapped"))?;
            memory
                .write_all_at(bytes, place)
                .with_context(|| format!("the memory of QEMU at {place:#x}"))
        };
        let pages = self.offsets.iter().zip(files.chunks(PAGE));
        for (offset, page) in pages.clone().skip(1) {
            write(*offset, page)?;
        }
        for (offset, page) in pages.take(1) {
            write(offset + SIGNAL.len() as u64, &page[SIGNAL.len()..])?;
            write(*offset, SIGNAL)?;
        }
        Ok(())
    }
}

/// Calls `on_run` for each part of a file that is not a hole, with its offset and bytes: whole
/// pages and no more than a few MiB.
fn each_run(file: &File, on_run: &mut dyn FnMut(u64, &[u8]) -> Result<()>) -> Result<()> {
    let seek = |from| match rustix::fs::seek(file.as_fd(), from) {
        Ok(at) => Ok(Some(at)),
        Err(rustix::io::Errno::NXIO) => Ok(None),
        Err(error) => Err(io::Error::from(error)),
    };
    let mut buffer = vec![0; 4 << 20];
    let mut end = 0;
    while let Some(start) = seek(Sought::Data(end))? {
        end = seek(Sought::Hole(start))?.context("a run without an end")?;
        let mut at = start - start % PAGE as u64;
        (&*file).seek(SeekFrom::Start(at))?;
        while at < end {
            let len = buffer.len().min((end - at) as usize);
            (&*file).read_exact(&mut buffer[..len])?;
            on_run(at, &buffer[..len])?;
            at += len as u64;
        }
    }
    Ok(())
}

/// A part of a file that a process has mapped.
#[derive(Debug, PartialEq, Eq)]
struct Mapping {
    start: u64,
    end: u64,
    offset: u64,
}

impl Mapping {
    /// Returns the address of the byte at `offset` of the file.
    fn address(&self, offset: u64) -> Option<u64> {
        let address = self.start + offset.checked_sub(self.offset)?;
        (address < self.end).then_some(address)
    }
}

/// The parts of `file` that a process has mapped, as soon as it has any.
fn mappings(process: u32, file: &Path) -> Result<Vec<Mapping>> {
    let file = file
        .to_str()
        .context("the name of a template is not UTF-8")?;
    let started = Instant::now();
    loop {
        let maps = fs::read_to_string(format!("/proc/{process}/maps"));
        let found = mapped(&maps.context("QEMU has ended")?, file);
        if !found.is_empty() {
            return Ok(found);
        }
        ensure!(started.elapsed() < MAPPED, "QEMU has not mapped {file}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Lines of /proc/PID/maps (proc_pid_maps(5)) for `file`.
fn mapped(maps: &str, file: &str) -> Vec<Mapping> {
    let parse = |line: &str| {
        let (fields, name) = line.split_at_checked(line.find('/')?)?;
        let mut fields = fields.split_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let hex = |text| u64::from_str_radix(text, 16).ok();
        (name == file).then_some(())?;
        Some(Mapping {
            start: hex(start)?,
            end: hex(end)?,
            offset: hex(fields.nth(1)?)?,
        })
    };
    maps.lines().filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with the slot's pages in reverse order behind a hole, and `more`.
    fn memory(more: &[u8]) -> (tempfile::NamedTempFile, u64) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let slot = archive(b"x").unwrap();
        let at = slot.windows(16).position(|bytes| bytes == MARK).unwrap();
        let start = 8 << 20;
        for (n, page) in slot[at..at + PAGES * PAGE].chunks(PAGE).rev().enumerate() {
            let offset = start + (n * PAGE) as u64;
            file.as_file().write_all_at(page, offset).unwrap();
        }
        file.as_file().write_all_at(more, 0).unwrap();
        file.as_file().set_len(256 << 20).unwrap();
        (file, start)
    }

    #[test]
    fn each_page_is_found_once() {
        // a mark that is not at the start of a page does not count
        let (file, start) = memory(&[b"x", &MARK[..]].concat());
        let slot = MemorySlot::find(file.as_file()).unwrap();
        let last = start + ((PAGES - 1) * PAGE) as u64;
        assert_eq!((slot.offsets[0], slot.offsets[PAGES - 1]), (last, start));
        assert_eq!(MemorySlot::from_bytes(&slot.to_bytes()).unwrap(), slot);
        assert!(MemorySlot::from_bytes(&[0; 8]).is_err());

        let twice = memory(&[&MARK[..], &7_u64.to_le_bytes()].concat()).0;
        let error = MemorySlot::find(twice.as_file()).unwrap_err().to_string();
        assert!(error.contains("page 7 "), "{error}");
        let beyond = memory(&[&MARK[..], &u64::MAX.to_le_bytes()].concat()).0;
        assert!(MemorySlot::find(beyond.as_file()).is_err());
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 20).unwrap();
        assert!(MemorySlot::find(&file).is_err());
    }

    #[test]
    fn files_are_written_to_the_memory_of_a_process() {
        let (file, start) = memory(&[]);
        let slot = MemorySlot::find(file.as_file()).unwrap();
        let ram = file.path().canonicalize().unwrap();
        // the process that has it mapped is this one
        let private = rustix::mm::MapFlags::PRIVATE;
        let access = rustix::mm::ProtFlags::READ | rustix::mm::ProtFlags::WRITE;
        let len = 256 << 20;
        #[expect(unsafe_code)]
        // SAFETY: the kernel chooses the address; it is not used otherwise
        let mapped = unsafe {
            rustix::mm::mmap(std::ptr::null_mut(), len, access, private, &file, 0).unwrap()
        };
        let mut files = SIGNAL.to_vec();
        files.resize(2 * PAGE + 1, 0xb5);
        slot.fill(std::process::id(), &ram, &files).unwrap();
        let memory = File::open("/proc/self/mem").unwrap();
        let mut page = [0; PAGE];
        for (n, want) in files.chunks(PAGE).enumerate() {
            let at = mapped as u64 + slot.offsets[n];
            memory.read_exact_at(&mut page, at).unwrap();
            assert_eq!(&page[..want.len()], want, "page {n}");
        }
        // the file itself is not changed
        let last = start + ((PAGES - 1) * PAGE) as u64;
        file.as_file().read_exact_at(&mut page, last).unwrap();
        assert_eq!(page[..16], MARK);
        assert!(slot.fill(std::process::id(), &ram, b"no archive").is_err());
        #[expect(unsafe_code)]
        // SAFETY: mapped above with this length; no reference into it is left
        unsafe {
            rustix::mm::munmap(mapped, len).unwrap();
        }
    }

    #[test]
    fn mappings_of_one_file_are_read() {
        let maps = "7f0000000000-7f0000200000 rw-p 00100000 fe:00 123   /cache/a b/ram\n\
            7f0000300000-7f0000400000 rw-p 00000000 fe:00 124   /cache/a b/ram2\n\
            7f0000500000-7f0000600000 rw-p 00000000 00:00 0 \n";
        let found = mapped(maps, "/cache/a b/ram");
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].address(0x10_0010), Some(0x7f00_0000_0010));
        assert_eq!(found[0].address(0xf_ffff), None);
        assert_eq!(found[0].address(0x30_0000), None);
    }
}
