//! Reads whole files, or standard input, with a size limit and with errors that
//! suggest a fix. [`sparse`] reads parts of a file.

pub mod sparse;

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use xen_shim::fix::{Fix, Remedy, tail};

/// Maximum size of any input in bytes: a Multiboot2 target cannot address more
/// than 4 GiB.
pub const MAX_INPUT: u64 = 4 << 30;

/// Why a file could not be read. Every message names the file.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// No such file.
    #[error("{name}: no such file{}", tail(self.fix()))]
    NotFound {
        /// The path as given.
        name: String,
        /// Files beside it whose names begin with its name, at most [`BESIDE`].
        beside: Vec<String>,
    },
    /// A directory where a file is needed.
    #[error("{name}: is a directory, expected a file")]
    Directory {
        /// The path as given.
        name: String,
    },
    /// Not readable by this user.
    #[error("{name}: permission denied{}", tail(self.fix()))]
    Permission {
        /// The path as given.
        name: String,
    },
    /// More bytes than the caller allows.
    #[error("{name}: larger than the limit of {limit} bytes")]
    TooLarge {
        /// The path as given.
        name: String,
        /// The limit, in bytes.
        limit: u64,
    },
    /// An empty file.
    #[error("{name}: is empty{}", tail(self.fix()))]
    Empty {
        /// The path as given.
        name: String,
    },
    /// Not enough memory to hold it.
    #[error("{name}: cannot allocate memory for its {size} bytes{}", tail(self.fix()))]
    Memory {
        /// The path as given.
        name: String,
        /// Size in bytes.
        size: u64,
    },
    /// More bytes than the memory that is available.
    #[error("{name}: takes {}, and {available} bytes of memory are available", bytes(*size, *available))]
    TooLittleMemory {
        /// The path as given.
        name: String,
        /// Bytes of it that are read; none for a stream.
        size: Option<u64>,
        /// Available memory in bytes.
        available: u64,
    },
    /// A device, which may never end.
    #[error("{name}: is a device, expected a file or a pipe")]
    Device {
        /// The path as given.
        name: String,
    },
    /// A file that another program makes shorter.
    #[error("{name}: became shorter while it was read{}", tail(self.fix()))]
    Shorter {
        /// The path as given.
        name: String,
    },
    /// Other errors of the system call.
    #[error("{name}: cannot be read: {source}")]
    Io {
        /// The path as given.
        name: String,
        /// The error.
        source: io::Error,
    },
}

impl Fix for InputError {
    fn fix(&self) -> Remedy {
        let fix = match self {
            Self::NotFound { beside, .. } if !beside.is_empty() => {
                return Some(format!("there is {}", beside.join(", ")).into());
            }
            Self::NotFound { .. } => "check the path",
            Self::Permission { .. } => {
                "run mbtool as root (files of /boot are often readable by root only)"
            }
            Self::Empty { .. } => "copy or download it again",
            Self::Shorter { .. } => "wait until it is written, then repeat the command",
            Self::Memory { .. } => {
                "give a smaller file (`strip --strip-debug` removes the debug information of a vmlinux)"
            }
            Self::Directory { .. }
            | Self::TooLarge { .. }
            | Self::TooLittleMemory { .. }
            | Self::Device { .. }
            | Self::Io { .. } => return None,
        };
        Some(fix.into())
    }
}

fn bytes(size: Option<u64>, available: u64) -> String {
    match size {
        Some(size) => format!("{size} bytes"),
        None => format!("more than {available} bytes"),
    }
}

impl InputError {
    fn from_io(name: String, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound {
                beside: beside(Path::new(&name)),
                name,
            },
            io::ErrorKind::IsADirectory => Self::Directory { name },
            io::ErrorKind::UnexpectedEof => Self::Shorter { name },
            io::ErrorKind::PermissionDenied => Self::Permission { name },
            _ => Self::Io { name, source },
        }
    }
}

/// Maximum number of names in a message.
pub const BESIDE: usize = 5;
/// Maximum number of names to read in a directory.
const NAMES: usize = 10_000;

