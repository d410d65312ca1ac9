//! Object files, and rust-lld as a linker of them.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::build::Cross;
use crate::debian::output;

impl Cross {
    /// Compiles a freestanding library or program to one relocatable object, with further options of rustc.
    ///
    /// # Errors
    ///
    /// rustc's error.
    pub fn object(&self, source: &Path, name: &str, options: &[&str]) -> Result<Vec<u8>> {
        let path = self.into.join(format!("{name}.o"));
        let flags = [
            "--edition=2024",
            "--crate-name=object",
            "-Cpanic=abort",
            "-Copt-level=2",
            "-Ccodegen-units=1",
            "-Cforce-unwind-tables=no",
            "--emit=obj",
        ];
        let mut command = self.rustc();
        self.compiled(command.args(flags).args(options), source, &path)
    }

    /// Links an object by a linker script, without relaxation, as it is written there: addresses may overlap, strings
    /// are not merged. Returns the ELF file.
    ///
    /// # Errors
    ///
    /// rust-lld's error.
    pub fn link(&self, object: &[u8], script: &str, name: &str) -> Result<Vec<u8>> {
        let path = |end: &str| self.into.join(format!("{name}-linked.{end}"));
        let (from, by, to) = (path("o"), path("ld"), path("elf"));
        for (path, bytes) in [(&from, object), (&by, script.as_bytes())] {
            fs::write(path, bytes).with_context(|| path.display().to_string())?;
        }
        let mut command = Command::new(&self.compiler.linker);
        command
            .args(["-flavor", "gnu", "-static", "--no-relax", "-O0"])
            .args(["--no-check-sections", "--build-id=none", "-T"])
            .args([by.as_os_str(), "-o".as_ref(), to.as_os_str()])
            .arg(&from);
        output(&mut command)?;
        fs::read(&to).with_context(|| to.display().to_string())
    }
}
