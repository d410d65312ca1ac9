//! Bounded reads of small files: procfs, sysfs, firmware tables.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Most bytes of one sysfs attribute: the kernel gives at most a page.
pub const ATTRIBUTE: u64 = 4096;
/// Most bytes accepted of a file that grows with the machine (/proc/iomem,
/// /proc/cpuinfo, a command line).
pub const LISTING: u64 = 4 << 20;

/// Reads at most `limit` bytes; a longer file is an error, bytes that are no
/// UTF-8 become U+FFFD.
///
/// # Errors
///
/// What opening and reading say, and `InvalidData` for a longer file.
pub fn read(path: &Path, limit: u64) -> io::Result<String> {
    let bytes = read_bytes(path, limit)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// [`read`], as bytes.
///
/// # Errors
///
/// As [`read`].
pub fn read_bytes(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let got = File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if got as u64 > limit {
        let text = format!("larger than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, [b'x'; 11]).unwrap();
        assert_eq!(read(&path, 11).unwrap().len(), 11);
        let err = read(&path, 10).unwrap_err();
        assert_eq!(err.to_string(), "larger than 10 bytes");
    }
}
