//! `mbtool crash install`: writes a configuration, a systemd unit that loads
//! the crash kernel at boot, and mkinitramfs files for an initrd that saves the
//! dump.
//!
//! - [`machine`]: facts of this machine for the configuration;
//! - [`files`]: written files and their states;
//! - [`configuration`]: generates the configuration;
//! - [`uninstall`]: removes it all.

pub mod configuration;
mod error;
pub mod files;
pub mod machine;
mod remove;

pub use error::InstallError;
pub use remove::uninstall;

use crate::config::target::{DeviceSpec, Target};
use crate::config::{self, Config};
use crate::sys::output::Messages;
use anyhow::Context;
use configuration::Settings;
use files::{File, FileState, Installed};
use std::fs;
use std::path::{Path, PathBuf};

/// Directory of the `mkinitramfs` configuration for a crash kernel.
pub const CONFDIR: &str = "/etc/mbtool/initramfs";
/// Name of the unit.
pub const UNIT: &str = "mbtool-crash.service";
/// Paths of the unit, and of the link that enables it.
const UNIT_FILE: &str = "etc/systemd/system/mbtool-crash.service";
const WANTED: &str = "etc/systemd/system/multi-user.target.wants/mbtool-crash.service";
const WANTED_TARGET: &str = "../mbtool-crash.service";
/// [`config::PATH`] and [`CONFDIR`] below a root.
const CONFIG_FILE: &str = "etc/mbtool/crash.toml";
const CONFDIR_DIR: &str = "etc/mbtool/initramfs";
/// Files that users may edit: edited ones are kept.
const YOURS: [&str; 2] = [
    "etc/mbtool/initramfs/initramfs.conf",
    "etc/mbtool/initramfs/modules",
];
/// Directories that mkinitramfs(8) requires, even if empty.
const DIRECTORIES: [&str; 3] = [
    "etc/mbtool/initramfs/conf.d",
    "etc/mbtool/initramfs/hooks",
    "var/lib/mbtool",
];
/// Path of mbtool on a machine that is set up from outside.
const PROGRAM: &str = "/usr/sbin/mbtool";

/// Options of the command line.
#[derive(Clone, Debug)]
pub struct InstallOptions {
    /// Root to set up: `/`, or the mount point of another system.
    pub root: PathBuf,
    /// Xen, or a Linux kernel.
    pub image: Option<PathBuf>,
    /// The image's command line.
    pub cmdline: Option<String>,
    /// Target of dumps.
    pub target: Option<Target>,
    /// File system of a target directory.
    pub device: Option<DeviceSpec>,
    /// Path of mbtool for the unit.
    pub program: Option<PathBuf>,
}

impl InstallOptions {
    /// True when another system than the running one is set up.
    fn elsewhere(&self) -> bool {
        self.root != Path::new("/")
    }

