//! The crash kernel's initrd: built by Debian's mkinitramfs from the files of
//! [`install`](super::install), if it is missing or its inputs have changed.

mod drivers;
mod error;
mod made_of;
mod parts;

pub use error::InitrdError;

use super::install::CONFDIR;
use crate::config::Save;
use crate::config::target::Target;
use crate::input;
use crate::sys::output::Messages;
use anyhow::{Context, ensure};
use made_of::{Age, MadeOf};
use parts::{InitrdParts, blanks};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Program that builds it.
const MAKER: &str = "mkinitramfs";
/// Suffix of the file that records the inputs of an image.
pub(super) const MADE_OF: &str = ".made-of";
/// Suffix of an image under construction.
pub(super) const PART: &str = ".part";
/// Directories to search for programs besides $PATH, which is short in a unit.
const SBIN: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Number of lines of mkinitramfs output to print when it fails.
const SHOWN: usize = 8;

/// Input of a build.
#[derive(Clone, Copy, Debug)]
pub struct InitrdRequest<'a> {
    /// Path of the image.
    pub image: &'a Path,
    /// Release of its kernel.
    pub release: &'a str,
    /// Path of the configuration to include.
    pub config: &'a Path,
    /// Options `[save]` of the configuration.
    pub save: &'a Save,
}

/// Builds the image, if it belongs to mbtool and is missing or outdated.
/// Returns whether it was built.
///
/// # Errors
///
/// When the image is missing and cannot be built, or mkinitramfs fails.
pub fn ensure_made(wanted: &InitrdRequest, messages: &mut Messages) -> anyhow::Result<bool> {
    let maker = Maker {
        root: Path::new("/"),
        confdir: Path::new(CONFDIR),
        modules: Path::new("/lib/modules"),
        path: search_path(),
    };
    maker.run(wanted, messages)
}

/// Returns $PATH and Debian's directories for root.
fn search_path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    if !path.is_empty() {
        path.push(":");
    }
    path.push(SBIN);
    path
}

/// Paths for a build.
#[derive(Debug)]
struct Maker<'a> {
    /// Root with sysfs and /dev.
    root: &'a Path,
    confdir: &'a Path,
    modules: &'a Path,
    path: OsString,
}

