//! Why `crash install` refuses.

use crate::config::target::{DeviceSpec, Target};
use crate::image::FileKind;
use std::path::PathBuf;
use xen_shim::fix::{Fix, Remedy, tail};

/// Refusals, all before anything is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    /// Options for a new configuration, and one exists.
    #[error(
        "{} is there already, so {} would have no effect{}",
        config.display(), options.join(", "), tail(self.fix())
    )]
    Configured {
        /// The configuration.
        config: PathBuf,
        /// The options.
        options: Vec<&'static str>,
    },
    /// Files that only mbtool may write were edited.
    #[error(
        "{} {} changed, and not by mbtool, so nothing was written{}",
        paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and "),
        if paths.len() == 1 { "was" } else { "were" },
        tail(self.fix())
    )]
    Edited {
        /// The files.
        paths: Vec<PathBuf>,
    },
    /// A path that systemd's syntax would split.
    #[error("{}: a systemd unit cannot start mbtool from there{}", path.display(), tail(self.fix()))]
    ProgramName {
        /// Path of mbtool.
        path: PathBuf,
    },
    /// mbtool is not below the root that is set up.
    #[error("{} does not exist{}", path.display(), tail(self.fix()))]
    NoProgram {
        /// Path of mbtool.
        path: PathBuf,
    },
    /// The image is not a kernel.
    #[error("{}: neither Xen nor Linux, it is {kind}{}", path.display(), tail(self.fix()))]
    Image {
        /// Path of the image.
        path: PathBuf,
        /// What it is.
        kind: FileKind,
    },
    /// A file system for a target that is not a directory.
    #[error("--device {device} is for a directory, not for {target}{}", tail(self.fix()))]
    DeviceOfRemote {
        /// The file system.
        device: DeviceSpec,
        /// The target.
        target: Target,
    },
    /// The link that enables the unit leads elsewhere.
    #[error(
        "{} leads to {}, expected {expected}{}", path.display(), found.display(), tail(self.fix())
    )]
    OtherLink {
        /// The link.
        path: PathBuf,
        /// Its target.
        found: PathBuf,
        /// The unit's target.
        expected: String,
    },
    /// Something else than a link is in its place.
    #[error("{} is no link{}", path.display(), tail(self.fix()))]
    NoLink {
        /// The path.
        path: PathBuf,
    },
}

impl Fix for InstallError {
    fn fix(&self) -> Remedy {
        let fix = match self {
            Self::Configured { .. } => "edit it, or remove it first",
            Self::Edited { paths } if paths.len() == 1 => "move it away, then install again",
            Self::Edited { .. } => "move them away, then install again",
            Self::ProgramName { .. } => {
                let fix = format!(
                    "copy it to {} and run that, or name its path with --program: absolute, of \
                     letters, digits, `.`, `_`, `+` and `-`",
                    super::PROGRAM
                );
                return Some(fix.into());
            }
            Self::NoProgram { .. } => "copy mbtool there, or name its path with --program",
            Self::Image { kind, .. } => kind.advice(),
            Self::DeviceOfRemote { .. } => "leave it out",
            Self::OtherLink { .. } | Self::NoLink { .. } => "remove it",
        };
        Some(fix.into())
    }
}