/// The files beside `path` whose names begin with its name, such as /boot/vmlinuz-6.1.0 for /boot/vmlinuz: the last ones
/// by name, at most [`BESIDE`].
#[must_use]
pub fn beside(path: &Path) -> Vec<String> {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let dir = match path.parent() {
        Some(dir) if dir.as_os_str().is_empty() => Path::new("."),
        Some(dir) => dir,
        None => return Vec::new(),
    };
    let mut found: Vec<_> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .take(NAMES)
        .flatten()
        .map(|entry| entry.file_name())
        .filter(|other| !name.is_empty() && other.as_encoded_bytes().starts_with(name))
        .collect();
    found.sort();
    let last = found.split_off(found.len().saturating_sub(BESIDE));
    last.iter()
        .map(|name| path.with_file_name(name).display().to_string())
        .collect()
}

/// Returns the name of `path` in messages: "standard input" for `-`.
#[must_use]
pub fn display_name(path: &Path) -> String {
    if path.as_os_str() == "-" {
        "standard input".into()
    } else {
        path.display().to_string()
    }
}

/// Checks that `path` is there, and not a directory.
///
/// # Errors
/// As [`read`], without reading it.
pub fn check(path: &Path) -> Result<(), InputError> {
    let name = display_name(path);
    match std::fs::metadata(path) {
        Ok(data) if data.is_dir() => Err(InputError::Directory { name }),
        Ok(_) => Ok(()),
        Err(error) => Err(InputError::from_io(name, error)),
    }
}

/// Reads all of `path`, or of standard input when it is `-`.
///
/// # Errors
/// When it cannot be read, is empty, or has more than `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, InputError> {
    read_within(path, limit, None)
}

/// As [`read`]; `available` is the memory that it may take, in bytes, if it is known.
///
/// # Errors
/// Those of [`read`], and when it takes more.
pub fn read_within(path: &Path, limit: u64, available: Option<u64>) -> Result<Vec<u8>, InputError> {
    let name = display_name(path);
    let too_much = |size: Option<u64>| {
        let available = available.filter(|available| size.is_none_or(|size| size > *available));
        available.map(|available| InputError::TooLittleMemory {
            name: name.clone(),
            size,
            available,
        })
    };
    let stream = |reader: &mut dyn Read| {
        let bound = available.map_or(limit, |available| available.min(limit));
        let result = read_from(reader, 0, name.clone(), bound);
        match result {
            Err(InputError::TooLarge { .. }) if bound < limit => {
                Err(too_much(None).unwrap_or(InputError::TooLarge {
                    name: name.clone(),
                    limit,
                }))
            }
            result => result,
        }
    };
    if path.as_os_str() == "-" {
        return stream(&mut io::stdin().lock());
    }
    let open = || {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        Ok((file, metadata))
    };
    let (mut file, metadata) = match open() {
        Ok(both) => both,
        Err(error) => return Err(InputError::from_io(name, error)),
    };
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Err(InputError::Directory { name });
    }
    if kind.is_block_device() || kind.is_char_device() {
        return Err(InputError::Device { name });
    }
    // files of /proc and /sys have no size
    if !kind.is_file() || metadata.len() == 0 {
        return stream(&mut file);
    }
    if metadata.len() > limit {
        return Err(InputError::TooLarge { name, limit });
    }
    if let Some(error) = too_much(Some(metadata.len())) {
        return Err(error);
    }
    read_from(file, metadata.len(), name, limit)
}

