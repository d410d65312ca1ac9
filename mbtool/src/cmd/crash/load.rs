//! `mbtool crash load`: loads the image of the configuration like `load -p`.

use crate::cmd;
use crate::config::{self, Config, Save};
use crate::host;
use crate::request::configured::{self, ParseOptions, is_file};
use crate::setup::STAMP;
use crate::setup::initrd::{self, InitrdRequest};
use crate::sys::output::Messages;
use anyhow::Context;
use std::path::{Path, PathBuf};

/// Options of the command line.
#[derive(Clone, Debug)]
pub struct CrashLoadOptions {
    /// Path of the configuration.
    pub config: PathBuf,
    /// Do not load.
    pub dry_run: bool,
    /// Parser for `load.options`.
    pub parse: ParseOptions,
}

/// Runs the verb on this machine.
///
/// # Errors
///
/// When the configuration or a file in it is invalid, or `load -p` fails.
pub fn run(options: &CrashLoadOptions, messages: &mut Messages) -> anyhow::Result<()> {
    let config = Config::read(&options.config)?;
    let file = options.config.display();
    let load = config
        .load
        .ok_or_else(|| configured::no_load(&options.config))?;
    let release = host::release();
    for (key, path) in [
        ("load.image", Some(&load.image)),
        ("load.kernel", load.kernel.as_ref()),
    ] {
        if let Some(path) = path {
            is_file(&path.expand(&release)).with_context(|| format!("{file}, {key}"))?;
        }
    }
    let initrd = initrd(&load, &release, options, &config.save, messages)
        .with_context(|| format!("{file}, load.initrd"))?;
    if initrd.is_none() {
        messages.warn(format_args!(
            "{file}: there is no load.initrd, so nothing saves the dump but what the kernel has \
             built in"
        ));
    }
    if let Some(warning) = configured::warning(&load) {
        messages.warn(warning);
    }
    let boot = configured::options(&load, &options.config, &release, initrd, options.parse)?;
    cmd::load::run(&boot, options.dry_run, messages)
        .with_context(|| format!("{file} cannot be loaded"))?;
    if !options.dry_run {
        // used only by `doctor`, which has a fallback
        let stamp = Path::new("/").join(STAMP);
        let _ = stamp.parent().map(std::fs::create_dir_all);
        let _ = std::fs::write(stamp, "");
    }
    Ok(())
}

/// Returns the initrd to load, after building it if needed.
fn initrd(
    load: &config::LoadSection,
    release: &str,
    options: &CrashLoadOptions,
    save: &Save,
    messages: &mut Messages,
) -> anyhow::Result<Option<PathBuf>> {
    let Some(path) = &load.initrd else {
        return Ok(None);
    };
    let path = path.expand(release);
    let wanted = InitrdRequest {
        image: &path,
        release,
        config: &options.config,
        save,
    };
    initrd::ensure_made(&wanted, messages)?;
    is_file(&path)?;
    Ok(Some(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::BootOptions;
    use crate::request::configured::LoadSectionError;

    fn config(dir: &Path, text: &str) -> CrashLoadOptions {
        let config = dir.join("crash.toml");
        std::fs::write(&config, text.replace("DIR", dir.to_str().unwrap())).unwrap();
        CrashLoadOptions {
            config,
            dry_run: true,
            parse: |options| match options {
                [] => Ok(BootOptions::new(PathBuf::new())),
                [first, ..] => Err(first.clone()),
            },
        }
    }

    #[test]
    fn missing_files_are_named_with_their_keys() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str| std::fs::write(dir.path().join(name), b"x").unwrap();
        put("image");
        put("kernel");
        let at = |name: &str| dir.path().join(name);
        let file = at("crash.toml");
        for (text, key, expected) in [
            (
                "[save]\n",
                None,
                LoadSectionError::NoLoad { file: file.clone() },
            ),
            (
                "[load]\nimage='DIR/xen'",
                Some("load.image"),
                LoadSectionError::NoFile { path: at("xen") },
            ),
            (
                "[load]\nimage='DIR'",
                Some("load.image"),
                LoadSectionError::NotAFile {
                    path: dir.path().to_owned(),
                },
            ),
            (
                "[load]\nimage='DIR/image'\nkernel='DIR/vmlinuz'",
                Some("load.kernel"),
                LoadSectionError::NoFile {
                    path: at("vmlinuz"),
                },
            ),
            (
                "[load]\nimage='DIR/image'\noptions=['--no']",
                None,
                LoadSectionError::Options {
                    file: file.clone(),
                    why: "--no".to_owned(),
                },
            ),
        ] {
            let options = config(dir.path(), text);
            let error = run(&options, &mut Messages::new(std::io::sink())).unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&expected), "{error:#}");
            if let Some(key) = key {
                assert_eq!(error.to_string(), format!("{}, {key}", file.display()));
            }
        }
        let text = "[load]\nimage='DIR/image'\nkernel='DIR/kernel'\ninitrd='DIR/{release}'";
        let error = run(
            &config(dir.path(), text),
            &mut Messages::new(std::io::sink()),
        )
        .unwrap_err();
        let key = format!("{}, load.initrd", file.display());
        assert_eq!(error.to_string(), key, "{error:#}");
    }
}
