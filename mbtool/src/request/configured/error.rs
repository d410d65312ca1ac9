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
}
