//! Why section `[load]` of a configuration cannot be used.

use std::path::PathBuf;

/// Errors in section `[load]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadSectionError {
    /// There is no such section.
    #[error("{}: there is no [load], which names the image: nothing to load", file.display())]
    NoLoad {
        /// The configuration.
        file: PathBuf,
    },
    /// `load.options` has invalid options of `mbtool load`.
    #[error("{}, load.options: {why}", file.display())]
    Options {
        /// The configuration.
        file: PathBuf,
        /// Message of the command-line parser.
        why: String,
    },
    /// A file that does not exist.
    #[error("{}: no such file", path.display())]
    NoFile {
        /// The path.
        path: PathBuf,
    },
    /// A path of something else than a file.
    #[error("{}: is not a file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// A file that is not accessible.
    #[error("{}: {why}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// Error of the system call.
        why: String,
    },
}
