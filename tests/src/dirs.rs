//! Directories of runs and guest binaries.

use std::env;
use std::path::{Path, PathBuf};

/// The target directory of the workspace: `CARGO_TARGET_DIR`, else `target` beside the root `Cargo.toml`.
pub fn target_dir() -> PathBuf {
    let root = workspace_dir();
    match env::var_os("CARGO_TARGET_DIR") {
        // join keeps an absolute value unchanged
        Some(dir) => root.join(dir),
        None => root.join("target"),
    }
}

/// The directory of the root `Cargo.toml`.
pub(crate) fn workspace_dir() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}
