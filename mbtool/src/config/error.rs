//! Errors of crash.toml.

use crate::input::InputError;

/// Errors in a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] InputError),
    /// The file is not UTF-8.
    #[error("{file}: invalid UTF-8 at byte {at}")]
    Utf8 {
        /// The file.
        file: String,
        /// Offset of the first invalid byte.
        at: usize,
    },
    /// An invalid line.
    #[error("{file}, line {line}{}: {what}", key.as_deref().map(|key| format!(", {key}")).unwrap_or_default())]
    Line {
        /// The file.
        file: String,
        /// Line number, from 1.
        line: usize,
        /// Key in the line, for instance "save.target".
        key: Option<String>,
        /// Problem.
        what: String,
    },
    /// Keys that contradict each other.
    #[error("{file}, {key}: {what}")]
    Together {
        /// The file.
        file: String,
        /// The key to change.
        key: &'static str,
        /// Problem.
        what: &'static str,
    },
}