impl Maker<'_> {
    fn run(&self, wanted: &InitrdRequest, messages: &mut Messages) -> anyhow::Result<bool> {
        let image = wanted.image;
        let noted = beside(image, MADE_OF);
        let there = image.is_file();
        if there && !noted.exists() {
            // not an image of mbtool
            return Ok(false);
        }
        if !self.confdir.is_dir() {
            let refused = || InitrdError::NotInstalled {
                image: image.to_owned(),
                beside: input::beside(image),
            };
            ensure!(there, refused());
            return Ok(false);
        }
        let parts = self.parts(wanted, messages)?;
        let made_of = self.made_of(wanted, &parts)?;
        let age = match fs::read_to_string(&noted) {
            Ok(note) if there => made_of.age(&note),
            _ => Age::Old,
        };
        if age == Age::Fresh {
            return Ok(false);
        }
        match self.make(wanted, &parts, messages) {
            Err(error) if age == Age::Hardware => {
                messages.warn(format_args!(
                    "{} was built for other hardware, and cannot be rebuilt: {error:#}",
                    image.display()
                ));
                return Ok(false);
            }
            made => made?,
        }
        fs::write(&noted, made_of.note())
            .with_context(|| format!("cannot write {}", noted.display()))?;
        self.forget_others(wanted, messages)?;
        Ok(true)
    }

    /// Returns the inputs of the image, except programs of the distribution.
    fn made_of(&self, wanted: &InitrdRequest, parts: &InitrdParts) -> anyhow::Result<MadeOf> {
        let mut paths = vec![
            parts.program.clone(),
            wanted.config.to_owned(),
            self.modules.join(wanted.release).join("modules.dep"),
        ];
        paths.extend(parts.collectors.iter().chain(&parts.files).cloned());
        made_of::below(self.confdir, &mut paths)?;
        Ok(MadeOf::of(&paths, drivers::of(self.root, wanted.save)))
    }

    fn make(
        &self,
        wanted: &InitrdRequest,
        parts: &InitrdParts,
        messages: &mut Messages,
    ) -> anyhow::Result<()> {
        let image = wanted.image;
        let path = self.modules.join(wanted.release);
        ensure!(path.is_dir(), InitrdError::NoModules { path });
        let dir = image
            .parent()
            .context("the initrd's path has no directory")?;
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let part = beside(image, PART);
        let started = Instant::now();
        let mut said = String::new();
        // "dep" does not cover all kinds of root file systems
        for modules in ["dep", "most"] {
            messages.say(format_args!(
                "making {} for {} ({MAKER}, MODULES={modules})",
                image.display(),
                wanted.release
            ));
            let mut command = self.command(wanted, parts);
            let done = command
                .env("MBTOOL_CRASH_MODULES", modules)
                .arg("-o")
                .args([part.as_os_str(), wanted.release.as_ref()])
                .output();
            let done = match done {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return Err(InitrdError::NoMaker {
                        program: MAKER,
                        image: image.to_owned(),
                    }
                    .into());
                }
                done => done.with_context(|| format!("cannot run {MAKER}"))?,
            };
            said = [done.stdout, done.stderr]
                .iter()
                .map(|text| String::from_utf8_lossy(text).into_owned())
                .collect();
            for line in said.lines() {
                messages.line(format_args!("{MAKER}: {line}"));
            }
            if done.status.success() {
                let bytes = put(&part, image).inspect_err(|_| {
                    let _ = fs::remove_file(&part);
                })?;
                messages.say(format_args!(
                    "built {}: {bytes} bytes in {:.1} s",
                    image.display(),
                    started.elapsed().as_secs_f64()
                ));
                return Ok(());
            }
        }
        let _ = fs::remove_file(&part);
        let lines: Vec<String> = said.lines().map(str::to_owned).collect();
        Err(InitrdError::MakerFailed {
            program: MAKER,
            output: lines[lines.len().saturating_sub(SHOWN)..].to_vec(),
        }
        .into())
    }

    fn command(&self, wanted: &InitrdRequest, parts: &InitrdParts) -> Command {
        let save = wanted.save;
        let network = matches!(save.target, Target::Ssh(_));
        let maker = self.find(MAKER).unwrap_or_else(|| MAKER.into());
        let mut command = Command::new(maker);
        command
            .stdin(Stdio::null())
            .env("PATH", &self.path)
            .env("LC_ALL", "C")
            .env("MBTOOL_CRASH_PROGRAM", &parts.program)
            .env("MBTOOL_CRASH_CONFIG", wanted.config)
            .env("MBTOOL_CRASH_COLLECTORS", blanks(&parts.collectors))
            .env("MBTOOL_CRASH_FILES", blanks(&parts.files))
            .env(
                "MBTOOL_CRASH_DEVICE",
                save.device
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
            )
            .env("MBTOOL_CRASH_NETWORK", if network { "yes" } else { "" })
            .arg("-d")
            .arg(self.confdir);
        command
    }

    /// Removes images of kernels that no longer exist.
    fn forget_others(&self, wanted: &InitrdRequest, messages: &mut Messages) -> anyhow::Result<()> {
        let name = wanted.image.file_name().and_then(|name| name.to_str());
        let (Some(name), Some(dir)) = (name, wanted.image.parent()) else {
            return Ok(());
        };
        // without a release in the name there is one image for all kernels
        let Some((before, after)) = name.split_once(wanted.release) else {
            return Ok(());
        };
        for entry in fs::read_dir(dir)?.flatten() {
            let other = entry.file_name();
            let release = other
                .to_str()
                .and_then(|name| name.strip_prefix(before)?.strip_suffix(after));
            let Some(release) = release.filter(|release| !release.is_empty()) else {
                continue;
            };
            let noted = beside(&entry.path(), MADE_OF);
            if noted.is_file() && !self.modules.join(release).is_dir() {
                fs::remove_file(entry.path())?;
                fs::remove_file(noted)?;
                messages.say(format_args!(
                    "removed {}: kernel {release} no longer exists",
                    entry.path().display()
                ));
            }
        }
        Ok(())
    }
}

/// Appends `end` to the file name of `path`.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Moves the image to its path, and returns its size. Until its inputs are
/// recorded, it counts as outdated.
fn put(part: &Path, image: &Path) -> anyhow::Result<u64> {
    let file = fs::File::open(part)?;
    file.sync_all()?;
    let noted = beside(image, MADE_OF);
    let there = image.is_file();
    fs::write(&noted, "").with_context(|| format!("cannot write {}", noted.display()))?;
    fs::rename(part, image)
        .inspect_err(|_| {
            // an orphaned record would claim a file that is put there later
            if !there {
                let _ = fs::remove_file(&noted);
            }
        })
        .with_context(|| format!("cannot write {}", image.display()))?;
    Ok(file.metadata()?.len())
}

#[cfg(test)]
mod tests;
