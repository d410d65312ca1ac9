//! Record of the images that mbtool has loaded into this Xen.
//!
//! Xen does not report them: KEXEC_CMD_kexec_status returns whether the number of
//! loads and unloads so far is odd, not whether an image is loaded. So mbtool
//! keeps a file that is valid for one boot of one Xen, and uses Xen's status to
//! detect loads and unloads by other programs.

use super::XenError;
use crate::sys::file;
use handoff::addr::PhysRange;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Version of the file format.
const FORMAT: u32 = 1;
/// Path of the file, below the root.
const FILE: &str = "run/mbtool/xen.json";

/// A destination as passed to Xen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// First byte.
    pub start: u64,
    /// One past the last.
    pub end: u64,
    /// Size of its data in bytes; 0: only mapped.
    pub bytes: u64,
}

impl Placed {
    /// The destination.
    #[must_use]
    pub const fn range(&self) -> PhysRange {
        PhysRange {
            start: self.start,
            end: self.end,
        }
    }
}

/// An image that mbtool has loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedImage {
    /// Its file name.
    pub image: String,
    /// Time of the load, in seconds since 1970.
    pub time: u64,
    /// Entry point.
    pub entry: u64,
    /// Segments as passed to Xen.
    pub segments: Vec<Placed>,
    /// Why it must be neither executed nor unloaded; `None` if it may.
    pub damaged: Option<String>,
    /// Why it must not be unloaded or replaced, though it may be executed: the
    /// handoff detects lost pages.
    pub exposed: Option<String>,
}

/// One of Xen's two image slots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedSlot {
    /// The image that mbtool has loaded into it.
    pub loaded: Option<RecordedImage>,
    /// Xen's status after the last load or unload by mbtool.
    pub status: Option<bool>,
}

/// Contents of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadRecord {
    format: u32,
    boot: String,
    xen: String,
    /// The image for `exec`.
    pub default: RecordedSlot,
    /// The crash image.
    pub crash: RecordedSlot,
    /// dom0's memory target in KiB before the balloon freed memory for the
    /// image of `exec`.
    pub balloon_kib: Option<u64>,
}

impl LoadRecord {
    /// Reads the record of this boot of this Xen; it is empty if there is none,
    /// or one of another boot.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is invalid.
    pub fn read(root: &Path) -> Result<Self, XenError> {
        let path = root.join(FILE);
        let fresh = Self {
            format: FORMAT,
            boot: boot(root),
            xen: identity(root),
            ..Self::default()
        };
        let bytes = match file::read_bytes(&path, file::LISTING) {
            Err(err) if err.kind() == ErrorKind::NotFound => return Ok(fresh),
            Err(source) => return Err(XenError::Record { path, source }),
            Ok(bytes) => bytes,
        };
        let kept: Self = serde_json::from_slice(&bytes).map_err(|err| XenError::Record {
            path: path.clone(),
            source: io::Error::new(ErrorKind::InvalidData, err),
        })?;
        if kept.format != FORMAT {
            let text = format!("expected format {FORMAT}, found {}", kept.format);
            let source = io::Error::new(ErrorKind::InvalidData, text);
            return Err(XenError::Record { path, source });
        }
        let same = kept.boot == fresh.boot && kept.xen == fresh.xen;
        Ok(if same { kept } else { fresh })
    }

    /// Writes the record atomically.
    ///
    /// # Errors
    ///
    /// The error of the system call.
    pub fn write(&self, root: &Path) -> Result<(), XenError> {
        let path = root.join(FILE);
        put(&path, self).map_err(|source| XenError::Record { path, source })
    }

    /// Returns the slot of crash images, or the other one.
    #[must_use]
    pub const fn slot(&self, crash: bool) -> &RecordedSlot {
        if crash { &self.crash } else { &self.default }
    }

    /// [`Self::slot`], mutable.
    pub const fn slot_mut(&mut self, crash: bool) -> &mut RecordedSlot {
        if crash {
            &mut self.crash
        } else {
            &mut self.default
        }
    }
}

impl RecordedSlot {
    /// Returns why the image must not be freed, if so.
    #[must_use]
    pub fn not_to_free(&self) -> Option<String> {
        let loaded = self.loaded.as_ref()?;
        loaded.damaged.clone().or_else(|| loaded.exposed.clone())
    }

    /// True when Xen's `status` shows an odd number of loads and unloads by
    /// others. An even number cannot be detected.
    #[must_use]
    pub fn changed_by_others(&self, status: bool) -> bool {
        status != self.status.unwrap_or(false)
    }
}

