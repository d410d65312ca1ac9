//! `mbtool crash load`: loads the image of the configuration, as by `load -p`.

use crate::cmd;
use crate::config::{self, Config, Save};
use crate::host;
use crate::request::configured::{self, ParseOptions, is_file};
use crate::setup::STAMP;
use crate::setup::initrd::{self, Wanted};
use anyhow::Context;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration.
    pub config: PathBuf,
    /// Load nothing.
    pub dry_run: bool,
    /// Reads `load.options`.
    pub parse: ParseOptions,
}

/// Runs the verb on this machine.
///
/// # Errors
///
/// What is wrong with the configuration or a file that it names; whatever
/// stops `load -p`.
pub fn run(options: &Options, talk: &mut dyn Write) -> anyhow::Result<()> {
    let config = Config::read(&options.config)?;
    let file = options.config.display();
    let load = config
        .load
        .with_context(|| configured::no_load(&options.config))?;
    let release = host::release();
    for (key, path) in [
        ("load.image", Some(&load.image)),
        ("load.kernel", load.kernel.as_ref()),
    ] {
        if let Some(path) = path {
            is_file(&path.expand(&release)).with_context(|| format!("{file}, {key}"))?;
        }
    }
    let initrd = initrd(&load, &release, options, &config.save, talk)
        .with_context(|| format!("{file}, load.initrd"))?;
    if initrd.is_none() {
        writeln!(
            talk,
            "mbtool: warning: {file}: there is no load.initrd, so nothing saves the dump but what \
             the kernel has built in"
        )?;
    }
    if let Some(warning) = configured::warning(&load) {
        writeln!(talk, "mbtool: warning: {warning}")?;
    }
    let boot = configured::options(&load, &options.config, &release, initrd, options.parse)?;
    cmd::load::run(&boot, options.dry_run).with_context(|| format!("{file} cannot be loaded"))?;
    if !options.dry_run {
        // for `doctor` alone, which knows another way
        let stamp = Path::new("/").join(STAMP);
        let _ = stamp.parent().map(std::fs::create_dir_all);
        let _ = std::fs::write(stamp, "");
    }
    Ok(())
}

/// The initrd to load, which is there; made first, where that is to be done here.
fn initrd(
    load: &config::Load,
    release: &str,
    options: &Options,
    save: &Save,
    talk: &mut dyn Write,
) -> anyhow::Result<Option<PathBuf>> {
    let Some(path) = &load.initrd else {
        return Ok(None);
    };
    let path = path.expand(release);
    let wanted = Wanted {
        image: &path,
        release,
        config: &options.config,
        save,
    };
    initrd::ensure_made(&wanted, talk)?;
    is_file(&path)?;
    Ok(Some(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::BootOptions;

    fn config(dir: &Path, text: &str) -> Options {
        let config = dir.join("crash.toml");
        std::fs::write(&config, text.replace("DIR", dir.to_str().unwrap())).unwrap();
        Options {
            config,
            dry_run: true,
            parse: |options| match options {
                [] => Ok(BootOptions::new(PathBuf::new())),
                [first, ..] => Err(format!("unexpected argument '{first}'")),
            },
        }
    }

    #[test]
    fn what_is_missing_is_named_with_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str| std::fs::write(dir.path().join(name), b"x").unwrap();
        put("image");
        put("kernel");
        for (text, says) in [
            ("[save]\n", "there is no [load]"),
            ("[load]\nimage='DIR/xen'", ", load.image: "),
            ("[load]\nimage='DIR'", "is not a file"),
            (
                "[load]\nimage='DIR/image'\nkernel='DIR/vmlinuz'",
                ", load.kernel: ",
            ),
            (
                "[load]\nimage='DIR/image'\nkernel='DIR/kernel'\ninitrd='DIR/{release}'",
                ", load.initrd: ",
            ),
            (
                "[load]\nimage='DIR/image'\noptions=['--no']",
                ", load.options: unexpected argument '--no'",
            ),
        ] {
            let options = config(dir.path(), text);
            let error = run(&options, &mut Vec::new()).unwrap_err();
            let error = format!("{error:#}");
            assert!(
                error.contains(says) && error.contains("crash.toml"),
                "{error}"
            );
        }
    }
}
