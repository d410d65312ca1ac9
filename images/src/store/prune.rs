//! Selects the unpacked files to keep.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

/// Removes files that match none of `keep`.
pub(super) fn prune(root: &Path, dir: &Path, keep: &[&str]) -> Result<()> {
    for (path, kind) in children(root, dir)? {
        let full = root.join(&path);
        let depth = path.components().count();
        let fits = |k: &&&str| fits(&path, k);
        if keep
            .iter()
            .filter(fits)
            .any(|k| Path::new(k).components().count() == depth)
        {
            continue;
        }
        if !kind.is_dir() {
            fs::remove_file(full)?;
        } else if keep.iter().any(|k| fits(&k)) {
            prune(root, &path, keep)?;
        } else {
            fs::remove_dir_all(full)?;
        }
    }
    Ok(())
}

/// True when `path` matches `pattern`, or a prefix of it.
pub(super) fn fits(path: &Path, pattern: &str) -> bool {
    let mut wanted = Path::new(pattern).iter();
    path.iter().all(|found| {
        let (Some(found), Some(wanted)) = (found.to_str(), wanted.next().and_then(|w| w.to_str()))
        else {
            return false;
        };
        match wanted.strip_suffix('*') {
            Some(prefix) => found.starts_with(prefix),
            None => found == wanted,
        }
    })
}

/// Files and directories in `dir`, sorted, by their paths below `root`.
pub(super) fn children(root: &Path, dir: &Path) -> Result<Vec<(PathBuf, fs::FileType)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join(dir))? {
        let entry = entry?;
        found.push((dir.join(entry.file_name()), entry.file_type()?));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}
