//! `mbtool crash load`: loads the image of the configuration like `load -p`.

use crate::cmd;
use crate::config::{self, Config, Save};
use crate::host;
use crate::input;
use crate::request::configured::{self, ParseOptions};
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
            input::check(&path.expand(&release)).with_context(|| format!("{file}, {key}"))?;
        }
    }
    let initrds = initrds(&load, &release, options, &config.save, messages)
        .with_context(|| format!("{file}, load.initrd"))?;
    if initrds.is_empty() {
        messages.warn(format_args!(
            "{file}: there is no load.initrd, so nothing saves the dump but what the kernel has \
             built in"
        ));
    }
    if let Some(warning) = configured::warning(&load) {
        messages.warn(warning);
    }
    let boot = configured::options(&load, &options.config, &release, initrds, options.parse)?;
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

/// Returns the initrds to load, after building the last one if needed.
fn initrds(
    load: &config::LoadSection,
    release: &str,
    options: &CrashLoadOptions,
    save: &Save,
    messages: &mut Messages,
) -> anyhow::Result<Vec<PathBuf>> {
    let paths = load.initrds(release);
    if let Some((made, given)) = paths.split_last() {
        for path in given {
            input::check(path)?;
        }
        let wanted = InitrdRequest {
            image: made,
            release,
            config: &options.config,
            save,
        };
        initrd::ensure_made(&wanted, messages)?;
        input::check(made)?;
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::InputError;
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
        let refusal = |text: &str| {
            let options = config(dir.path(), text);
            run(&options, &mut Messages::new(std::io::sink())).unwrap_err()
        };
        for (text, expected) in [
            ("[save]\n", LoadSectionError::NoLoad { file: file.clone() }),
            (
                "[load]\nimage='DIR/image'\noptions=['--no']",
                LoadSectionError::Options {
                    file: file.clone(),
                    why: "--no".to_owned(),
                },
            ),
        ] {
            let error = refusal(text);
            assert_eq!(error.downcast_ref(), Some(&expected), "{error:#}");
        }
        let name = |name: &str| at(name).display().to_string();
        for (text, key, expected) in [
            ("[load]\nimage='DIR/xen'", "load.image", Some(vec![])),
            ("[load]\nimage='DIR'", "load.image", None),
            (
                "[load]\nimage='DIR/image'\nkernel='DIR/ker'",
                "load.kernel",
                Some(vec![name("kernel")]),
            ),
            (
                "[load]\nimage='DIR/image'\ninitrd=['DIR/ker', 'DIR/kernel']",
                "load.initrd",
                Some(vec![name("kernel")]),
            ),
        ] {
            let error = refusal(text);
            assert_eq!(error.to_string(), format!("{}, {key}", file.display()));
            match (error.downcast_ref(), expected) {
                (Some(InputError::NotFound { beside, .. }), Some(expected)) => {
                    assert_eq!(*beside, expected);
                }
                (Some(InputError::Directory { .. }), None) => {}
                _ => panic!("{error:#}"),
            }
        }
        let error = refusal("[load]\nimage='DIR/image'\ninitrd='DIR/{release}'");
        let key = format!("{}, load.initrd", file.display());
        assert_eq!(error.to_string(), key, "{error:#}");
    }
}