fn put(path: &Path, record: &LoadRecord) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let mut name = PathBuf::from(path).into_os_string();
    name.push(format!(".{}", std::process::id()));
    let new = PathBuf::from(name);
    let written = fs::File::create(&new).and_then(|mut file| {
        file.write_all(&serde_json::to_vec_pretty(record)?)?;
        file.write_all(b"\n")?;
        file.sync_all()
    });
    let done = written.and_then(|()| fs::rename(&new, path));
    if done.is_err() {
        // an invalid file is replaced
        let _ = fs::remove_file(&new);
    }
    done
}

/// Seconds since 1970; 0 for a clock before that.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

fn line(path: &Path) -> String {
    let text = file::read(path, file::ATTRIBUTE).unwrap_or_default();
    text.trim().to_owned()
}

/// Returns the boot id of this Linux.
fn boot(root: &Path) -> String {
    line(&root.join("proc/sys/kernel/random/boot_id"))
}

/// Identifies this Xen from /sys/hypervisor.
fn identity(root: &Path) -> String {
    let name = |name: &str| line(&root.join("sys/hypervisor").join(name));
    format!(
        "{}.{}{} {} {}",
        name("version/major"),
        name("version/minor"),
        name("version/extra"),
        name("properties/changeset"),
        name("compilation/compile_date")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::put;
    use serde_json::error::Category;

    fn machine() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "proc/sys/kernel/random/boot_id", "11-22\n");
        put(root.path(), "sys/hypervisor/version/major", "4\n");
        put(root.path(), "sys/hypervisor/version/minor", "20\n");
        put(root.path(), "sys/hypervisor/version/extra", ".4-pre\n");
        root
    }

    fn loaded() -> RecordedImage {
        RecordedImage {
            image: "vmlinuz".into(),
            time: now(),
            entry: 0x2000_0000,
            segments: vec![Placed {
                start: 0x2000_0000,
                end: 0x2000_2000,
                bytes: 5000,
            }],
            damaged: None,
            exposed: None,
        }
    }

    #[test]
    fn a_record_is_valid_for_one_boot_of_one_xen() {
        let root = machine();
        let root = root.path();
        let mut record = LoadRecord::read(root).unwrap();
        assert_eq!(record.default, RecordedSlot::default());
        record.slot_mut(false).loaded = Some(loaded());
        record.slot_mut(false).status = Some(true);
        record.balloon_kib = Some(1 << 20);
        record.write(root).unwrap();
        assert_eq!(LoadRecord::read(root).unwrap(), record);
        // no other file remains in the directory
        assert_eq!(fs::read_dir(root.join("run/mbtool")).unwrap().count(), 1);

        put(root, "sys/hypervisor/version/extra", ".5\n");
        assert_eq!(LoadRecord::read(root).unwrap().default.loaded, None);
        put(root, "sys/hypervisor/version/extra", ".4-pre\n");
        put(root, "proc/sys/kernel/random/boot_id", "33-44\n");
        assert_eq!(LoadRecord::read(root).unwrap().default.loaded, None);
    }

    #[test]
    fn an_invalid_record_is_an_error() {
        let root = machine();
        let root = root.path();
        for (content, category) in [
            ("", Some(Category::Eof)),
            ("{\"format\":1}", Some(Category::Data)),
            (
                r#"{"format":2,"boot":"","xen":"","default":{"loaded":null,"status":null},
                "crash":{"loaded":null,"status":null},"balloon_kib":null}"#,
                None,
            ),
        ] {
            put(root, FILE, content);
            let err = LoadRecord::read(root).unwrap_err();
            let XenError::Record { path, source } = &err else {
                panic!("{err}");
            };
            assert_eq!(*path, root.join(FILE));
            assert_eq!(source.kind(), ErrorKind::InvalidData);
            let inner = source.get_ref().and_then(|inner| inner.downcast_ref());
            assert_eq!(inner.map(serde_json::Error::classify), category, "{err}");
        }
        fs::remove_dir_all(root.join("run")).unwrap();
        put(root, "run", "a file");
        assert!(LoadRecord::default().write(root).is_err());
    }

    #[test]
    fn loads_by_others_are_detected_by_parity() {
        let slot = |status| RecordedSlot {
            loaded: None,
            status,
        };
        assert!(slot(None).changed_by_others(true));
        assert!(!slot(None).changed_by_others(false));
        assert!(slot(Some(true)).changed_by_others(false));
        assert!(!slot(Some(true)).changed_by_others(true));
    }
}
