//! Bounded reads of small files: procfs, sysfs, firmware tables.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Maximum size of a sysfs attribute in bytes: at most a page.
pub const ATTRIBUTE: u64 = 4096;
/// Maximum size of a file that grows with the machine (/proc/iomem,
/// /proc/cpuinfo, a command line), in bytes.
pub const LISTING: u64 = 4 << 20;

/// Reads at most `limit` bytes; a longer file is an error, invalid UTF-8
/// becomes U+FFFD.
///
/// # Errors
///
/// The error of open(2) or read(2), or `InvalidData` for a longer file.
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

/// Returns the first 60 characters of a file, for a message.
#[must_use]
pub fn excerpt(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    short
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

    #[test]
    fn an_excerpt_does_not_split_characters() {
        assert_eq!(excerpt("short"), "short");
        assert_eq!(excerpt(&"é".repeat(61)), format!("{}...", "é".repeat(60)));
    }
}
