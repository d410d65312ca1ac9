//! Why the initrd is not built.

use std::path::PathBuf;
use xen_shim::fix::{Fix, Remedy, tail};

/// Refusals, before mkinitramfs runs or after it failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InitrdError {
    /// There is neither an initrd nor its configuration.
    #[error("{}: no such file, and nothing to make it from{}", image.display(), tail(self.fix()))]
    NotInstalled {
        /// Path of the initrd.
        image: PathBuf,
        /// Files beside it whose names begin with its name.
        beside: Vec<String>,
    },
    /// The kernel's modules are gone.
    #[error(
        "{} does not exist: the modules of the running kernel were removed{}",
        path.display(), tail(self.fix())
    )]
    NoModules {
        /// Directory of the modules.
        path: PathBuf,
    },
    /// mkinitramfs is not installed.
    #[error("{program} is not there, which makes {}{}", image.display(), tail(self.fix()))]
    NoMaker {
        /// Name of mkinitramfs.
        program: &'static str,
        /// Path of the initrd.
        image: PathBuf,
    },
    /// mkinitramfs failed.
    #[error("{program} failed: {}", output.join(" / "))]
    MakerFailed {
        /// Name of mkinitramfs.
        program: &'static str,
        /// The last lines of its output.
        output: Vec<String>,
    },
    /// A file for ssh is missing.
    #[error(
        "{}: no such file; {key} names it, and ssh in the crash kernel needs it", path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
        /// Key of the configuration.
        key: &'static str,
    },
    /// A target directory on an unknown file system.
    #[error(
        "there is no save.device, and the crash kernel's initrd has nothing mounted{}",
        tail(self.fix())
    )]
    NoDevice {
        /// The target.
        dir: PathBuf,
    },
    /// A path that a list for the hook cannot hold.
    #[error("{}: a name with a blank cannot be put into an initrd", path.display())]
    Blank {
        /// The file.
        path: PathBuf,
    },
    /// Too many files in the configuration.
    #[error("more than {limit} files below {}", dir.display())]
    TooManyFiles {
        /// The limit.
        limit: usize,
        /// Directory of the configuration.
        dir: PathBuf,
    },
}

impl Fix for InitrdError {
    fn fix(&self) -> Remedy {
        let fix = match self {
            Self::NotInstalled { beside, .. } if !beside.is_empty() => {
                let fix = format!(
                    "name an initrd of your own (there is {}), or let `mbtool crash install` set that up",
                    beside.join(", ")
                );
                return Some(fix.into());
            }
            Self::NotInstalled { .. } => {
                "`mbtool crash install` sets that up, or name an initrd of your own"
            }
            Self::NoModules { .. } => "reboot first",
            Self::NoMaker { .. } => "install initramfs-tools, or name an initrd of your own",
            Self::NoDevice { dir } => {
                let dir = dir.display();
                let fix = format!(
                    "name the file system that {dir} is on, as `findmnt -no UUID -T {dir}` prints it"
                );
                return Some(fix.into());
            }
            Self::MakerFailed { .. }
            | Self::NoKey { .. }
            | Self::Blank { .. }
            | Self::TooManyFiles { .. } => return None,
        };
        Some(fix.into())
    }
}
