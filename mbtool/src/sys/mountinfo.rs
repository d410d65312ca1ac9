//! /proc/self/mountinfo (Linux, Documentation/filesystems/proc.rst).

use super::file;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Major and minor device number; major 0: no block device.
    pub device: (u32, u32),
    /// The directory of the file system that is mounted here.
    pub root: PathBuf,
    /// The mount point.
    pub point: PathBuf,
    /// The mount is writable.
    pub mount_writable: bool,
    /// The file system is writable; a read-only mount of it still runs its journal.
    pub super_writable: bool,
    /// File system type.
    pub kind: String,
    /// Usually the device node.
    pub source: PathBuf,
}

impl Mount {
    /// True when files on it can be written.
    #[must_use]
    pub const fn writable(&self) -> bool {
        self.mount_writable && self.super_writable
    }
}

/// Reads the mounts below `root` ("/" for the running system), in the order of mounting. Malformed
/// lines are skipped.
///
/// # Errors
///
/// The file cannot be read.
pub fn read(root: &Path) -> io::Result<Vec<Mount>> {
    let bytes = file::read_bytes(&root.join("proc/self/mountinfo"), file::LISTING)?;
    Ok(parse(&bytes))
}

fn parse(listing: &[u8]) -> Vec<Mount> {
    let lines = listing.split(|byte| *byte == b'\n');
    lines.filter_map(line).collect()
}

/// `ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAGS] - TYPE SOURCE SUPER-OPTIONS`
fn line(line: &[u8]) -> Option<Mount> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let dash = fields.iter().position(|field| *field == b"-")?;
    let (major, minor) = std::str::from_utf8(fields.get(2)?).ok()?.split_once(':')?;
    let writable = |options: &[u8]| options.split(|byte| *byte == b',').any(|o| o == b"rw");
    Some(Mount {
        device: (major.parse().ok()?, minor.parse().ok()?),
        root: unescape(fields.get(3)?),
        point: unescape(fields.get(4)?),
        mount_writable: writable(fields.get(5)?),
        super_writable: writable(fields.get(dash + 3)?),
        kind: String::from_utf8_lossy(fields.get(dash + 1)?).into_owned(),
        source: unescape(fields.get(dash + 2)?),
    })
}

/// Decodes octal escapes such as `\040` of blank, tab, line feed and backslash.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut at = 0;
    while let Some(&byte) = field.get(at) {
        let digits = field.get(at + 1..at + 4).filter(|_| byte == b'\\');
        let value = digits
            .filter(|digits| digits.iter().all(|d| (b'0'..=b'7').contains(d)))
            .map(|d| d.iter().fold(0_u32, |n, d| n * 8 + u32::from(d - b'0')))
            .and_then(|value| u8::try_from(value).ok());
        bytes.push(value.unwrap_or(byte));
        at += if value.is_some() { 4 } else { 1 };
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_and_malformed_lines_skipped() {
        let found = parse(
            b"22 1 254:1 / /root ro,relatime shared:1 - ext4 /dev/vda1 rw\n\
            23 1 0:44 /@ /a\\040b\\134 rw master:3 propagate_from:2 - btrfs /dev/nvme0n1p2 rw,ssd\n\
            24 1 8:1 / /ro rw - ext4 /dev/sda1 ro\n\
            28 1 8:5 / /x rw\n\
            bad line\n\n",
        );
        assert_eq!(found.len(), 3);
        let first = Mount {
            device: (254, 1),
            root: "/".into(),
            point: "/root".into(),
            mount_writable: false,
            super_writable: true,
            kind: "ext4".to_owned(),
            source: "/dev/vda1".into(),
        };
        assert_eq!(found[0], first);
        assert!(found[1].writable() && !found[0].writable() && !found[2].writable());
        assert_eq!(found[1].root, PathBuf::from("/@"));
        assert_eq!(found[1].point, PathBuf::from(r"/a b\"));
    }

    #[test]
    fn invalid_escapes_are_kept() {
        assert_eq!(unescape(br"a\9z\"), PathBuf::from(r"a\9z\"));
        assert_eq!(unescape(br"\777"), PathBuf::from(r"\777"));
    }
}
