//! Where a dump is saved to, as the configuration says it.

use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;

/// The SSH port, where none is given.
pub const SSH_PORT: u16 = 22;

/// Where dumps go: a directory, or one on another machine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Target {
    /// An absolute path. With [`Device`], on that file system.
    Directory(PathBuf),
    /// By SSH.
    Ssh(Ssh),
}

/// `ssh://user@host[:port]/dir`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ssh {
    /// Letters, digits, `.`, `_` and `-`; no `-` first.
    pub user: String,
    /// A name or an address. One of IPv6 is without its brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Absolute. Of characters that no shell gives a meaning to.
    pub dir: String,
}

/// A file system to mount: `UUID=`, `LABEL=`, `PARTUUID=` or `PARTLABEL=`, or
/// `/dev/...`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Device {
    /// Of the file system.
    Uuid(String),
    /// Of the file system.
    Label(String),
    /// Of the partition.
    PartUuid(String),
    /// Of the partition.
    PartLabel(String),
    /// Device node.
    Path(PathBuf),
}

/// Not a target, or not a device. Says what was found and what is expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Neither form.
    #[error(
        "`{0}` is neither an absolute path such as /var/crash nor ssh://user@host[:port]/directory"
    )]
    Form(String),
    /// Another way to reach a machine.
    #[error("`{0}`: `{1}` is not supported; give a directory, or ssh://user@host[:port]/directory")]
    Scheme(String, String),
    /// A part of the address.
    #[error("`{text}`: {what}; expected ssh://user@host[:port]/directory")]
    Part {
        /// The whole.
        text: String,
        /// What is wrong.
        what: String,
    },
    /// No device.
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
                return Err(wrong("what stands in brackets is no IPv6 address"));
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
                    "the host is no name and no IPv4 address (put one of IPv6 in brackets)",
                ));
            }
            (host, port)
        }
    };
    let port = match port {
        None => SSH_PORT,
        Some(text) => match text.parse() {
            Ok(port) if port > 0 && text.bytes().all(|b| b.is_ascii_digit()) => port,
            _ => return Err(wrong("the port is no number from 1 to 65535")),
        },
    };
    // it becomes a part of a command of the other machine's shell
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

impl TryFrom<String> for Device {
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
        // no part of a path, which /dev/disk/by-uuid/VALUE would be
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

/// As mount(8) takes it.
impl fmt::Display for Device {
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
mod tests {
    use super::*;

    fn target(text: &str) -> Result<Target, String> {
        Target::try_from(text.to_owned()).map_err(|error| error.to_string())
    }

    #[test]
    fn targets_are_told_apart() {
        assert_eq!(
            target("/var/crash"),
            Ok(Target::Directory("/var/crash".into()))
        );
        for text in [
            "/",
            "ssh://kdump@dumps.example/srv/crash",
            "ssh://k-d_u.mp@192.0.2.1:2222/a",
            "ssh://k@[2001:db8::1]:2222/a-b/c",
            "ssh://k@[2001:db8::1]/",
        ] {
            assert_eq!(target(text).unwrap().to_string(), text);
        }
        let Ok(Target::Ssh(ssh)) = target("ssh://k@[2001:db8::1]/d") else {
            panic!()
        };
        assert_eq!((ssh.host.as_str(), ssh.port), ("2001:db8::1", 22));
    }

    #[test]
    fn what_is_no_target_is_named() {
        for (text, says) in [
            ("", "neither"),
            ("var/crash", "neither"),
            ("user@host:/dir", "neither"),
            ("/a\nb", "neither"),
            ("nfs://host/dir", "`nfs` is not supported"),
            ("ssh://user@host", "no directory"),
            ("ssh://host/dir", "no user"),
            ("ssh://@host/dir", "the user"),
            ("ssh://-oProxyCommand=x@host/dir", "the user"),
            ("ssh://u@-oProxyCommand=x/dir", "the host"),
            ("ssh://u@/dir", "the host"),
            ("ssh://u@a@b/dir", "the host"),
            ("ssh://u@::1/dir", "the host"),
            ("ssh://u@[::1/dir", "closing ]"),
            ("ssh://u@[host]/dir", "no IPv6"),
            ("ssh://u@[::1]22/dir", "a port"),
            ("ssh://u@host:/dir", "the port"),
            ("ssh://u@host:0/dir", "the port"),
            ("ssh://u@host:+22/dir", "the port"),
            ("ssh://u@host:65536/dir", "the port"),
            ("ssh://u@host/d;reboot", "the directory"),
            ("ssh://u@host/$(x)", "the directory"),
            ("ssh://u@host/a b", "the directory"),
        ] {
            let error = target(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
            assert!(error.contains(text), "{text}: {error}");
        }
    }

    #[test]
    fn devices_are_as_mount_takes_them() {
        for text in [
            "UUID=0a1b-2c3d",
            "LABEL=my dumps",
            "PARTUUID=1234",
            "PARTLABEL=x",
            "/dev/vda2",
        ] {
            let device = Device::try_from(text.to_owned()).unwrap();
            assert_eq!(device.to_string(), text);
        }
        for text in [
            "",
            "sda1",
            "UUID=",
            "uuid=1",
            "ID=1",
            "UUID=../x",
            "UUID=.",
            "/dev/",
            "/mnt",
            "LABEL=\n",
        ] {
            let error = Device::try_from(text.to_owned()).unwrap_err().to_string();
            assert!(error.contains("UUID=..."), "{error}");
        }
    }
}
