//! Configures and compiles the kernel with the tools of this machine.

use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail, ensure};

use crate::progress::say;

/// Programs, and their Debian packages.
const PROGRAMS: &[(&str, &str)] = &[
    ("gcc", "gcc"),
    ("ld", "binutils"),
    ("make", "make"),
    ("flex", "flex"),
    ("bison", "bison"),
    ("bc", "bc"),
    ("perl", "perl"),
    ("tar", "tar"),
    ("xz", "xz-utils"),
    ("nice", "coreutils"),
];

/// C headers, and their Debian packages.
const HEADERS: &[(&str, &str)] = &[("stdio.h", "libc6-dev"), ("gelf.h", "libelf-dev")];

/// Environment of the build, which keeps the builder's name and the time out of the result.
pub(super) const RECIPE_ENVIRONMENT: [&str; 4] = [
    "ARCH=x86_64",
    "KBUILD_BUILD_TIMESTAMP=1970-01-01",
    "KBUILD_BUILD_USER=mbtool",
    "KBUILD_BUILD_HOST=mbtool",
];

/// Lines of the build's log shown in an error.
const TAIL_LINES: usize = 20;

/// Returns an error that names all missing packages.
pub(super) fn require_tools() -> Result<()> {
    let path = env::var_os("PATH").unwrap_or_default();
    let has = |program: &str| env::split_paths(&path).any(|dir| dir.join(program).is_file());
    let mut missing: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _)| !has(program))
        .map(|(_, package)| *package)
        .collect();
    // without a compiler, headers cannot be checked: all are named
    for (header, package) in HEADERS {
        if !has("gcc") || !has_header(header)? {
            missing.push(package);
        }
    }
    ensure!(
        missing.is_empty(),
        "building a kernel needs missing packages: as root, `apt-get install {}`",
        missing.join(" ")
    );
    Ok(())
}

fn has_header(header: &str) -> Result<bool> {
    let mut gcc = Command::new("gcc")
        .args(["-E", "-x", "c", "-", "-o", "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot run gcc")?;
    if let Some(mut stdin) = gcc.stdin.take() {
        writeln!(stdin, "#include <{header}>")?;
    }
    Ok(gcc.wait()?.success())
}

/// Unpacks the source; returns the directory with its Makefile.
pub(super) fn unpack(archive: &Path, work: &Path) -> Result<PathBuf> {
    let source = work.join("source");
    fs::create_dir_all(&source)?;
    say("setup", "unpacking the source of Linux (1.5 GB)");
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--strip-components=1", "--file"])
        .arg(archive)
        .arg("--directory")
        .arg(&source);
    run(&mut tar)?;
    Ok(source)
}

/// Applies tinyconfig and `fragment`; fails when a line of the fragment was not
/// accepted.
pub(super) fn configure(source: &Path, fragment: &str) -> Result<()> {
    run(make(source).arg("tinyconfig"))?;
    let config = source.join(".config");
    let mut text = fs::read_to_string(&config)?;
    text.push_str(fragment);
    fs::write(&config, text)?;
    run(make(source).arg("olddefconfig"))?;
    accepted(&fs::read_to_string(&config)?, fragment)
}

/// True when the final configuration has all lines of the fragment.
fn accepted(config: &str, fragment: &str) -> Result<()> {
    let wanted = fragment
        .lines()
        .filter(|line| line.starts_with("CONFIG_") || line.ends_with(" is not set"));
    let refused: Vec<&str> = wanted
        .filter(|wanted| !config.lines().any(|line| line == *wanted))
        .collect();
    ensure!(
        refused.is_empty(),
        "this kernel's configuration does not accept {}: the fragment misses what they depend on",
        refused.join(", ")
    );
    Ok(())
}

/// Builds the image, with low priority; the build's output goes to `log`.
pub(super) fn compile(source: &Path, log: &Path) -> Result<PathBuf> {
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    say(
        "setup",
        format_args!(
            "building Linux with CONFIG_KEXEC_JUMP (about 6 minutes of CPU time, {jobs} jobs); log: {}",
            log.display()
        ),
    );
    let output = File::create(log)?;
    let status = make(source)
        .arg(format!("-j{jobs}"))
        .arg("bzImage")
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .status()
        .context("cannot run nice")?;
    if !status.success() {
        let text = String::from_utf8_lossy(&fs::read(log)?).into_owned();
        bail!(
            "building Linux failed ({status}); last lines of {}:\n{}",
            log.display(),
            tail(&text)
        );
    }
    Ok(source.join("arch/x86/boot/bzImage"))
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

/// Returns a make command in `source`, without settings of an outer make or of
/// the user.
fn make(source: &Path) -> Command {
    let mut command = Command::new("nice");
    command.args(["-n", "10", "make"]).current_dir(source);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let foreign = ["KBUILD_", "KCONFIG_", "CONFIG_"];
        if foreign.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    for name in [
        "MAKEFLAGS",
        "MAKELEVEL",
        "ARCH",
        "CROSS_COMPILE",
        "LLVM",
        "CC",
        "LD",
        "KCFLAGS",
        "O",
    ] {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C").args(RECIPE_ENVIRONMENT);
    command
}

/// Runs `command` to its end; an error contains the last lines of output.
fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let done = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    if !done.status.success() {
        let args: Vec<_> = command.get_args().map(|a| a.to_string_lossy()).collect();
        let text = [done.stdout, done.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        bail!(
            "{program} {} failed ({}):\n{}",
            args.join(" "),
            done.status,
            tail(&text)
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_fragment_must_have_been_accepted() {
        let fragment = "# a word about it\nCONFIG_A=y\n# CONFIG_B is not set\n";
        let config = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=y\n";
        accepted(config, fragment).unwrap();
        let error = accepted("CONFIG_A=m\n# CONFIG_B is not set\n", fragment).unwrap_err();
        assert!(error.to_string().contains("CONFIG_A=y"), "{error}");
        let error = accepted("CONFIG_A=y\nCONFIG_B=y\n", fragment).unwrap_err();
        assert!(error.to_string().contains("CONFIG_B is not set"), "{error}");
    }

    #[test]
    fn an_error_has_the_end_of_the_output() {
        let error = run(Command::new("sh").args(["-c", "seq 40; exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("\n40") && !text.contains("\n20\n"), "{text}");
        assert!(text.contains("exit status: 3"), "{text}");
    }
}
