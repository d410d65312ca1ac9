//! Arguments that link a static program with Debian's C library, in place of a cross gcc.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::target::CrossTarget;

/// Files and directories of a C library.
#[derive(Debug)]
pub struct CrossLibc {
    /// Root of both packages.
    root: PathBuf,
    /// Directory of `rcrt1.o` and `libc.a`.
    libc: PathBuf,
    /// Directory of `crtbeginS.o` and `libgcc.a`.
    libgcc: PathBuf,
}

/// Finds the C library of `target`.
pub fn libc(target: CrossTarget) -> Result<CrossLibc> {
    let found = target.libc().find()?;
    let root = found.root.as_deref().unwrap_or(Path::new("/"));
    let versions = root.join("usr/lib/gcc-cross").join(target.multiarch());
    let mut versions: Vec<_> = fs::read_dir(&versions)
        .with_context(|| versions.display().to_string())?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("libgcc.a").is_file())
        .collect();
    versions.sort();
    let libgcc = versions
        .pop()
        .with_context(|| format!("{} has no libgcc.a", root.display()))?;
    let libc = found.path.parent().context("libc.a has a directory")?;
    Ok(CrossLibc {
        root: root.to_owned(),
        libc: libc.to_owned(),
        libgcc,
    })
}

impl CrossLibc {
    /// Flags of rustc for a static program linked by `ld.lld`: what gcc would add by itself. It is
    /// position independent where the C library has `rcrt1.o` (not on armhf).
    pub fn rustflags(&self) -> Vec<String> {
        let object =
            |directory: &Path, name: &str| format!("-Clink-arg={}", directory.join(name).display());
        let pie = self.libc.join("rcrt1.o").is_file();
        let [first, begin, end] = match pie {
            true => ["rcrt1.o", "crtbeginS.o", "crtendS.o"],
            false => ["crt1.o", "crtbeginT.o", "crtend.o"],
        };
        let mut flags = vec![
            "-Ctarget-feature=+crt-static".to_owned(),
            "-Clinker-flavor=ld.lld".to_owned(),
            // not all of rustc's targets know static, position-independent programs
            "-Crelocation-model=pic".to_owned(),
            // libm.a of arm64 is a linker script with paths of an installed system
            format!("-Clink-arg=--sysroot={}", self.root.display()),
        ];
        if pie {
            flags.push("-Clink-arg=-pie".to_owned());
            flags.push("-Clink-arg=--no-dynamic-linker".to_owned());
        }
        for directory in [&self.libc, &self.libgcc] {
            flags.push(format!("-Lnative={}", directory.display()));
            flags.push(format!("-Clink-arg=-L{}", directory.display()));
        }
        flags.push(object(&self.libc, first));
        flags.push(object(&self.libc, "crti.o"));
        flags.push(object(&self.libgcc, begin));
        flags.extend(
            ["--start-group", "-lgcc", "-lgcc_eh", "-lc", "--end-group"]
                .map(|argument| format!("-Clink-arg={argument}")),
        );
        flags.push(object(&self.libgcc, end));
        flags.push(object(&self.libc, "crtn.o"));
        flags
    }
}
