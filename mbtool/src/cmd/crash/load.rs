//! `mbtool crash load`: what the configuration names, loaded as by `load -p`.

use crate::cli::crash::Asked;
use crate::cli::raw::LoadArgs;
use crate::cli::request::ModuleArg;
use crate::cli::values::FileWithArgs;
use crate::cmd;
use crate::config::{self, Config, Save};
use crate::plan::crash::xen::cmdline::no_reboot;
use crate::setup::initrd::{self, Wanted};
use crate::sys::kernel_cmdline;
use anyhow::{Context, bail};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What makes the initrd save the dump.
pub const MARK: &str = "mbtool.crash";
/// A crash kernel that panics boots the machine, after this many seconds.
const PANIC: &str = "panic=10";

/// The time of this file is when it loaded last, from the root.
pub const STAMP: &str = "run/mbtool/crash-loaded";

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration.
    pub config: PathBuf,
    /// Load nothing.
    pub dry_run: bool,
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
    let load = config.load.with_context(|| no_load(&options.config))?;
    let release = release();
    for (key, path) in [
        ("load.image", Some(&load.image)),
        ("load.kernel", load.kernel.as_ref()),
    ] {
        if let Some(path) = path {
            there(&path.expand(&release)).with_context(|| format!("{file}, {key}"))?;
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
    let asked = ask(&load, &release, initrd, talk)?;
    let asked = Asked {
        dry_run: options.dry_run,
        ..asked
    };
    let (args, modules) = parse(asked, &options.config)?;
    cmd::load::run(&args, &modules).with_context(|| format!("{file} cannot be loaded"))?;
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
    there(&path)?;
    Ok(Some(path))
}

/// What the configuration in `file` would have loaded, as `load` takes it.
///
/// # Errors
///
/// What is wrong with the configuration; an initrd that is not made yet.
pub fn configured(file: &Path) -> anyhow::Result<(LoadArgs, Vec<ModuleArg>)> {
    let load = Config::read(file)?.load.with_context(|| no_load(file))?;
    let release = release();
    let initrd = load.initrd.as_ref().map(|path| path.expand(&release));
    if let Some(initrd) = &initrd {
        there(initrd).with_context(|| {
            let file = file.display();
            format!("{file}, load.initrd, which `mbtool crash load` makes")
        })?;
    }
    parse(ask(&load, &release, initrd, &mut std::io::sink())?, file)
}

fn no_load(file: &Path) -> String {
    let file = file.display();
    format!("{file}: there is no [load], which names the image: nothing to load")
}

/// `asked`, by the configuration in `file`, as `load` takes it.
///
/// # Errors
///
/// What is wrong with `load.options`.
pub fn parse(asked: Asked, file: &Path) -> anyhow::Result<(LoadArgs, Vec<ModuleArg>)> {
    let file = file.display();
    asked
        .parse()
        .map_err(|error| anyhow::anyhow!("{file}, load.options: {error}"))
}

fn there(path: &Path) -> anyhow::Result<()> {
    match std::fs::metadata(path) {
        Ok(data) if data.is_file() => Ok(()),
        Ok(_) => bail!("{}: is not a file", path.display()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!("{}: no such file", path.display())
        }
        Err(error) => bail!("{}: {error}", path.display()),
    }
}

/// What `load` is asked, with what a crash kernel's command line needs.
///
/// # Errors
///
/// What writing to `talk` says.
pub fn ask(
    load: &config::Load,
    release: &str,
    initrd: Option<PathBuf>,
    talk: &mut dyn Write,
) -> std::io::Result<Asked> {
    let mut asked = Asked {
        image: load.image.expand(release),
        cmdline: load.cmdline.clone(),
        kernel: None,
        initrd,
        options: load.options.clone(),
        dry_run: false,
    };
    match &load.kernel {
        None => asked.cmdline = for_crash(&load.cmdline),
        Some(kernel) => {
            asked.kernel = Some(FileWithArgs {
                path: kernel.expand(release),
                args: for_crash(&load.kernel_cmdline),
            });
            if let Some(word) = no_reboot(&load.cmdline) {
                writeln!(
                    talk,
                    "mbtool: warning: load.cmdline: with {word}, a Xen that fails stops for ever \
                     instead of starting the machine again: leave it out"
                )?;
            }
        }
    }
    Ok(asked)
}

/// `line` with what the initrd's script and a kernel that fails look for: in
/// front, where no `--` can hide it.
fn for_crash(line: &str) -> String {
    let given = kernel_cmdline::split(line);
    let panics = given.iter().any(|word| word.starts_with("panic="));
    let add = [
        (!given.contains(&MARK)).then_some(MARK),
        (!panics).then_some(PANIC),
    ];
    let all: Vec<&str> = add.into_iter().flatten().chain(given).collect();
    all.join(" ")
}

/// What `uname -r` says.
fn release() -> String {
    let name = rustix::system::uname();
    name.release().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_configured_is_known_when_its_initrd_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let initrd = dir.path().join("crash.img");
        let text = format!(
            "[load]\nimage = \"/boot/xen.gz\"\nkernel = \"/boot/vmlinuz\"\ninitrd = {initrd:?}\n"
        );
        let file = config(dir.path(), &text).config;
        let error = format!("{:#}", configured(&file).unwrap_err());
        assert!(
            error.contains("`mbtool crash load` makes") && error.contains("no such file"),
            "{error}"
        );
        std::fs::write(&initrd, "x").unwrap();
        let (args, modules) = configured(&file).unwrap();
        assert!(args.common.panic);
        let names: Vec<_> = modules
            .iter()
            .map(|module| module.file.path.clone())
            .collect();
        assert_eq!(names, [Path::new("/boot/vmlinuz"), initrd.as_path()]);
        let file = config(dir.path(), "[save]\n").config;
        let error = configured(&file).unwrap_err().to_string();
        assert!(error.contains("there is no [load]"), "{error}");
    }

    fn config(dir: &Path, text: &str) -> Options {
        let config = dir.join("crash.toml");
        std::fs::write(&config, text.replace("DIR", dir.to_str().unwrap())).unwrap();
        Options {
            config,
            dry_run: true,
        }
    }

    #[test]
    fn words_for_a_crash_kernel_are_added_once() {
        for (given, expected) in [
            ("", "mbtool.crash panic=10"),
            (
                "console=hvc0 -- single",
                "mbtool.crash panic=10 console=hvc0 -- single",
            ),
            ("panic=0 quiet", "mbtool.crash panic=0 quiet"),
            ("panic=5 mbtool.crash", "panic=5 mbtool.crash"),
            (
                "dyndbg=\"a panic=1\"",
                "mbtool.crash panic=10 dyndbg=\"a panic=1\"",
            ),
        ] {
            assert_eq!(for_crash(given), expected);
        }
    }

    #[test]
    fn the_line_goes_to_who_reads_it() {
        let asked = |text: &str| {
            let load = Config::parse(text, "x").unwrap().load.unwrap();
            let mut talk = Vec::new();
            let asked = ask(&load, "6.1", None, &mut talk).unwrap();
            (asked, String::from_utf8(talk).unwrap())
        };
        let (linux, talk) = asked("[load]\nimage='/boot/vmlinuz-{release}'\ncmdline='quiet'");
        assert_eq!(linux.image, Path::new("/boot/vmlinuz-6.1"));
        assert_eq!(linux.cmdline, "mbtool.crash panic=10 quiet");
        assert!(linux.kernel.is_none() && talk.is_empty());
        let (xen, talk) = asked(
            "[load]\nimage='/xen'\ncmdline='noreboot'\nkernel='/k-{release}'\nkernel-cmdline='q'",
        );
        assert_eq!(xen.cmdline, "noreboot");
        let kernel = xen.kernel.unwrap();
        assert_eq!(kernel.path, Path::new("/k-6.1"));
        assert_eq!(kernel.args, "mbtool.crash panic=10 q");
        assert!(talk.contains("with noreboot"), "{talk}");
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
