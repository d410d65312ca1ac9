//! Builds parts of this workspace for another architecture.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::compiler::{CrossCompiler, compiler};
use super::libc::libc;
use super::target::CrossTarget;
use crate::cache;
use crate::cargo;
use crate::debian::output;
use crate::progress::say;

/// A compiler for one architecture, and a directory for what it builds.
#[derive(Debug)]
pub struct Cross {
    pub(super) target: CrossTarget,
    pub(super) compiler: CrossCompiler,
    /// Where cargo builds.
    pub(super) into: PathBuf,
    /// Held while this exists.
    _lock: File,
}

/// Code generation of freestanding code.
const FREESTANDING: [&str; 6] = [
    "--edition=2024",
    "-Cpanic=abort",
    "-Copt-level=2",
    "-Ccodegen-units=1",
    "-Crelocation-model=static",
    "-Cforce-unwind-tables=no",
];

/// The handoff's blob for another architecture.
#[derive(Debug)]
pub struct CrossHandoff {
    /// The flat image, as linked.
    pub image: Vec<u8>,
    /// The ELF file with symbols.
    pub elf: Vec<u8>,
    /// The probe image; empty but on arm64.
    pub probe: Vec<u8>,
}

impl Cross {
    /// Finds a compiler for `target`; results and its files go below `into`.
    ///
    /// # Errors
    ///
    /// The compiler is neither here nor can be fetched.
    pub fn new(target: CrossTarget, into: &Path) -> Result<Self> {
        fs::create_dir_all(into).with_context(|| into.display().to_string())?;
        let lock = cache::lock(&into.join(format!("{}.lock", target.name())))?;
        Ok(Self {
            target,
            compiler: compiler(target, into)?,
            into: into.to_owned(),
            _lock: lock,
        })
    }

    /// Builds mbtool of `workspace` with a profile of cargo. Returns the path of the binary, which
    /// needs no libraries.
    ///
    /// # Errors
    ///
    /// The C library cannot be fetched; cargo's error.
    pub fn mbtool(&self, profile: &str, workspace: &Path) -> Result<PathBuf> {
        self.program("mbtool", "mbtool", profile, workspace)
    }

    /// Builds a program of a package of `workspace`, as [`Self::mbtool`].
    ///
    /// # Errors
    ///
    /// The C library cannot be fetched; cargo's error.
    pub fn program(
        &self,
        package: &str,
        program: &str,
        profile: &str,
        workspace: &Path,
    ) -> Result<PathBuf> {
        let libc = libc(self.target)?;
        let name = self.target.name();
        say("setup", format_args!("building {program} for {name}"));
        let status = self
            .cargo(workspace, package, profile)
            .args(["--bin", program])
            .env("CARGO_ENCODED_RUSTFLAGS", libc.rustflags().join("\x1f"))
            .stdout(std::io::stderr())
            .status()
            .context("cannot run cargo")?;
        if !status.success() {
            bail!("building {program} for {name} failed: {status}");
        }
        Ok(self
            .into
            .join(self.target.rust_target())
            .join(profile)
            .join(program))
    }

    /// Builds the handoff of `workspace`, and returns its blob.
    ///
    /// # Errors
    ///
    /// cargo's error.
    pub fn handoff(&self, workspace: &Path) -> Result<CrossHandoff> {
        let name = self.target.name();
        say("setup", format_args!("building the handoff for {name}"));
        let built = self
            .cargo(workspace, "handoff", "dev")
            .args(["--lib", "--message-format", "json-render-diagnostics"])
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run cargo")?;
        if !built.status.success() {
            bail!("building the handoff for {name} failed: {}", built.status);
        }
        let out = out_dir(&built.stdout).context("cargo names no OUT_DIR of the handoff")?;
        let read = |name: &str| {
            let path = out.join(name);
            fs::read(&path).with_context(|| path.display().to_string())
        };
        Ok(CrossHandoff {
            image: read("handoff.bin")?,
            elf: read("handoff.elf")?,
            probe: read("probe.bin")?,
        })
    }

    /// Compiles a freestanding program and links it with a script; returns the ELF file.
    ///
    /// # Errors
    ///
    /// rustc's error.
    pub fn freestanding(&self, source: &Path, script: &Path, name: &str) -> Result<Vec<u8>> {
        self.linked(source, script, name, None)
    }