    /// Returns the given options that only apply to a new configuration.
    fn of_configuration(&self) -> Vec<&'static str> {
        [
            ("--image", self.image.is_some()),
            ("--cmdline", self.cmdline.is_some()),
            ("--target", self.target.is_some()),
            ("--device", self.device.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect()
    }
}

/// Result, to determine the remaining steps.
#[derive(Debug, PartialEq, Eq)]
pub struct InstallOutcome {
    /// True when something was written.
    pub changed: bool,
    /// The current configuration.
    pub config: Config,
}

/// Sets up the machine. Existing files are kept.
///
/// # Errors
///
/// When a file was edited that must not be, before anything is written; when options contradict an
/// existing configuration; when a file cannot be written.
pub fn install(
    options: &InstallOptions,
    messages: &mut Messages,
) -> anyhow::Result<InstallOutcome> {
    let root = &options.root;
    let mut installed = Installed::read(root)?;
    let program = program(options)?;
    let mut all = contents(&program);
    let config = root.join(CONFIG_FILE);
    if config.exists() {
        let given = options.of_configuration();
        if !given.is_empty() {
            return Err(InstallError::Configured {
                config,
                options: given,
            }
            .into());
        }
    } else {
        let settings = Settings::of(options)?;
        for note in &settings.notes {
            messages.say(note);
        }
        all.insert(
            0,
            File {
                path: CONFIG_FILE,
                text: configuration::text(&settings),
                mode: 0o644,
            },
        );
    }
    let states: Vec<FileState> = all
        .iter()
        .map(|file| installed.state(file))
        .collect::<Result<_, _>>()?;
    let edited: Vec<PathBuf> = all
        .iter()
        .zip(&states)
        .filter(|(file, state)| **state == FileState::Edited && !YOURS.contains(&file.path))
        .map(|(file, _)| root.join(file.path))
        .collect();
    if !edited.is_empty() {
        return Err(InstallError::Edited { paths: edited }.into());
    }
    for name in DIRECTORIES {
        let path = root.join(name);
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    }
    let mut changed = false;
    for (file, state) in all.iter().zip(states) {
        let shown = root.join(file.path);
        let what = match state {
            FileState::Same => continue,
            FileState::Absent => "wrote",
            FileState::Ours => "replaced",
            FileState::Edited => {
                messages.say(format_args!("{} was edited and is kept", shown.display()));
                continue;
            }
        };
        installed.write(file)?;
        changed = true;
        messages.say(format_args!("{what} {}", shown.display()));
    }
    installed.save()?;
    if files::link(root, WANTED, WANTED_TARGET)? {
        changed = true;
        messages.say(format_args!("enabled {UNIT}"));
    }
    let config = Config::read(&config)?;
    Ok(InstallOutcome { changed, config })
}

/// Returns the path of mbtool for the unit.
fn program(options: &InstallOptions) -> anyhow::Result<PathBuf> {
    let path = match &options.program {
        Some(path) => path.clone(),
        None if options.elsewhere() => PROGRAM.into(),
        None => std::env::current_exe().context("cannot find out where mbtool itself is")?,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._+-".contains(c);
    let text = path
        .to_str()
        .filter(|text| text.starts_with('/') && text.chars().all(plain));
    if text.is_none() {
        return Err(InstallError::ProgramName { path }.into());
    }
    let there = options.root.join(path.strip_prefix("/").unwrap_or(&path));
    if !there.is_file() {
        return Err(InstallError::NoProgram { path: there }.into());
    }
    Ok(path)
}

/// Returns all files except the configuration.
fn contents(program: &Path) -> Vec<File> {
    let file = |path, text: &str, mode| File {
        path,
        text: text.to_owned(),
        mode,
    };
    let unit = include_str!("texts/mbtool-crash.service");
    let stage = include_str!("texts/stage");
    vec![
        file(
            UNIT_FILE,
            &unit.replace("@PROGRAM@", &program.display().to_string()),
            0o644,
        ),
        file(
            "etc/mbtool/initramfs/initramfs.conf",
            include_str!("texts/initramfs.conf"),
            0o644,
        ),
        file(
            "etc/mbtool/initramfs/modules",
            include_str!("texts/modules"),
            0o644,
        ),
        file(
            "etc/mbtool/initramfs/hooks/mbtool",
            include_str!("texts/hook"),
            0o755,
        ),
        file(
            "etc/mbtool/initramfs/scripts/mbtool-boot",
            include_str!("texts/boot"),
            0o644,
        ),
        file(
            "etc/mbtool/initramfs/scripts/mbtool-crash",
            include_str!("texts/saves"),
            0o644,
        ),
        file(
            "etc/mbtool/initramfs/scripts/init-premount/mbtool-crash",
            stage,
            0o755,
        ),
        file(
            "etc/mbtool/initramfs/scripts/local-premount/mbtool-crash",
            stage,
            0o755,
        ),
        file(
            "etc/mbtool/initramfs/scripts/nfs-premount/mbtool-crash",
            stage,
            0o755,
        ),
    ]
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod texts_tests;
