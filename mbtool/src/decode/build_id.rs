//! Finds symbol files by build ID: a number that the linker writes into a program and into its
//! symbol file, and that kernels print.

use object::{Object, ReadCache};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Maximum number of files that are opened in a search.
const MAX_FILES: usize = 64;
/// Maximum number of directory entries that are looked at in a search.
const MAX_ENTRIES: usize = 4096;
/// Directories with symbol files of kernels, apart from `.build-id`.
const PLACES: [&str; 3] = ["usr/lib/debug/boot", "usr/lib/debug", "boot"];

/// Returns the build ID of a parsed file, in hexadecimal.
pub(super) fn of<'data, R: object::ReadRef<'data>>(
    file: &object::File<'data, R>,
) -> Option<String> {
    let id = file.build_id().ok()??;
    Some(id.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Returns the build ID of a file; reads its headers and notes only.
#[must_use]
pub fn of_file(path: &Path) -> Option<String> {
    let cache = ReadCache::new(File::open(path).ok()?);
    of(&object::File::parse(&cache).ok()?)
}

/// Searches the symbol file of a program: in `.build-id` below `root`, in the directories `beside`,
/// and where distributions put kernels. `id` is in hexadecimal.
#[must_use]
pub fn find(id: &str, beside: &[PathBuf], root: &Path) -> Option<PathBuf> {
    if id.len() < 4 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let (first, rest) = id.split_at(2);
    let store = root.join("usr/lib/debug/.build-id").join(first);
    let stored = store.join(format!("{rest}.debug"));
    if of_file(&stored).as_deref() == Some(id) {
        return Some(stored);
    }
    let places = PLACES.iter().map(|place| root.join(place));
    let mut entries = beside
        .iter()
        .cloned()
        .chain(places)
        .filter_map(|dir| fs::read_dir(dir).ok())
        .flatten()
        .take(MAX_ENTRIES)
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            ["xen-syms", "vmlinux"]
                .iter()
                .any(|start| name.starts_with(start))
                && !name.ends_with(".map")
                || name.ends_with(".debug")
        })
        .map(|entry| entry.path())
        // a device or a pipe must not be opened
        .filter(|path| path.is_file())
        .take(MAX_FILES);
    entries.find(|path| of_file(path).as_deref() == Some(id))
}

#[cfg(test)]
pub(crate) mod tests;