/// Reads `reader` to its end; `expected` is a hint for the buffer, in bytes.
fn read_from(
    reader: impl Read,
    expected: u64,
    name: String,
    limit: u64,
) -> Result<Vec<u8>, InputError> {
    let mut bytes = Vec::new();
    let hint = expected.min(limit);
    if usize::try_from(hint).map_or(true, |hint| bytes.try_reserve_exact(hint).is_err()) {
        return Err(InputError::Memory { name, size: hint });
    }
    // one byte above the limit distinguishes "too large" from "just fits"
    match reader.take(limit.saturating_add(1)).read_to_end(&mut bytes) {
        Ok(_) if bytes.is_empty() => Err(InputError::Empty { name }),
        Ok(_) if u64::try_from(bytes.len()).is_ok_and(|len| len <= limit) => Ok(bytes),
        Ok(_) => Err(InputError::TooLarge { name, limit }),
        Err(error) => Err(InputError::from_io(name, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tempfile::tempdir;

    #[test]
    fn a_file_is_read_whole_up_to_the_limit() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("five");
        fs::write(&path, b"12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        let error = read(&path, 4).unwrap_err();
        assert!(
            matches!(error, InputError::TooLarge { limit: 4, .. }),
            "{error}"
        );
        assert!(error.to_string().contains("five"), "{error}");
    }

    #[test]
    fn each_cause_has_its_own_error_with_the_name() {
        let dir = tempdir().unwrap();
        let error = read(&dir.path().join("absent"), 9).unwrap_err();
        assert!(matches!(error, InputError::NotFound { .. }), "{error}");
        assert!(error.to_string().contains("absent"), "{error}");
        let error = read(dir.path(), 9).unwrap_err();
        assert!(matches!(error, InputError::Directory { .. }), "{error}");
        let path = dir.path().join("nothing");
        fs::write(&path, b"").unwrap();
        let error = read(&path, 9).unwrap_err();
        assert!(matches!(error, InputError::Empty { .. }), "{error}");
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let error = InputError::from_io("secret".into(), denied);
        assert!(
            matches!(&error, InputError::Permission { name } if name == "secret"),
            "{error}"
        );
    }

    #[test]
    fn a_missing_kernel_is_named_with_those_that_are_there() {
        let dir = tempdir().unwrap();
        for release in 1..8 {
            fs::write(dir.path().join(format!("vmlinuz-6.{release}")), "x").unwrap();
        }
        fs::write(dir.path().join("initrd.img"), "x").unwrap();
        let path = dir.path().join("vmlinuz");
        let InputError::NotFound { beside, .. } = read(&path, 9).unwrap_err() else {
            panic!("found")
        };
        let expected: Vec<String> = (3..8)
            .map(|release| format!("{}-6.{release}", path.display()))
            .collect();
        assert_eq!(beside, expected);
        let InputError::NotFound { beside, .. } = check(&path).unwrap_err() else {
            panic!("found")
        };
        assert_eq!(beside, expected);
        assert!(check(&dir.path().join("vmlinuz-6.1")).is_ok());
        let error = check(dir.path()).unwrap_err();
        assert!(matches!(error, InputError::Directory { .. }), "{error}");
        let error = read(&dir.path().join("xen.gz"), 9).unwrap_err();
        assert!(matches!(error, InputError::NotFound { beside, .. } if beside.is_empty()));
    }

    #[test]
    fn memory_limits_files_and_streams_and_devices_are_refused() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("five");
        fs::write(&path, b"12345").unwrap();
        assert_eq!(read_within(&path, 9, Some(5)).unwrap(), b"12345");
        let refused = |path: &Path, available| match read_within(path, 9, Some(available)) {
            Err(InputError::TooLittleMemory {
                size, available, ..
            }) => (size, available),
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(&path, 4), (Some(5), 4));
        let pipe = dir.path().join("pipe");
        crate::sys::testing::put_fifo(&pipe);
        let write = |len: usize| {
            let pipe = pipe.clone();
            // the reader may stop early
            std::thread::spawn(move || drop(fs::write(pipe, vec![b'x'; len])))
        };
        let writer = write(5);
        assert_eq!(refused(&pipe, 4), (None, 4));
        writer.join().unwrap();
        let writer = write(4);
        assert_eq!(read_within(&pipe, 9, Some(4)).unwrap(), b"xxxx");
        writer.join().unwrap();
        let error = read(Path::new("/dev/zero"), u64::MAX).unwrap_err();
        assert!(matches!(error, InputError::Device { .. }), "{error}");
    }

    #[test]
    fn a_stream_without_a_size_is_capped_too() {
        let error = read_from(io::repeat(7), 0, "endless".into(), 1000).unwrap_err();
        assert!(
            matches!(error, InputError::TooLarge { limit: 1000, .. }),
            "{error}"
        );
        let error = read_from(io::empty(), 0, "pipe".into(), 1000).unwrap_err();
        assert!(matches!(error, InputError::Empty { .. }), "{error}");
        assert_eq!(display_name(Path::new("-")), "standard input");
    }
}
