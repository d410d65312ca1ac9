//! For tests: the files of a machine below a directory.

use std::fs;
use std::path::Path;

/// Writes `content` to `name` below `root`, with its parent directories.
pub fn put(root: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}
