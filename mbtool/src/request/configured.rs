//! Boot options from section `[load]` of a crash configuration.

mod error;

pub use error::LoadSectionError;

use super::{BootOptions, ModuleKind, ModuleSpec};
use crate::config::{CRASH_PARAMETER, Config, LoadSection};
use crate::input;
use crate::plan::crash::xen::cmdline::no_reboot;
use anyhow::Context;
use std::path::{Path, PathBuf};
use xen_shim::cmdline::Cmdline;

/// Reboot delay, in seconds, of a crash kernel that panics.
const PANIC: &str = "panic=10";

/// Parser for `load.options`, which are options of `mbtool load`; provided by the
/// command line.
pub type ParseOptions = fn(&[String]) -> Result<BootOptions, String>;

/// Returns the options of the configuration in `file`.
///
/// # Errors
///
/// When the configuration is invalid, or the initrd has not been built.
pub fn read(file: &Path, release: &str, parse: ParseOptions) -> anyhow::Result<BootOptions> {
    let load = Config::read(file)?.load.ok_or_else(|| no_load(file))?;
    let initrds = load.initrds(release);
    for initrd in &initrds {
        input::check(initrd).with_context(|| {
            let made = Some(initrd) == initrds.last();
            let made = if made {
                ", which `mbtool crash load` makes"
            } else {
                ""
            };
            format!("{}, load.initrd{made}", file.display())
        })?;
    }
    Ok(options(&load, file, release, initrds, parse)?)
}

/// Returns the options of `load` from the configuration in `file`, with
/// `initrds` for the crash kernel.
///
/// # Errors
///
/// When `load.options` is invalid.
pub fn options(
    load: &LoadSection,
    file: &Path,
    release: &str,
    initrds: Vec<PathBuf>,
    parse: ParseOptions,
) -> Result<BootOptions, LoadSectionError> {
    let mut options = parse(&load.options).map_err(|why| LoadSectionError::Options {
        file: file.to_owned(),
        why,
    })?;
    let kernel = load.kernel.as_ref().map(|kernel| ModuleSpec {
        path: kernel.expand(release),
        args: for_crash(&load.kernel_cmdline),
        kind: ModuleKind::Module,
    });
    let cmdline = match kernel {
        Some(_) => load.cmdline.clone(),
        None => for_crash(&load.cmdline),
    };
    options.image = load.image.expand(release);
    options.crash = true;
    options.cmdline = (!cmdline.is_empty()).then_some(cmdline);
    options.modules.splice(..0, kernel);
    let initrds = initrds.into_iter();
    options.modules.extend(initrds.map(|path| ModuleSpec {
        path,
        args: String::new(),
        kind: ModuleKind::Initrd,
    }));
    Ok(options)
}

/// Returns a warning about `load`, if any.
#[must_use]
pub fn warning(load: &LoadSection) -> Option<String> {
    let parameter = load
        .kernel
        .as_ref()
        .and_then(|_| no_reboot(&load.cmdline))?;
    Some(format!(
        "load.cmdline: with {parameter}, a Xen that fails stops forever instead of starting the \
         machine again: leave it out"
    ))
}

/// Error for a configuration without `[load]`.
#[must_use]
pub fn no_load(file: &Path) -> LoadSectionError {
    let file = file.to_owned();
    LoadSectionError::NoLoad { file }
}

