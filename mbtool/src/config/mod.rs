//! `/etc/mbtool/crash.toml`: what `mbtool crash load` loads, and what is done
//! with the dump in the crash kernel.

pub mod target;

pub use target::{Device, Ssh, Target};

use crate::input::{self, InputError};
use serde::Deserialize;
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// Where the configuration is, below `/`.
pub const PATH: &str = "/etc/mbtool/crash.toml";
/// Most bytes of a configuration that are read.
const LIMIT: u64 = 1 << 20;
/// Seconds that a watchdog may be given, beside 0.
const WATCHDOG: std::ops::RangeInclusive<u32> = 10..=3600;
/// Stands for the running kernel's release in [`Load`]'s paths.
const RELEASE: &str = "{release}";

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What is loaded. The copy that a crash kernel gets may go without.
    pub load: Option<Load>,
    /// What is done with a dump.
    #[serde(default)]
    pub save: Save,
}

/// `[load]`: a crash image.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Load {
    /// Xen, or a Linux kernel.
    pub image: FilePath,
    /// The image's command line.
    #[serde(default)]
    pub cmdline: String,
    /// dom0's kernel. For Xen only, which needs it.
    pub kernel: Option<FilePath>,
    /// dom0's command line.
    #[serde(default)]
    pub kernel_cmdline: String,
    /// dom0's, or Linux's.
    pub initrd: Option<FilePath>,
    /// Further options of `mbtool load`.
    #[serde(default)]
    pub options: Vec<String>,
}

/// `[save]`: what the crash kernel does.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Save {
    /// Where dumps go.
    pub target: Target,
    /// The file system that a directory is on: [`Save::target`] is then a path
    /// from its root. Without it: whatever is mounted there.
    pub device: Option<Device>,
    /// What reads the dump.
    pub collector: Collector,
    /// The private key for SSH.
    pub identity: PathBuf,
    /// Keys of the machines that SSH may talk to.
    pub known_hosts: PathBuf,
    /// Seconds without progress until the machine is reset. 0: no watchdog.
    #[serde(deserialize_with = "watchdog")]
    pub watchdog: u32,
    /// What comes after the dump, whether it was saved or not.
    pub then: Then,
}

impl Default for Save {
    fn default() -> Self {
        let makedumpfile = ["makedumpfile", "-l", "-d", "31"];
        Self {
            target: Target::Directory("/var/crash".into()),
            device: None,
            collector: Collector::Command(makedumpfile.map(str::to_owned).to_vec()),
            identity: "/etc/mbtool/crash-key".into(),
            known_hosts: "/etc/mbtool/crash-known-hosts".into(),
            watchdog: 60,
            then: Then::Reboot,
        }
    }
}

/// What reads a dump.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Collector {
    /// `copy`: nothing, it is saved as it is.
    Copy,
    /// A program and its options; the dump and the file to write follow. At least
    /// one word.
    Command(Vec<String>),
}

/// What ends a crash kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// The machine boots again.
    Reboot,
    /// The machine is switched off.
    Poweroff,
    /// A shell on the console.
    Shell,
}

/// An absolute path, in which `{release}` stands for the running kernel's
/// release.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct FilePath(String);

impl FilePath {
    /// The path, for the kernel release that `uname -r` says.
    #[must_use]
    pub fn expand(&self, release: &str) -> PathBuf {
        self.0.replace(RELEASE, release).into()
    }

    /// As written.
    #[must_use]
    pub fn as_written(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for FilePath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if !text.starts_with('/') || text.contains(char::is_control) {
            return Err(format!("`{text}` is not an absolute path"));
        }
        let rest = text.replace(RELEASE, "");
        if let Some(start) = rest.find('{') {
            let end = rest[start..]
                .find('}')
                .map_or(rest.len(), |at| start + at + 1);
            return Err(format!(
                "`{text}`: `{}` is not known; {RELEASE} stands for what `uname -r` says",
                &rest[start..end]
            ));
        }
        Ok(Self(text))
    }
}

