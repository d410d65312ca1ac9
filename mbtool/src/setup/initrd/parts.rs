//! Files to include besides those that mkinitramfs finds.

use super::{InitrdError, InitrdRequest, Maker};
use crate::config::Collector;
use crate::config::target::Target;
use crate::sys::output::Messages;
use anyhow::{Context, ensure};
use std::ffi::OsString;
use std::path::PathBuf;

/// Reads the kernel log, even when another program collects the dump.
const MAKEDUMPFILE: &str = "makedumpfile";

/// Additional files of an image.
#[derive(Debug)]
pub struct InitrdParts {
    /// Path of mbtool.
    pub program: PathBuf,
    /// Programs that read the dump.
    pub collectors: Vec<PathBuf>,
    /// Keys for SSH.
    pub files: Vec<PathBuf>,
}

impl Maker<'_> {
    /// Returns the files to include.
    pub fn parts(
        &self,
        wanted: &InitrdRequest,
        messages: &mut Messages,
    ) -> anyhow::Result<InitrdParts> {
        let save = wanted.save;
        let mut collectors = Vec::new();
        if let Collector::Command(words) = &save.collector {
            match self.find(&words[0]) {
                Some(path) => collectors.push(path),
                None => messages.warn(format_args!(
                    "there is no {} (save.collector): dumps will be copied unchanged",
                    words[0]
                )),
            }
        }
        collectors.extend(
            self.find(MAKEDUMPFILE)
                .filter(|path| !collectors.contains(path)),
        );
        let mut files = Vec::new();
        match &save.target {
            Target::Ssh(_) => {
                for (key, path) in [
                    ("save.identity", &save.identity),
                    ("save.known-hosts", &save.known_hosts),
                ] {
                    let path = path.clone();
                    ensure!(path.is_file(), InitrdError::NoKey { path, key });
                    files.push(path);
                }
            }
            Target::Directory(dir) => {
                let dir = dir.clone();
                ensure!(save.device.is_some(), InitrdError::NoDevice { dir });
            }
        }
        for path in collectors.iter().chain(&files) {
            let plain = path
                .to_str()
                .is_some_and(|text| !text.contains(char::is_whitespace));
            let path = path.clone();
            ensure!(plain, InitrdError::Blank { path });
        }
        let program = std::env::current_exe().context("cannot find out where mbtool itself is")?;
        Ok(InitrdParts {
            program,
            collectors,
            files,
        })
    }

    /// Finds a program by name or path.
    pub fn find(&self, program: &str) -> Option<PathBuf> {
        if program.starts_with('/') {
            let path = PathBuf::from(program);
            return path.is_file().then_some(path);
        }
        std::env::split_paths(&self.path)
            .map(|dir| dir.join(program))
            .find(|path| path.is_file())
    }
}

/// Joins the paths with blanks, for an environment variable.
pub fn blanks(paths: &[PathBuf]) -> OsString {
    let mut all = OsString::new();
    for path in paths {
        if !all.is_empty() {
            all.push(" ");
        }
        all.push(path);
    }
    all
}
