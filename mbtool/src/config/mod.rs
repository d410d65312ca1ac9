//! `/etc/mbtool/crash.toml`: the image for `mbtool crash load`, and the options
//! of `mbtool crash save`.

mod error;
pub mod target;

pub use error::ConfigError;
pub use target::{DeviceSpec, Ssh, Target};

use crate::input;
use serde::Deserialize;
use serde::de::{self, SeqAccess, Visitor};
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

/// Path of the configuration.
pub const PATH: &str = "/etc/mbtool/crash.toml";
/// Kernel parameter that makes the crash kernel's initrd save the dump.
pub const CRASH_PARAMETER: &str = "mbtool.crash";
/// Maximum size of a configuration in bytes.
const LIMIT: u64 = 1 << 20;
/// Range of the watchdog timeout in seconds, besides 0.
const WATCHDOG: std::ops::RangeInclusive<u32> = 10..=3600;
/// Placeholder for the running kernel's release in paths of [`LoadSection`].
const RELEASE: &str = "{release}";

/// A whole configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The image to load. May be missing in the copy for the crash kernel.
    pub load: Option<LoadSection>,
    /// Options for saving a dump.
    #[serde(default)]
    pub save: Save,
}

/// `[load]`: the crash image.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LoadSection {
    /// Xen, or a Linux kernel.
    pub image: FilePath,
    /// The image's command line.
    #[serde(default)]
    pub cmdline: String,
    /// dom0's kernel. Required for Xen, refused otherwise.
    pub kernel: Option<FilePath>,
    /// dom0's command line.
    #[serde(default)]
    pub kernel_cmdline: String,
    /// Initrds of dom0, or of Linux, which are joined. `mbtool crash load` makes the last one.
    #[serde(deserialize_with = "one_or_more", default)]
    pub initrd: Vec<FilePath>,
    /// Further options of `mbtool load`.
    #[serde(default)]
    pub options: Vec<String>,
}

impl LoadSection {
    /// Returns the paths of the initrds for a kernel release.
    #[must_use]
    pub fn initrds(&self, release: &str) -> Vec<PathBuf> {
        let paths = self.initrd.iter();
        paths.map(|path| path.expand(release)).collect()
    }
}

/// `[save]`: options of the crash kernel.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Save {
    /// Destination of dumps.
    pub target: Target,
    /// The file system of a directory target: [`Save::target`] is then a path
    /// from its root. By default, the file system mounted at the path.
    pub device: Option<DeviceSpec>,
    /// Program that reads the dump.
    pub collector: Collector,
    /// The private key for SSH.
    pub identity: PathBuf,
    /// Host keys for SSH.
    pub known_hosts: PathBuf,
    /// Timeout without progress until the machine is reset, in seconds. 0: no
    /// watchdog.
    #[serde(deserialize_with = "watchdog")]
    pub watchdog: u32,
    /// Action after the dump, whether it was saved or not.
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

/// Program that reads a dump.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Collector {
    /// `copy`: none, the dump is copied unchanged.
    Copy,
    /// A program and its options, at least one item; dump and output file are
    /// appended.
    Command(Vec<String>),
}

/// Action at the end of a crash kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// Reboot.
    Reboot,
    /// Power off.
    Poweroff,
    /// Run a shell on the console.
    Shell,
}

/// An absolute path, in which `{release}` is replaced by the running kernel's
/// release.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct FilePath(String);

impl FilePath {
    /// Returns the path for a kernel release (`uname -r`).
    #[must_use]
    pub fn expand(&self, release: &str) -> PathBuf {
        self.0.replace(RELEASE, release).into()
    }

    /// Returns the path as written.
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
                "`{text}`: `{}` is unknown; {RELEASE} stands for the output of `uname -r`",
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
                "`{text}` is not a shell command: arguments are separated by spaces, and nothing else has \
                 a meaning; name a script instead"
            ));
        }
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] => Err("no program is named; use `copy` to save the dump unchanged".to_owned()),
            ["copy"] => Ok(Self::Copy),
            ["copy", ..] => Err(format!("`{text}`: copy takes no options")),
            _ => Ok(Self::Command(words)),
        }
    }
}

/// Reads a path, or a list of paths.
fn one_or_more<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<FilePath>, D::Error> {
    struct Paths;
    impl<'de> Visitor<'de> for Paths {
        type Value = Vec<FilePath>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a path or a list of paths")
        }

        fn visit_str<E: de::Error>(self, path: &str) -> Result<Self::Value, E> {
            let path = FilePath::try_from(path.to_owned()).map_err(E::custom)?;
            Ok(vec![path])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut paths = Vec::new();
            while let Some(path) = list.next_element()? {
                paths.push(path);
            }
            Ok(paths)
        }
    }
    deserializer.deserialize_any(Paths)
}

fn watchdog<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let seconds = u32::deserialize(deserializer)?;
    if seconds != 0 && !WATCHDOG.contains(&seconds) {
        let (least, most) = (WATCHDOG.start(), WATCHDOG.end());
        return Err(de::Error::custom(format!(
            "{seconds} seconds: expected {least} to {most}, or 0 for no watchdog"
        )));
    }
    Ok(seconds)
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

    /// Parses `text`; `file` is its name in messages.
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

/// Returns the key ("table.key") at byte `at` of `text`.
fn key_at(text: &str, at: usize) -> Option<String> {
    let end = text
        .get(at..)
        .and_then(|rest| rest.find('\n'))
        .map_or(text.len(), |len| at + len);
    let lines: Vec<&str> = text.get(..end)?.lines().map(str::trim).collect();
    let header = |line: &&str| line.starts_with('[') && line.ends_with(']') && !line.contains(',');
    let table = lines.iter().rposition(header);
    let name = table.map(|at| lines[at].trim_matches(['[', ']']));
    // a value may span several lines
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
