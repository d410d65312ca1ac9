//! SHA-256 of a written file, read back from the disk.

use super::context::SaveContext;
use super::progress::Progress;
use anyhow::{Context, Result};
use rustix::fs::{Advice, fadvise};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Read size in bytes.
const CHUNK: usize = 1 << 20;

/// Returns the digest of the file at `path`, and the time in seconds. Cached
/// pages of the file are dropped first, so that it is read from the disk.
///
/// # Errors
///
/// When it cannot be read.
pub fn of_file(run: &SaveContext, what: &'static str, path: &Path) -> Result<([u8; 32], f64)> {
    let shown = || format!("cannot read {} back", path.display());
    let mut file = File::open(path).with_context(shown)?;
    let size = file.metadata().with_context(shown)?.len();
    // not supported by every file system
    let _ = fadvise(&file, 0, None, Advice::DontNeed);
    let mut progress = Progress::new(run, what, size);
    let mut hash = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = file.read(&mut buffer).with_context(shown)?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
        progress.add(count as u64);
    }
    Ok((hash.finalize().into(), progress.end()))
}

/// Formats the digest as 64 hexadecimal digits.
#[must_use]
pub fn hex(sha256: &[u8; 32]) -> String {
    sha256.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Formats a line for `sha256sum -c`.
#[must_use]
pub fn line(sha256: &str, name: &str) -> String {
    format!("{sha256}  {name}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::save::context::testing;
    use std::process::Command;

    #[test]
    fn sha256sum_accepts_the_line() {
        let (run, _) = testing::run();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vmcore");
        std::fs::write(&path, vec![5; 3_000_000]).unwrap();
        let (sha256, _) = of_file(&run, "verifying", &path).unwrap();
        std::fs::write(
            dir.path().join("vmcore.sha256"),
            line(&hex(&sha256), "vmcore"),
        )
        .unwrap();
        let checked = Command::new("sha256sum")
            .args(["-c", "vmcore.sha256"])
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert!(checked.status.success(), "{checked:?}");
        let none = of_file(&run, "verifying", Path::new("/no/vmcore")).unwrap_err();
        assert!(none.to_string().contains("/no/vmcore"));
    }
}