/// `line` with the parameters for the initrd's script and for a kernel that panics,
/// before any `--`.
fn for_crash(line: &str) -> String {
    let mut line = Cmdline::linux(line);
    let marked = line.own().any(|parameter| parameter == CRASH_PARAMETER);
    let add = [
        (!marked).then(|| CRASH_PARAMETER.to_owned()),
        (!line.has("panic")).then(|| PANIC.to_owned()),
    ];
    line.prepend(add.into_iter().flatten());
    line.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::InputError;

    /// Stub of the command-line parser: accepts no options, or one module.
    fn parse(options: &[String]) -> Result<BootOptions, String> {
        let mut parsed = BootOptions::new(PathBuf::new());
        for option in options {
            if option.starts_with('-') {
                return Err(format!("unexpected argument '{option}'"));
            }
            parsed.modules.push(ModuleSpec {
                path: option.into(),
                args: String::new(),
                kind: ModuleKind::Raw,
            });
        }
        Ok(parsed)
    }

    fn write(dir: &Path, text: &str) -> PathBuf {
        let file = dir.join("crash.toml");
        std::fs::write(&file, text).unwrap();
        file
    }

    #[test]
    fn a_configuration_needs_its_initrd() {
        let dir = tempfile::tempdir().unwrap();
        let initrd = dir.path().join("crash.img");
        let text = format!(
            "[load]\nimage = \"/boot/xen.gz\"\nkernel = \"/boot/vmlinuz\"\ninitrd = {initrd:?}\n"
        );
        let file = write(dir.path(), &text);
        let missing = |file: &Path| {
            let error = read(file, "6.1", parse).unwrap_err();
            match error.downcast_ref() {
                Some(InputError::NotFound { name, beside }) => (name.clone(), beside.clone()),
                _ => panic!("{error:#}"),
            }
        };
        let name = |path: &Path| path.display().to_string();
        let other = dir.path().join("crash.img-old");
        std::fs::write(&other, "x").unwrap();
        assert_eq!(missing(&file), (name(&initrd), vec![name(&other)]));
        std::fs::write(&initrd, "x").unwrap();
        let options = read(&file, "6.1", parse).unwrap();
        assert!(options.crash);
        let names: Vec<_> = options.modules.iter().map(|m| m.path.clone()).collect();
        assert_eq!(names, [Path::new("/boot/vmlinuz"), initrd.as_path()]);
        // each of several
        let microcode = dir.path().join("ucode.img");
        let list = text.replace(
            &format!("{initrd:?}"),
            &format!("[{microcode:?}, {initrd:?}]"),
        );
        let file = write(dir.path(), &list);
        assert_eq!(missing(&file), (name(&microcode), vec![]));
        std::fs::write(&microcode, "x").unwrap();
        let options = read(&file, "6.1", parse).unwrap();
        let initrds: Vec<_> = options.modules[1..]
            .iter()
            .map(|m| (m.path.as_path(), m.kind))
            .collect();
        let kind = ModuleKind::Initrd;
        let expected = [(microcode.as_path(), kind), (initrd.as_path(), kind)];
        assert_eq!(initrds, expected);
        let file = write(dir.path(), "[save]\n");
        let error = read(&file, "6.1", parse).unwrap_err();
        let refusal: LoadSectionError = error.downcast().unwrap();
        assert_eq!(refusal, LoadSectionError::NoLoad { file });
    }

    #[test]
    fn parameters_for_a_crash_kernel_are_added_once() {
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
    fn the_parameters_go_to_the_linux_that_saves() {
        let asked = |text: &str| {
            let load = Config::parse(text, "x").unwrap().load.unwrap();
            let options = options(&load, Path::new("x"), "6.1", vec!["i".into()], parse);
            (options, warning(&load))
        };
        let (linux, warning) = asked("[load]\nimage='/boot/vmlinuz-{release}'\ncmdline='quiet'");
        let linux = linux.unwrap();
        assert_eq!(linux.image, Path::new("/boot/vmlinuz-6.1"));
        assert_eq!(
            linux.cmdline.as_deref(),
            Some("mbtool.crash panic=10 quiet")
        );
        assert_eq!(linux.modules.len(), 1);
        assert_eq!(warning, None);
        let (xen, warning) = asked(
            "[load]\nimage='/xen'\ncmdline='noreboot'\nkernel='/k-{release}'\nkernel-cmdline='q'\n\
             options=['ucode']",
        );
        let xen = xen.unwrap();
        assert_eq!(xen.cmdline.as_deref(), Some("noreboot"));
        let module = |path: &str, args: &str, kind| ModuleSpec {
            path: path.into(),
            args: args.to_owned(),
            kind,
        };
        let expected = [
            module("/k-6.1", "mbtool.crash panic=10 q", ModuleKind::Module),
            module("ucode", "", ModuleKind::Raw),
            module("i", "", ModuleKind::Initrd),
        ];
        assert_eq!(xen.modules, expected);
        assert!(warning.unwrap().contains("noreboot"));
        let (refused, _) = asked("[load]\nimage='/xen'\noptions=['--no']");
        let expected = LoadSectionError::Options {
            file: "x".into(),
            why: parse(&["--no".to_owned()]).unwrap_err(),
        };
        assert_eq!(refused.unwrap_err(), expected);
    }
}
