//! Reads a [`Log`] from physical memory.

use super::{Log, RamLogError, header, parse, reserved};
use crate::host::devmem::DevMem;
use crate::sys::file;
use handoff::addr::PAGE_SIZE;
use handoff::ramlog::MIN_SIZE;
use std::io;
use std::path::Path;

/// Reads the log at `addr` of the machine below `root` ("/" for the real one);
/// without an address, the first one in memory reserved with the running
/// kernel's `memmap=`.
///
/// # Errors
///
/// When the address is unknown, or the memory cannot be read or has no log.
pub fn read(root: &Path, addr: Option<u64>) -> Result<Log, RamLogError> {
    if let Some(addr) = addr {
        return read_at(root, addr);
    }
    let cmdline = file::read(&root.join("proc/cmdline"), file::LISTING).unwrap_or_default();
    let mut failed = RamLogError::NoPlace;
    for range in reserved(&cmdline) {
        let Some(pages) = range.align_inward(PAGE_SIZE) else {
            continue;
        };
        match read_at(root, pages.start) {
            Ok(log) => return Ok(log),
            Err(err) => failed = err,
        }
    }
    Err(failed)
}

/// [`read`] on this machine, as [`Log::printable`] text.
///
/// # Errors
///
/// As [`read`].
pub fn read_text(addr: Option<u64>) -> Result<String, RamLogError> {
    Ok(read(Path::new("/"), addr)?.printable())
}

fn read_at(root: &Path, addr: u64) -> Result<Log, RamLogError> {
    if addr == 0 || !addr.is_multiple_of(PAGE_SIZE) || addr >= 1 << 47 {
        return Err(RamLogError::Address(addr));
    }
    let path = root.join("dev/mem");
    let page = |size: u32| -> Result<Vec<u8>, RamLogError> {
        let bytes = || -> io::Result<Vec<u8>> {
            let mut bytes = vec![0; size as usize];
            DevMem::open_at(&path, addr, bytes.len())?.read_all(&mut bytes)?;
            Ok(bytes)
        };
        bytes().map_err(|source| RamLogError::Read {
            addr,
            path: path.clone(),
            source,
        })
    };
    // the size is in the first page
    let size = header(addr, &page(MIN_SIZE)?)?.size;
    parse(addr, &page(size)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A machine whose memory is a file.
    fn machine(cmdline: &str, at: usize, log: &[u8]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for dir in ["proc", "dev"] {
            fs::create_dir(root.path().join(dir)).unwrap();
        }
        fs::write(root.path().join("proc/cmdline"), cmdline).unwrap();
        let mut memory = vec![0; at];
        memory.extend(log);
        fs::write(root.path().join("dev/mem"), memory).unwrap();
        root
    }

    #[test]
    fn the_log_in_reserved_memory_is_found() {
        let log = super::super::tests::written(8192, b"[handoff] text\n", 1);
        let root = machine("memmap=4K$0x3000 memmap=8K$0x5000\n", 0x5000, &log);
        let found = read(root.path(), None).unwrap();
        assert_eq!(
            (found.addr, &found.text[..]),
            (0x5000, &b"[handoff] text\n"[..])
        );
        assert_eq!(read(root.path(), Some(0x5000)).unwrap(), found);
    }

    #[test]
    fn errors_name_the_address() {
        let root = machine("quiet", 0x2000, &[]);
        let error = |addr| read(root.path(), addr).unwrap_err();
        assert!(matches!(error(None), RamLogError::NoPlace));
        assert!(matches!(
            error(Some(0x1000)),
            RamLogError::Magic { found: 0, .. }
        ));
        for bad in [0, 0x1001, 1 << 47, u64::MAX - 0xfff] {
            assert!(matches!(error(Some(bad)), RamLogError::Address(found) if found == bad));
        }
        let error = error(Some(0x2000));
        assert!(
            matches!(&error, RamLogError::Read { path, .. } if path.ends_with("dev/mem")),
            "{error:?}"
        );
    }
}
