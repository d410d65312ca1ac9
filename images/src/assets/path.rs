//! Paths with wildcards.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

/// Returns the path below `root` that matches `file`; of several, the last one
/// by name.
pub(super) fn resolve(root: &Path, file: &str) -> Result<PathBuf> {
    if let Some((directory, inside)) = file.split_once("*/") {
        let directory = resolve(root, &format!("{directory}*"))?;
        return resolve(&directory, inside);
    }
    let Some(prefix) = file.strip_suffix('*') else {
        let path = root.join(file);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(anyhow!("{} does not exist", path.display()))
        };
    };
    let (dir, prefix) = prefix.rsplit_once('/').unwrap_or(("", prefix));
    let dir = root.join(dir);
    let mut found: Vec<_> = fs::read_dir(&dir)
        .with_context(|| format!("cannot read {}", dir.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().and_then(|n| n.to_str());
            // "6.1*" means 6.1.x, not 6.12
            let digit = |c: char| c.is_ascii_digit();
            name.and_then(|n| n.strip_prefix(prefix))
                .is_some_and(|rest| !(prefix.ends_with(digit) && rest.starts_with(digit)))
        })
        .collect();
    found.sort();
    found
        .pop()
        .ok_or_else(|| anyhow!("{} has no {prefix}*", dir.display()))
}
