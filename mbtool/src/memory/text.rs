//! Small text files of the kernel: bounded reading, numbers.

use super::MemoryError;
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

/// [`read`] with the path in its error.
///
/// # Errors
///
/// [`MemoryError::Read`].
pub fn read_named(path: &Path, limit: u64) -> Result<String, MemoryError> {
    read(path, limit).map_err(|source| MemoryError::Read {
        path: path.to_owned(),
        source,
    })
}

/// Parses a whole number: hex behind `0x`, else decimal. No sign, no spaces.
#[must_use]
pub fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => hex(digits),
        None if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        None => None,
    }
}

/// Parses hex digits without a prefix; no sign.
#[must_use]
pub fn hex(digits: &str) -> Option<u64> {
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}

/// The first 60 characters, for a message.
#[must_use]
pub fn cut(text: &str) -> String {
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
    fn numbers_have_no_sign_and_no_space() {
        assert_eq!(number("0x10"), Some(16));
        assert_eq!(number("10"), Some(10));
        assert_eq!(number("0xffffffffffffffff"), Some(u64::MAX));
        for bad in [
            "",
            "0x",
            "+1",
            "-1",
            "0x+1",
            " 1",
            "1 ",
            "18446744073709551616",
            "ten",
        ] {
            assert_eq!(number(bad), None, "{bad:?}");
        }
    }

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
    fn cutting_keeps_characters_whole() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"é".repeat(61)), format!("{}...", "é".repeat(60)));
    }
}
