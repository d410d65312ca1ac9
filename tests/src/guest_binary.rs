//! Programs of this workspace for guests: static binaries.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail, ensure};
use elf::ElfBytes;
use elf::abi::PT_INTERP;
use elf::endian::AnyEndian;
use images::cargo;
use images::cross::{Cross, CrossTarget};
use images::progress::say;

use crate::dirs::{target_dir, workspace_dir};
use crate::times;

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The cargo profile of guest binaries (root Cargo.toml).
const PROFILE: &str = "guest";

/// A built binary, or the error.
type Built = OnceLock<Result<PathBuf, String>>;

/// Path of an mbtool that needs no libraries, built from this workspace on first use.
pub fn mbtool_bin() -> Result<&'static Path> {
    static BUILT: Built = OnceLock::new();
    once(&BUILT, "mbtool")
}

/// Path of the program that jumps and returns (see [`crate::jump`]), built from this workspace on
/// first use.
pub fn jump_guest_bin() -> Result<&'static Path> {
    static BUILT: Built = OnceLock::new();
    once(&BUILT, "jump-guest")
}

/// Path of the program that makes pages and looks for them in a dump (see [`guest_programs::known_pages`]), built from this
/// workspace on first use.
pub fn known_pages_bin() -> Result<&'static Path> {
    static BUILT: Built = OnceLock::new();
    once(&BUILT, "known-pages")
}

/// Path of the program that makes hypercalls in dom0, built from this workspace on first use.
pub fn hypercall_guest_bin() -> Result<&'static Path> {
    static BUILT: Built = OnceLock::new();
    once(&BUILT, "hypercall-guest")
}

/// Path of the program that loads the handoff by Xen's kexec, built from this workspace on first use.
pub fn xen_guest_bin() -> Result<&'static Path> {
    static BUILT: Built = OnceLock::new();
    once(&BUILT, "xen-guest")
}

/// Path of an mbtool for another architecture, built from this workspace on first use, where
/// `cargo cross` builds it.
pub fn cross_mbtool_bin(target: CrossTarget) -> Result<PathBuf> {
    cross_bin(target, "mbtool", "mbtool")
}

/// Path of the program of [`known_pages_bin`] for another architecture, like [`cross_mbtool_bin`].
pub fn cross_known_pages_bin(target: CrossTarget) -> Result<PathBuf> {
    cross_bin(target, "guest-programs", "known-pages")
}

/// Path of the program that runs a guest by KVM (see [`crate::kvm_guest`]), for another architecture,
/// like [`cross_mbtool_bin`].
pub fn cross_kvm_monitor_bin(target: CrossTarget) -> Result<PathBuf> {
    cross_bin(target, "guest-programs", "kvm-monitor")
}

fn cross_bin(target: CrossTarget, package: &'static str, program: &'static str) -> Result<PathBuf> {
    type Known = HashMap<(&'static str, &'static str), Result<PathBuf, String>>;
    static BUILT: Mutex<Option<Known>> = Mutex::new(None);
    let mut built = BUILT.lock().ok().context("a build panicked")?;
    let build = || {
        let binary = cross_build(target, package, program);
        binary.map_err(|error| format!("{error:#}"))
    };
    built
        .get_or_insert_default()
        .entry((target.name(), program))
        .or_insert_with(build)
        .clone()
        .map_err(|error| anyhow!("{error}"))
}

fn cross_build(target: CrossTarget, package: &str, program: &str) -> Result<PathBuf> {
    let cross = Cross::new(target, &target_dir().join("cross"))?;
    let started = Instant::now();
    let binary = cross.program(package, program, PROFILE, workspace_dir())?;
    times::built(started.elapsed());
    check_static(&binary)?;
    Ok(binary)
}

fn once(built: &'static Built, name: &str) -> Result<&'static Path> {
    built
        .get_or_init(|| build(name).map_err(|error| format!("{error:#}")))
        .as_deref()
        .map_err(|error| anyhow!("{error}"))
}

fn build(name: &str) -> Result<PathBuf> {
    // a separate target directory: cargo holds a lock on the outer one while it runs these tests
    let target = target_dir().join("guest");
    fs::create_dir_all(&target)?;
    let lock = fs::File::create(target.join("mbtool.lock"))?;
    lock.lock()
        .context("cannot lock the guest target directory")?;

    let binary = target.join(TARGET).join(PROFILE).join(name);
    let hint = if binary.exists() {
        ""
    } else {
        " (the first time takes a minute or two)"
    };
    say(
        "setup",
        format_args!("building {name} for the guests{hint}"),
    );
    let started = Instant::now();
    let mut command = cargo::command();
    let output = command
        .current_dir(workspace_dir())
        // all packages each time, so that their dependencies are built once, as for the whole
        // workspace
        .args(["build", "--locked", "-p", "mbtool", "-p", "tests"])
        .args(["-p", "guest-programs"])
        .args(["--bin", name])
        .args(["--profile", PROFILE, "--target", TARGET, "--target-dir"])
        .arg(&target)
        // with --target the flags apply to the binary only, not to build
        // scripts
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static")
        .output()
        .context("cannot run cargo")?;
    times::built(started.elapsed());
    if !output.status.success() {
        bail!(
            "building {name} for the guests failed:\n{}",
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    check_static(&binary)?;
    Ok(binary)
}

/// Refuses a binary that needs libraries.
fn check_static(binary: &Path) -> Result<()> {
    let bytes = fs::read(binary).with_context(|| format!("cannot read {}", binary.display()))?;
    ensure!(
        is_static(&bytes)?,
        "{} needs a dynamic linker, which a guest does not have",
        binary.display()
    );
    Ok(())
}

fn is_static(bytes: &[u8]) -> Result<bool> {
    let file = ElfBytes::<AnyEndian>::minimal_parse(bytes)?;
    let segments = file.segments().context("no program headers")?;
    Ok(!segments.iter().any(|s| s.p_type == PT_INTERP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dynamic_and_static_binaries_are_distinguished() {
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(!is_static(&own).unwrap());
        assert!(is_static(b"#!/bin/sh").is_err());
    }
}
