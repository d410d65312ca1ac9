//! A program of the Debian guest, or of another private tree, run on this machine with its own dynamic linker and libraries.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::assets::Asset;
use crate::debian;

/// A command under construction.
#[derive(Debug)]
pub struct Program {
    root: PathBuf,
    command: Command,
}

impl Program {
    pub(super) fn new(root: &Path, path: &str) -> Self {
        Self::called(root, path, path)
    }

    /// A program of [`crate::assets`].
    pub fn of(asset: &'static Asset) -> Result<Self> {
        let found = asset.find()?;
        let Some(root) = &found.root else {
            return Ok(Self {
                root: PathBuf::from("/"),
                command: Command::new(&found.path),
            });
        };
        let path = found.path.strip_prefix(root)?;
        let path = path.to_str().context("an odd path")?;
        Ok(Self::new(root, path))
    }

    /// Like [`Self::of`], for a program that depends on the name in argv[0].
    pub(super) fn called(root: &Path, path: &str, name: &str) -> Self {
        let lib = root.join("lib/x86_64-linux-gnu");
        let usr_lib = root.join("usr/lib/x86_64-linux-gnu");
        let mut libraries = lib.clone().into_os_string();
        for more in [&usr_lib, &lib.join("systemd")] {
            libraries.push(":");
            libraries.push(more);
        }
        let linker = "ld-linux-x86-64.so.2";
        // Debian 13 has all of it in /usr
        let dirs = [&lib, &usr_lib];
        let dir = dirs.into_iter().find(|dir| dir.join(linker).is_file());
        let mut command = Command::new(dir.unwrap_or(&lib).join(linker));
        command
            .env_remove("LD_PRELOAD")
            .env_remove("LD_LIBRARY_PATH")
            .args(["--inhibit-cache", "--library-path"])
            .arg(libraries)
            .args(["--argv0", name])
            .arg(root.join(path));
        Self {
            root: root.to_owned(),
            command,
        }
    }

    /// Adds arguments.
    pub fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, args: I) -> Self {
        self.command.args(args);
        self
    }

    /// Adds an option, if not empty, and a path.
    pub fn arg_path(mut self, option: &str, path: &Path) -> Self {
        if !option.is_empty() {
            self.command.arg(option);
        }
        self.command.arg(path);
        self
    }

    /// Sets an environment variable to a path below the root of the packages.
    pub fn env_path(mut self, name: &str, path: &str) -> Self {
        self.command.env(name, self.root.join(path));
        self
    }

    /// The command itself.
    pub fn command(self) -> Command {
        self.command
    }

    /// Runs it to its end; returns its standard output. The error contains its
    /// standard error.
    pub fn output(mut self) -> Result<Vec<u8>> {
        Ok(debian::output(&mut self.command)?.stdout)
    }
}
