//! Initramfs archives: cpio in the "newc" format (Linux: Documentation/driver-api/early-userspace/buffer-format.rst).
//!
//! The same entries result in the same bytes: owner 0, time 0, inodes counted
//! from 1.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::{Result, ensure};

const MAGIC: &str = "070701";
const DIRECTORY: u32 = 0o040000;
const REGULAR: u32 = 0o100000;
const SYMLINK: u32 = 0o120000;
const CHARACTER: u32 = 0o020000;

/// An archive. Paths are relative to the root, without a leading `/`.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    directories: BTreeSet<String>,
    count: u32,
}

impl Archive {
    /// An empty archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a directory with mode 0755, and its parents.
    pub fn directory(&mut self, path: &str) -> Result<&mut Self> {
        let mut end = 0;
        while end < path.len() {
            end = path[end..].find('/').map_or(path.len(), |at| end + at);
            let part = &path[..end];
            if self.directories.insert(part.to_owned()) {
                self.entry(part, DIRECTORY | 0o755, &[], (0, 0))?;
            }
            end += 1;
        }
        Ok(self)
    }

    /// Adds a regular file with the permission bits `mode`.
    pub fn file(&mut self, path: &str, mode: u32, data: &[u8]) -> Result<&mut Self> {
        self.parent(path)?;
        self.entry(path, REGULAR | mode & 0o7777, data, (0, 0))
    }

    /// Adds a symbolic link at `path` to `target`.
    pub fn symlink(&mut self, path: &str, target: &str) -> Result<&mut Self> {
        self.parent(path)?;
        self.entry(path, SYMLINK | 0o777, target.as_bytes(), (0, 0))
    }

    /// Adds a character device with mode 0600.
    pub fn character_device(&mut self, path: &str, major: u32, minor: u32) -> Result<&mut Self> {
        self.parent(path)?;
        self.entry(path, CHARACTER | 0o600, &[], (major, minor))
    }

    /// Adds all entries of `other`.
    pub fn append(&mut self, other: Self) -> &mut Self {
        self.bytes.extend(other.bytes);
        self.directories.extend(other.directories);
        self
    }

    /// The archive with its trailer.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        self.count = 0;
        self.entry("TRAILER!!!", 0, &[], (0, 0))?;
        Ok(self.bytes)
    }

    fn parent(&mut self, path: &str) -> Result<()> {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        path: &str,
        mode: u32,
        data: &[u8],
        device: (u32, u32),
    ) -> Result<&mut Self> {
        ensure!(
            !path.is_empty() && !path.starts_with('/') && !path.contains('\0'),
            "{path:?} cannot be a path in an initramfs: relative to the root, without a leading /"
        );
        let size = u32::try_from(data.len()).ok();
        ensure!(
            size.is_some(),
            "{path} has {} bytes, an initramfs file at most {}",
            data.len(),
            u32::MAX
        );
        self.count += 1;
        let links = if mode & 0o170000 == DIRECTORY { 2 } else { 1 };
        let name_size = path.len() as u32 + 1;
        // inode, mode, uid, gid, links, time, size, device, special device, name size, check
        let fields = [
            self.count,
            mode,
            0,
            0,
            links,
            0,
            size.unwrap_or_default(),
            0,
            0,
            device.0,
            device.1,
            name_size,
            0,
        ];
        self.bytes.extend(MAGIC.bytes());
        for field in fields {
            write!(self.bytes, "{field:08x}")?;
        }
        self.bytes.extend(path.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(data);
        self.pad();
        Ok(self)
    }

    /// Names and data end at a multiple of 4 bytes.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Archive {
        let mut archive = Archive::new();
        archive.file("a/b/c", 0o755, b"hello").unwrap();
        archive.file("a/b/d", 0o644, b"").unwrap();
        archive.symlink("a/l", "b/c").unwrap();
        archive.character_device("dev/console", 5, 1).unwrap();
        archive
    }

    /// Name, mode, data, special device.
    type Entry = (String, u32, Vec<u8>, (u32, u32));

    /// Each entry, by the format's own rules.
    fn read(bytes: &[u8]) -> Vec<Entry> {
        let mut at = 0;
        let mut found = Vec::new();
        loop {
            assert_eq!(at % 4, 0);
            assert_eq!(&bytes[at..at + 6], MAGIC.as_bytes());
            let field = |n: usize| {
                let start = at + 6 + 8 * n;
                u32::from_str_radix(std::str::from_utf8(&bytes[start..start + 8]).unwrap(), 16)
                    .unwrap()
            };
            let name = at + 110;
            let data = (name + field(11) as usize).next_multiple_of(4);
            let end = data + field(6) as usize;
            assert_eq!(bytes[name + field(11) as usize - 1], 0);
            let text =
                String::from_utf8(bytes[name..name + field(11) as usize - 1].to_vec()).unwrap();
            if text == "TRAILER!!!" {
                assert_eq!(end, bytes.len());
                return found;
            }
            found.push((
                text,
                field(1),
                bytes[data..end].to_vec(),
                (field(9), field(10)),
            ));
            at = end.next_multiple_of(4);
        }
    }

    #[test]
    fn entries_read_back_with_their_parents() {
        let found = read(&sample().finish().unwrap());
        let names: Vec<_> = found.iter().map(|e| e.0.as_str()).collect();
        assert_eq!(
            names,
            ["a", "a/b", "a/b/c", "a/b/d", "a/l", "dev", "dev/console"]
        );
        assert_eq!((found[0].1, found[2].1), (0o040755, 0o100755));
        assert_eq!(found[2].2, b"hello");
        assert_eq!(
            (found[4].1, found[4].2.as_slice()),
            (0o120777, b"b/c".as_slice())
        );
        assert_eq!((found[6].1, found[6].3), (0o020600, (5, 1)));
    }

    #[test]
    fn an_appended_archive_follows() {
        let mut archive = sample();
        let mut other = Archive::new();
        other.file("a/x", 0o644, b"more").unwrap();
        archive.append(other);
        archive.file("a/y", 0o644, b"").unwrap();
        let found = read(&archive.finish().unwrap());
        let names: Vec<_> = found.iter().skip(7).map(|e| e.0.as_str()).collect();
        assert_eq!(names, ["a", "a/x", "a/y"]);
    }

    #[test]
    fn the_same_entries_give_the_same_bytes() {
        assert_eq!(sample().finish().unwrap(), sample().finish().unwrap());
    }

    #[test]
    fn absolute_paths_are_refused() {
        let error = Archive::new().file("/init", 0o755, b"").unwrap_err();
        assert!(error.to_string().contains("leading /"), "{error}");
    }
}
