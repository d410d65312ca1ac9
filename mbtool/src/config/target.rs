//! Destination of a dump.

use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;

/// Default SSH port.
pub const SSH_PORT: u16 = 22;

/// Destination of dumps: a local directory, or one on another machine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Target {
    /// An absolute path, with [`DeviceSpec`] relative to that file system.
    Directory(PathBuf),
    /// A directory on another machine.
    Ssh(Ssh),
}

/// `ssh://user@host[:port]/dir`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ssh {
    /// User name: letters, digits, `.`, `_` and `-`, not starting with `-`.
    pub user: String,
    /// Host name or address; IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Absolute directory, without characters that are special in a shell.
    pub dir: String,
}

/// A file system to mount: `UUID=`, `LABEL=`, `PARTUUID=` or `PARTLABEL=`, or
/// `/dev/...`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum DeviceSpec {
    /// UUID of the file system.
    Uuid(String),
    /// Label of the file system.
    Label(String),
    /// UUID of the partition.
    PartUuid(String),
    /// Label of the partition.
    PartLabel(String),
    /// Device node.
    Path(PathBuf),
}

/// An invalid target or device, with the expected format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Neither a path nor an SSH URL.
    #[error(
        "`{0}` is neither an absolute path such as /var/crash nor ssh://user@host[:port]/directory"
    )]
    Form(String),
    /// An unsupported URL scheme.
    #[error("`{0}`: `{1}` is not supported; give a directory, or ssh://user@host[:port]/directory")]
    Scheme(String, String),
    /// An invalid part of an SSH URL.
    #[error("`{text}`: {what}; expected ssh://user@host[:port]/directory")]
    Part {
        /// The whole URL.
        text: String,
        /// Problem.
        what: String,
    },
    /// An invalid device.
    #[error(
        "`{0}` names no file system: expected UUID=..., LABEL=..., PARTUUID=..., PARTLABEL=... or \
         /dev/..."
    )]
    Device(String),
}

impl TryFrom<String> for Target {
    type Error = TargetError;

    fn try_from(text: String) -> Result<Self, TargetError> {
        if let Some(rest) = text.strip_prefix("ssh://") {
            return ssh(&text, rest).map(Self::Ssh);
        }
        if let Some((scheme, _)) = text.split_once("://") {
            let scheme = scheme.to_owned();
            return Err(TargetError::Scheme(text, scheme));
        }
        if !text.starts_with('/') || text.contains(char::is_control) {
            return Err(TargetError::Form(text));
        }
        Ok(Self::Directory(text.into()))
    }
}

fn ssh(text: &str, rest: &str) -> Result<Ssh, TargetError> {
    let wrong = |what: &str| TargetError::Part {
        text: text.to_owned(),
        what: what.to_owned(),
    };
    let slash = rest
        .find('/')
        .ok_or_else(|| wrong("there is no directory"))?;
    let (authority, dir) = rest.split_at(slash);
    let (user, address) = authority
        .split_once('@')
        .ok_or_else(|| wrong("there is no user"))?;
    let word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if user.is_empty() || user.starts_with('-') || !user.chars().all(word) {
        return Err(wrong(
            "the user may have letters, digits, `.`, `_` and `-` only",
        ));
    }
    let (host, port) = match address.strip_prefix('[') {
        Some(six) => {
            let (host, rest) = six
                .split_once(']')
                .ok_or_else(|| wrong("the closing ] is missing"))?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(wrong("the address in brackets is not IPv6"));
            }
            match rest.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if rest.is_empty() => (host, None),
                None => return Err(wrong("a port must follow the closing ]")),
            }
        }
        None => {
            let (host, port) = match address.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (address, None),
            };
            if host.is_empty() || host.starts_with('-') || !host.chars().all(word) {
                return Err(wrong(
                    "the host is neither a name nor an IPv4 address (put an IPv6 address in brackets)",
                ));
            }
            (host, port)
        }
    };
    let port = match port {
        None => SSH_PORT,
        Some(text) => match text.parse() {
            Ok(port) if port > 0 && text.bytes().all(|b| b.is_ascii_digit()) => port,
            _ => return Err(wrong("the port is not a number from 1 to 65535")),
        },
    };
    // the directory is used in a shell command on the other machine
    let plain = |c: char| c.is_alphanumeric() || "/._-+,@=:%".contains(c);
    if !dir.chars().all(plain) {
        return Err(wrong(
            "the directory may have letters, digits and / . _ - + , @ = : % only",
        ));
    }
    Ok(Ssh {
        user: user.to_owned(),
        host: host.to_owned(),
        port,
        dir: dir.to_owned(),
    })
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
            Self::Ssh(ssh) => write!(f, "{ssh}"),
        }
    }
}

impl fmt::Display for Ssh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            user,
            host,
            port,
            dir,
        } = self;
        match host.contains(':') {
            true => write!(f, "ssh://{user}@[{host}]")?,
            false => write!(f, "ssh://{user}@{host}")?,
        }
        match *port {
            SSH_PORT => write!(f, "{dir}"),
            port => write!(f, ":{port}{dir}"),
        }
    }
}

impl TryFrom<String> for DeviceSpec {
    type Error = TargetError;

    fn try_from(text: String) -> Result<Self, TargetError> {
        let plain = |c: char| !c.is_control() && c != '"';
        let wrong = || TargetError::Device(text.clone());
        if !text.chars().all(plain) {
            return Err(wrong());
        }
        if text.starts_with("/dev/") && text.len() > 5 {
            return Ok(Self::Path(text.into()));
        }
        let (key, value) = text.split_once('=').ok_or_else(wrong)?;
        // must not contain `/`, as it is used in /dev/disk/by-uuid/VALUE
        if value.is_empty() || value.contains('/') || value.starts_with('.') {
            return Err(wrong());
        }
        let value = value.to_owned();
        match key {
            "UUID" => Ok(Self::Uuid(value)),
            "LABEL" => Ok(Self::Label(value)),
            "PARTUUID" => Ok(Self::PartUuid(value)),
            "PARTLABEL" => Ok(Self::PartLabel(value)),
            _ => Err(wrong()),
        }
    }
}

/// Formats the device for mount(8).
impl fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid(value) => write!(f, "UUID={value}"),
            Self::Label(value) => write!(f, "LABEL={value}"),
            Self::PartUuid(value) => write!(f, "PARTUUID={value}"),
            Self::PartLabel(value) => write!(f, "PARTLABEL={value}"),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;
