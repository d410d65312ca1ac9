//! A private apt with its own state, cache and sources, so that packages of any Debian release can
//! be fetched without privileges and without changing the system. apt checks the signatures with
//! Debian's keys.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use super::sources;
use crate::cache;
use crate::progress::say;

/// Debian's archive keys, in search order (package debian-archive-keyring, part of Debian's base).
const KEYRINGS: [&str; 2] = [
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
];

/// Package lists younger than this are not updated.
const FRESH: Duration = Duration::from_secs(3600);

/// apt for one suite, with current package lists.
pub struct Apt {
    config: PathBuf,
    /// The age of this file is that of the package lists.
    stamp: PathBuf,
    // The lists belong to this process until it drops the lock.
    _lock: fs::File,
}

impl Apt {
    /// Sets up apt's private state for `suite` and an architecture, and fetches its package lists
    /// from the first mirror with lists signed by Debian.
    pub fn open(suite: &str, architecture: &str) -> Result<Self> {
        let keyring = KEYRINGS
            .iter()
            .find(|k| Path::new(k).exists())
            .ok_or_else(|| {
                anyhow!(
                    "Debian's archive keys are missing ({}): install debian-archive-keyring",
                    KEYRINGS[0]
                )
            })?;
        let name = if architecture == super::NATIVE {
            suite.to_owned()
        } else {
            format!("{suite}-{architecture}")
        };
        let dir = cache::dir()?.join("apt").join(name);
        for sub in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(dir.join(sub))?;
        }
        let lock = cache::lock(&dir.join("lock"))?;
        let config = dir.join("apt.conf");
        // an empty status file: no package counts as installed, so a closure includes libc
        fs::write(dir.join("status"), "")?;
        fs::write(&config, configuration(&dir, architecture)?)?;
        let apt = Self {
            config,
            stamp: dir.join("lists-fetched"),
            _lock: lock,
        };
        if apt.is_fresh() {
            return Ok(apt);
        }

        let mut failures = Vec::new();
        let mirrors = sources::mirrors(Path::new("/etc/apt"));
        if mirrors.is_empty() {
            bail!(
                "the apt sources of this machine (/etc/apt/sources.list, /etc/apt/sources.list.d) \
                 name no Debian mirror: add one"
            );
        }
        for mirror in mirrors {
            let line = format!("deb [signed-by={keyring}] {mirror} {suite} main\n");
            fs::write(dir.join("sources.list"), line)?;
            say(
                "setup",
                format_args!("fetching the package lists of Debian {suite} for {architecture}"),
            );
            match apt.run(&["update", "--error-on=any"], &dir) {
                Ok(_) => {
                    fs::write(&apt.stamp, "")?;
                    return Ok(apt);
                }
                Err(error) => failures.push(format!("{error:#}")),
            }
        }
        bail!(
            "no Debian mirror gave the package lists of {suite}:\n{}",
            failures.join("\n")
        )
    }

    /// Downloads `packages` and everything they depend on (no recommended packages) into `into`.
    pub fn download_closure(&self, packages: &[&str], into: &Path) -> Result<()> {
        fs::create_dir_all(into.join("partial"))?;
        let archives = format!("Dir::Cache::archives={}", into.display());
        let mut args = vec![
            "-o",
            &archives,
            "install",
            "--download-only",
            "--no-install-recommends",
            "--yes",
        ];
        args.extend(packages);
        self.run(&args, into).map(drop)
    }

    /// Downloads exactly `packages` into `into`.
    pub fn download(&self, packages: &[&str], into: &Path) -> Result<()> {
        fs::create_dir_all(into)?;
        let mut args = vec!["download"];
        args.extend(packages);
        self.run(&args, into).map(drop)
    }

    /// Returns the first dependency of `package` whose name begins with `prefix`.
    pub fn dependency(&self, package: &str, prefix: &str) -> Result<String> {
        let mut command = self.command("apt-cache");
        command.args(["show", "--no-all-versions", package]);
        let shown = output(&mut command)?;
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        shown
            .lines()
            .filter_map(|line| line.strip_prefix("Depends:"))
            .flat_map(|depends| depends.split([',', '|']))
            .filter_map(|one| one.split_whitespace().next())
            .find(|name| name.starts_with(prefix))
            .map(str::to_owned)
            .ok_or_else(|| anyhow!("package {package} depends on nothing named {prefix}*"))
    }

    fn is_fresh(&self) -> bool {
        let written = fs::metadata(&self.stamp).and_then(|m| m.modified());
        written.is_ok_and(|at| at.elapsed().is_ok_and(|age| age < FRESH))
    }

    fn run(&self, args: &[&str], cwd: &Path) -> Result<Output> {
        output(self.command("apt-get").args(args).current_dir(cwd)).inspect_err(|_| {
            // the mirror may have changed: update the lists next time
            let _ = fs::remove_file(&self.stamp);
        })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        // -c is read after the machine's own apt.conf.d, which may configure a proxy
        command.arg("-c").arg(&self.config).arg("-q");
        command
            .env("LC_ALL", "C.UTF-8")
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    }
}

/// Returns apt.conf(5) for the state in `dir` and an architecture.
fn configuration(dir: &Path, architecture: &str) -> Result<String> {
    let dir = dir
        .to_str()
        .filter(|d| !d.contains(['"', '\n', '\\']))
        .ok_or_else(|| {
            anyhow!(
                "the cache path {} has a character that apt's configuration cannot hold; set XDG_CACHE_HOME",
                dir.display()
            )
        })?;
    Ok(format!(
        r#"Dir::State "{dir}/state";
Dir::State::status "{dir}/status";
Dir::Cache "{dir}/cache";
Dir::Log "{dir}";
Dir::Etc::sourcelist "{dir}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Architecture "{architecture}";
#clear APT::Architectures;
APT::Architectures "{architecture}";
APT::Sandbox::User "root";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::Retries "3";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons-small::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons::DefaultEnabled "false";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Install-Pkgs;
#clear DPkg::Post-Invoke;
"#
    ))
}

/// Runs `command` to its end; an error contains the last lines of output.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    let done = command.stdin(Stdio::null()).output().with_context(|| {
        format!("cannot run {program} (part of Debian's base: packages apt and dpkg)")
    })?;
    if done.status.success() {
        return Ok(done);
    }
    let text = [done.stdout.as_slice(), done.stderr.as_slice()].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines: Vec<_> = text
        .lines()
        .filter(|l| l.starts_with("E:") || l.starts_with("W:") || l.starts_with("Err:"))
        .collect();
    let shown = if lines.is_empty() {
        text.trim().to_owned()
    } else {
        lines.join("\n")
    };
    let args: Vec<_> = command
        .get_args()
        .map(|a| a.to_string_lossy().into_owned())
        .collect();
    bail!(
        "{program} {} failed ({}):\n{shown}",
        args.join(" "),
        done.status
    )
}
