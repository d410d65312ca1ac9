//! Input of the checks, read once.

use crate::arch::Architecture;
use crate::backend::status::Status;
use crate::backend::{self, BackendError, Choice};
use crate::config::{self, Config, ConfigError};
use crate::host::Host;
use crate::host::hypervisor::Hypervisor;
use crate::plan::Plan;
use crate::request::console::ConsoleSpec;
use crate::request::decide::Decided;
use crate::sys::file;
use std::path::{Path, PathBuf};

/// Result of the checks before a load: warnings, or the reason of a refusal.
pub type LoadAnswer = Result<Vec<String>, BackendError>;

/// An image to check as crash image.
#[derive(Debug)]
pub struct WantedImage {
    /// Its name, and the source of the name.
    pub name: String,
    /// Result of planning it like `mbtool load -p`; `None` if the machine could
    /// not be read.
    pub outcome: Option<anyhow::Result<Decided>>,
    /// `--console` as given.
    pub consoles: Vec<ConsoleSpec>,
    /// Its command line as given.
    pub cmdline: String,
}

impl WantedImage {
    /// Returns the plan, if there is one.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        match &self.outcome {
            Some(Ok(decided)) => Some(&decided.plan),
            _ => None,
        }
    }

    /// True when it is Xen; `None` if unknown.
    #[must_use]
    pub fn is_xen(&self) -> Option<bool> {
        self.plan().map(|plan| plan.report.image.xen.is_some())
    }
}

/// A machine to check.
#[derive(Debug)]
pub struct CheckedMachine {
    /// Parent of /proc and /sys.
    pub root: PathBuf,
    /// Data of `mbtool status`.
    pub status: Status,
    /// Checks before a load of a normal image.
    pub ready: LoadAnswer,
    /// Checks before a load of a crash image.
    pub ready_crash: LoadAnswer,
    /// The crash image of the command line, or of the configuration.
    pub wanted: Option<WantedImage>,
    /// /etc/mbtool/crash.toml, if it exists.
    pub config: Option<Result<Config, ConfigError>>,
}

/// Reads the configuration; `None` if it does not exist.
fn config(root: &Path) -> Option<Result<Config, ConfigError>> {
    let path = root.join(config::PATH.trim_start_matches('/'));
    path.exists().then(|| Config::read(&path))
}

impl CheckedMachine {
    /// Reads the machine below `root` ("/" for the real one).
    #[must_use]
    pub fn read(root: &Path) -> Self {
        let ready = |crash| backend::select(&Choice::Auto, root).ready(crash);
        Self {
            root: root.to_owned(),
            status: Status::read(root),
            ready: ready(false),
            ready_crash: ready(true),
            wanted: None,
            config: config(root),
        }
    }

    /// Returns memory and consoles of the machine, if readable.
    #[must_use]
    pub fn host(&self) -> Option<&Host> {
        self.status.host.as_ref()
    }

    /// True on a machine that describes itself by a device tree.
    #[must_use]
    pub fn has_device_tree(&self) -> bool {
        let arch = self.host().map_or(Architecture::NATIVE, |host| host.arch);
        arch.has_device_tree()
    }

    /// True in a domain that loads through Xen.
    #[must_use]
    pub fn under_xen(&self) -> bool {
        self.status.kernel.hypervisor == Hypervisor::XenPvDom0
    }

    /// Reads a small file without leading and trailing white space; `None` if
    /// it cannot be read.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<String> {
        let text = file::read(&self.root.join(path), file::LISTING).ok()?;
        Some(text.trim_matches(['\0', '\n', ' ', '\t']).to_owned())
    }

    /// Reads a sysctl by its path below /proc/sys.
    #[must_use]
    pub fn sysctl(&self, name: &str) -> Option<i64> {
        self.file(&format!("proc/sys/{name}"))?.parse().ok()
    }

    /// The running kernel's release.
    #[must_use]
    pub fn release(&self) -> Option<String> {
        self.file("proc/sys/kernel/osrelease")
    }

    /// The running kernel's command line.
    #[must_use]
    pub fn cmdline(&self) -> String {
        self.file("proc/cmdline").unwrap_or_default()
    }

    /// Returns why the machine's memory is unknown.
    #[must_use]
    pub fn why_no_host(&self) -> String {
        let first = self.status.warnings.first().cloned();
        first.unwrap_or_else(|| "the memory map could not be read".to_owned())
    }
}