impl TryFrom<String> for Collector {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.contains(['"', '\'', '\\', '$', '`', '|', '<', '>', ';', '&']) {
            return Err(format!(
                "`{text}` is no shell command: words are separated by spaces, and nothing else has \
                 a meaning; name a script instead"
            ));
        }
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] => Err("no program is named; `copy` saves the dump as it is".to_owned()),
            ["copy"] => Ok(Self::Copy),
            ["copy", ..] => Err(format!("`{text}`: copy takes no options")),
            _ => Ok(Self::Command(words)),
        }
    }
}

fn watchdog<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let seconds = u32::deserialize(deserializer)?;
    if seconds != 0 && !WATCHDOG.contains(&seconds) {
        let (least, most) = (WATCHDOG.start(), WATCHDOG.end());
        return Err(serde::de::Error::custom(format!(
            "{seconds} seconds: expected {least} to {most}, or 0 for no watchdog"
        )));
    }
    Ok(seconds)
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file.
    #[error(transparent)]
    Read(#[from] InputError),
    /// Not text.
    #[error("{file}: is not UTF-8 from byte {at} on")]
    Utf8 {
        /// The file.
        file: String,
        /// Bytes before it.
        at: usize,
    },
    /// What stands in it.
    #[error("{file}, line {line}{}: {what}", key.as_deref().map(|key| format!(", {key}")).unwrap_or_default())]
    Line {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// "save.target", where one stands there.
        key: Option<String>,
        /// What is wrong.
        what: String,
    },
    /// What does not go together.
    #[error("{file}, {key}: {what}")]
    Together {
        /// The file.
        file: String,
        /// The key to change.
        key: &'static str,
        /// What is wrong.
        what: &'static str,
    },
}

impl Config {
    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// Names the file, the line and the key.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let bytes = input::read(path, LIMIT)?;
        let file = input::display_name(path);
        let text = String::from_utf8(bytes).map_err(|error| ConfigError::Utf8 {
            at: error.utf8_error().valid_up_to(),
            file: file.clone(),
        })?;
        Self::parse(&text, &file)
    }

    /// Reads `text`, which messages call `file`.
    ///
    /// # Errors
    ///
    /// As [`Config::read`].
    pub fn parse(text: &str, file: impl Display) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(text.len(), |span| span.start);
            ConfigError::Line {
                file: file.to_string(),
                line: text
                    .as_bytes()
                    .iter()
                    .take(at)
                    .filter(|&&b| b == b'\n')
                    .count()
                    + 1,
                key: key_at(text, at),
                what: error.message().to_owned(),
            }
        })?;
        let together = |key, what| ConfigError::Together {
            file: file.to_string(),
            key,
            what,
        };
        if matches!(config.save.target, Target::Ssh(_)) && config.save.device.is_some() {
            return Err(together(
                "save.device",
                "there is nothing to mount for an ssh target; leave it out",
            ));
        }
        if let Some(load) = &config.load
            && load.kernel.is_none()
            && !load.kernel_cmdline.is_empty()
        {
            return Err(together(
                "load.kernel-cmdline",
                "there is no load.kernel, which it is for; the image's own is load.cmdline",
            ));
        }
        Ok(config)
    }
}

/// "table.key" of what stands at byte `at` of `text`.
fn key_at(text: &str, at: usize) -> Option<String> {
    let end = text
        .get(at..)
        .and_then(|rest| rest.find('\n'))
        .map_or(text.len(), |len| at + len);
    let lines: Vec<&str> = text.get(..end)?.lines().map(str::trim).collect();
    let header = |line: &&str| line.starts_with('[') && line.ends_with(']') && !line.contains(',');
    let table = lines.iter().rposition(header);
    let name = table.map(|at| lines[at].trim_matches(['[', ']']));
    // a value may go over several lines
    let lines = &lines[table.map_or(0, |at| at + 1)..];
    let key = lines.iter().rev().find_map(|line| {
        let (key, _) = line.split_once('=')?;
        let key = key.trim().trim_matches('"');
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        (!key.is_empty() && key.chars().all(plain)).then_some(key)
    });
    match (name, key) {
        (Some(name), Some(key)) => Some(format!("{name}.{key}")),
        (name, key) => name.or(key).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests;
