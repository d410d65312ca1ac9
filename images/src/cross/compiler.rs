//! The compiler: the user's, if it has the target, else Debian's.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::target::CrossTarget;
use crate::assets::RUST_CROSS;
use crate::debian::output;
use crate::progress::say;

/// Directory of libraries and of the dynamic linker in Debian's tree.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

/// A compiler with the standard library of the target.
#[derive(Debug)]
pub struct CrossCompiler {
    /// A program that takes rustc's arguments.
    pub rustc: PathBuf,
    /// `rust-lld` of the user's toolchain.
    pub linker: PathBuf,
}

/// Finds a compiler for `target`; a fetched one gets a script that starts it, in `work`.
pub fn compiler(target: CrossTarget, work: &Path) -> Result<CrossCompiler> {
    let own = PathBuf::from(env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc")));
    let linker = linker(&own)?;
    if has_target(&own, target) {
        say(
            "setup",
            format_args!("{}: the target of this toolchain", target.rust_target()),
        );
        return Ok(CrossCompiler { rustc: own, linker });
    }
    let found = RUST_CROSS.find()?;
    let rustc = match &found.root {
        // a file of the user or of the system runs by itself
        None => found.path.clone(),
        Some(root) => script(root, &found.path, work)?,
    };
    ensure!(
        has_target(&rustc, target),
        "{} has no standard library for {}: fetch it again, or `rustup target add {0}`",
        target.rust_target(),
        rustc.display()
    );
    Ok(CrossCompiler { rustc, linker })
}

/// True if rustc has a standard library for the target.
fn has_target(rustc: &Path, target: CrossTarget) -> bool {
    let mut command = Command::new(rustc);
    command.args(["--print", "target-libdir", "--target", target.rust_target()]);
    let Ok(shown) = output(&mut command) else {
        return false;
    };
    let directory = String::from_utf8_lossy(&shown.stdout).into_owned();
    let Ok(files) = fs::read_dir(directory.trim()) else {
        return false;
    };
    files
        .flatten()
        .any(|file| file.file_name().to_string_lossy().starts_with("libstd-"))
}

/// Returns the linker that comes with rustup's toolchains.
fn linker(rustc: &Path) -> Result<PathBuf> {
    let print = |what: &[&str]| -> Result<String> {
        let shown = output(Command::new(rustc).args(what))?;
        Ok(String::from_utf8_lossy(&shown.stdout).into_owned())
    };
    let sysroot = print(&["--print", "sysroot"])?;
    let version = print(&["-vV"])?;
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("`rustc -vV` names no host")?;
    let linker = Path::new(sysroot.trim()).join(format!("lib/rustlib/{host}/bin/rust-lld"));
    ensure!(
        linker.is_file(),
        "{} does not exist: a toolchain of rustup is needed for its linker",
        linker.display()
    );
    Ok(linker)
}

/// Writes a script that runs `rustc` of the tree `root` with the tree's own dynamic linker and
/// libraries: the system may have older ones.
fn script(root: &Path, rustc: &Path, work: &Path) -> Result<PathBuf> {
    let path = work.join("rustc");
    let libraries = root.join(LIBRARIES);
    let linker = libraries.join("ld-linux-x86-64.so.2");
    let text = format!(
        "#!/bin/sh\nexec '{}' --inhibit-cache --library-path '{}' --argv0 rustc '{}' \
         --sysroot '{}' \"$@\"\n",
        linker.display(),
        libraries.display(),
        rustc.display(),
        root.join("usr").display(),
    );
    ensure!(
        text.matches('\'').count() == 8,
        "the cache path {} has a quote; set XDG_CACHE_HOME",
        root.display()
    );
    // cargo builds everything again when the compiler's time changes
    if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
        fs::write(&path, text).with_context(|| path.display().to_string())?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(path)
}