    /// As [`Self::freestanding`], with the handoff of `workspace` as a library.
    ///
    /// # Errors
    ///
    /// rustc's error.
    pub fn with_handoff(
        &self,
        source: &Path,
        script: &Path,
        name: &str,
        workspace: &Path,
    ) -> Result<Vec<u8>> {
        let library = self.into.join(format!("lib{name}_handoff.rlib"));
        let mut command = self.bare();
        command.args([
            "--crate-type=rlib",
            "--crate-name=handoff",
            "--cfg=freestanding",
            "--check-cfg=cfg(freestanding)",
        ]);
        command.env("CARGO_PKG_VERSION", env!("CARGO_PKG_VERSION"));
        let root = workspace.join("handoff/src/lib.rs");
        self.compiled(&mut command, &root, &library)?;
        self.linked(source, script, name, Some(&library))
    }

    fn linked(
        &self,
        source: &Path,
        script: &Path,
        name: &str,
        handoff: Option<&Path>,
    ) -> Result<Vec<u8>> {
        let path = self.into.join(format!("{name}.elf"));
        let flags = [
            "--crate-type=bin",
            "--crate-name=payload",
            "-Clto=fat",
            "-Clinker-flavor=ld.lld",
            "-Cdefault-linker-libraries=no",
            "-Clink-arg=--no-dynamic-linker",
            "-Clink-arg=--build-id=none",
            "-Clink-arg=--gc-sections",
        ];
        let mut command = self.bare();
        command
            .args(flags)
            .arg(format!("-Clinker={}", self.compiler.linker.display()))
            .arg(format!("-Clink-arg=-T{}", script.display()));
        if let Some(library) = handoff {
            let library = format!("handoff={}", library.display());
            command.args(["--extern", &library]);
        }
        self.compiled(&mut command, source, &path)
    }

    /// Returns a rustc command for freestanding code. Accesses on ARM are aligned: with translation off,
    /// all memory is a device.
    fn bare(&self) -> Command {
        let mut command = self.rustc();
        let features = match self.target {
            CrossTarget::Arm64 | CrossTarget::Armhf => "-Ctarget-feature=-crt-static,+strict-align",
            CrossTarget::Riscv64 => "-Ctarget-feature=-crt-static",
        };
        command.args(FREESTANDING).arg(features);
        command
    }

    /// Returns a rustc command for the target, without flags of the environment.
    pub(super) fn rustc(&self) -> Command {
        let mut command = Command::new(&self.compiler.rustc);
        command.args(["--target", self.target.rust_target()]);
        for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
            command.env_remove(name);
        }
        command
    }

    /// Lets `rustc` compile `source` to `path`; returns what it wrote.
    pub(super) fn compiled(
        &self,
        rustc: &mut Command,
        source: &Path,
        path: &Path,
    ) -> Result<Vec<u8>> {
        output(rustc.arg("-o").args([path, source]))?;
        fs::read(path).with_context(|| path.display().to_string())
    }

    /// Returns a cargo command that builds a package; its linker is `rust-lld`.
    fn cargo(&self, workspace: &Path, package: impl AsRef<OsStr>, profile: &str) -> Command {
        let name = self.target.rust_target();
        // by target: build scripts and macros are for this machine
        let linker = format!(
            "CARGO_TARGET_{}_LINKER",
            name.to_uppercase().replace('-', "_")
        );
        let mut command = cargo::command();
        command
            .current_dir(workspace)
            .args([
                "build",
                "--locked",
                "--quiet",
                "--target",
                name,
                "--package",
            ])
            .arg(package)
            .args(["--profile", profile, "--target-dir"])
            .arg(&self.into)
            .env("RUSTC", &self.compiler.rustc)
            .env(linker, &self.compiler.linker);
        command
    }
}

/// Returns the directory of the handoff's build script from cargo's messages.
fn out_dir(messages: &[u8]) -> Option<PathBuf> {
    let messages = serde_json::Deserializer::from_slice(messages).into_iter();
    let messages = messages.map_while(Result::<serde_json::Value, _>::ok);
    let of_handoff = |message: &serde_json::Value| {
        message["reason"] == "build-script-executed"
            && message["package_id"]
                .as_str()
                .is_some_and(|package| package.contains("/handoff#"))
    };
    let message = messages.into_iter().find(of_handoff)?;
    Some(PathBuf::from(message["out_dir"].as_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_that_of_the_handoff() {
        let messages = br#"
            {"reason":"build-script-executed","package_id":"registry#libc@0.2","out_dir":"/a"}
            {"reason":"build-script-executed","package_id":"path+file:///w/handoff#0.1.0","out_dir":"/b"}
            {"reason":"build-finished","success":true}"#;
        assert_eq!(out_dir(messages), Some(PathBuf::from("/b")));
        assert_eq!(out_dir(b"{}"), None);
    }
}
