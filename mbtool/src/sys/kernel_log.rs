//! The kernel's log.

use rustix::fs::OFlags;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Most records that are read: Linux reports its firmware in the first hundred.
const RECORDS: usize = 4096;
/// Most bytes.
const BYTES: usize = 1 << 20;
/// Larger than any record (CONSOLE_EXT_LOG_MAX).
const RECORD: usize = 8192;

/// Reads the log from its oldest record on, up to the one that contains `wanted`, without waiting
/// for more. What is missing has been overwritten. `path` is /dev/kmsg, or a copy of the log.
///
/// # Errors
///
/// Those of open(2) and read(2): EPERM with kernel.dmesg_restrict.
pub fn read_up_to(path: &Path, wanted: &str) -> io::Result<String> {
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(nonblocking)
        .open(path)?;
    let mut log = Vec::new();
    let mut buffer = vec![0; RECORD];
    for _ in 0..RECORDS {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                let from = log.len().saturating_sub(wanted.len());
                log.extend(&buffer[..length]);
                if memchr::memmem::find(&log[from..], wanted.as_bytes()).is_some() {
                    // a copy may be cut here, a record is whole
                    let more = file.read(&mut buffer).unwrap_or(0);
                    log.extend(&buffer[..more]);
                    break;
                }
                if log.len() >= BYTES {
                    break;
                }
            }
            // the record was overwritten: the next read gets the oldest
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(String::from_utf8_lossy(&log).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_copy_is_read_up_to_the_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kmsg");
        let filler = "6,1,0,-;nothing\n".repeat(600);
        fs::write(&path, format!("{filler}6,2,0,-;wanted=1\n{filler}{filler}")).unwrap();
        let log = read_up_to(&path, "wanted=").unwrap();
        assert!(log.contains("wanted=1\n"));
        assert!(log.len() < filler.len() * 3);
        // the mark is in two reads
        let start = "x".repeat(RECORD - 3);
        fs::write(&path, format!("{start}wanted=1\n")).unwrap();
        assert!(
            read_up_to(&path, "wanted=")
                .unwrap()
                .ends_with("wanted=1\n")
        );
        fs::write(&path, "x".repeat(3 * BYTES)).unwrap();
        assert_eq!(read_up_to(&path, "wanted=").unwrap().len(), BYTES);
        assert!(read_up_to(&dir.path().join("none"), "").is_err());
    }

    #[test]
    fn the_end_of_a_log_that_stays_open_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        crate::sys::testing::put_fifo(&path);
        let writer = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        io::Write::write_all(&mut &writer, b"6,1,0,-;one\n").unwrap();
        assert_eq!(read_up_to(&path, "two").unwrap(), "6,1,0,-;one\n");
    }
}
