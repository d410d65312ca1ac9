//! Everything that checks look at, read once.

use crate::backend::{self, BackendError};
use crate::cli::console::ConsoleArg;
use crate::cmd::load::Decided;
use crate::cmd::status::Status;
use crate::config::{self, Config, ConfigError};
use crate::host::Host;
use crate::plan::Plan;
use crate::sys::file;
use std::path::{Path, PathBuf};

/// What a load asks first: warnings, or why it is refused.
pub type Ready = Result<Vec<String>, BackendError>;

/// An image that is to be the crash image.
#[derive(Debug)]
pub struct Wanted {
    /// Its name, and who named it.
    pub name: String,
    /// What `mbtool load -p` makes of it; `None` where the machine could not be
    /// read.
    pub outcome: Option<anyhow::Result<Decided>>,
    /// `--console` as given.
    pub consoles: Vec<ConsoleArg>,
    /// Its command line as given.
    pub cmdline: String,
}

impl Wanted {
    /// The plan, where there is one.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        match &self.outcome {
            Some(Ok(decided)) => Some(&decided.plan),
            _ => None,
        }
    }

    /// Whether it is Xen; `None` where that is not known.
    #[must_use]
    pub fn is_xen(&self) -> Option<bool> {
        self.plan().map(|plan| plan.report.image.xen.is_some())
    }
}

/// The machine.
#[derive(Debug)]
pub struct Machine {
    /// Where /proc and /sys are below.
    pub root: PathBuf,
    /// What `mbtool status` knows.
    pub status: Status,
    /// The answer to a load of an image for `exec`.
    pub ready: Ready,
    /// The answer to a load of a crash image.
    pub ready_crash: Ready,
    /// The crash image that was named, or that the configuration names.
    pub wanted: Option<Wanted>,
    /// /etc/mbtool/crash.toml, where there is one.
    pub config: Option<Result<Config, ConfigError>>,
}

/// The configuration; `None` where there is none.
fn config(root: &Path) -> Option<Result<Config, ConfigError>> {
    let path = root.join(config::PATH.trim_start_matches('/'));
    path.exists().then(|| Config::read(&path))
}

impl Machine {
    /// Reads the machine below `root` ("/" for the real one).
    #[must_use]
    pub fn read(root: &Path) -> Self {
        let ready = |crash| backend::select("auto", root).and_then(|backend| backend.ready(crash));
        Self {
            root: root.to_owned(),
            status: Status::read(root),
            ready: ready(false),
            ready_crash: ready(true),
            wanted: None,
            config: config(root),
        }
    }

    /// The machine's memory and consoles, where they could be read.
    #[must_use]
    pub fn host(&self) -> Option<&Host> {
        self.status.host.as_ref()
    }

    /// True in a domain that loads through Xen.
    #[must_use]
    pub fn under_xen(&self) -> bool {
        self.status.backend == Some("xen")
    }

    /// A small file, without white space at its ends; `None` where it cannot be
    /// read.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<String> {
        let text = file::read(&self.root.join(path), file::LISTING).ok()?;
        Some(text.trim_matches(['\0', '\n', ' ', '\t']).to_owned())
    }

    /// A sysctl by its path below /proc/sys.
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

    /// Why the machine's memory is not known.
    #[must_use]
    pub fn why_no_host(&self) -> String {
        let first = self.status.warnings.first().cloned();
        first.unwrap_or_else(|| "the memory map could not be read".to_owned())
    }
}
