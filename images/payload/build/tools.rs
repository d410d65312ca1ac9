//! rustc and its linker, called directly.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The only target with `core` in every toolchain.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Paths of tools and files.
pub struct Tools {
    rustc: PathBuf,
    linker: PathBuf,
    /// `images/payload`.
    pub sources: PathBuf,
    /// Results.
    pub out: PathBuf,
}

impl Tools {
    /// Reads cargo's environment variables, and queries rustc for its sysroot.
    pub fn from_env() -> Self {
        let var = |name: &str| {
            PathBuf::from(env::var_os(name).unwrap_or_else(|| panic!("cargo did not set {name}")))
        };
        let rustc = var("RUSTC");
        let sysroot = run(Command::new(&rustc).args(["--print", "sysroot"]));
        let host = env::var("HOST").unwrap_or_else(|_| TARGET.into());
        let linker = Path::new(sysroot.trim()).join(format!("lib/rustlib/{host}/bin/rust-lld"));
        assert!(
            linker.exists(),
            "{} does not exist: the payloads need the linker that rustup's toolchains bring",
            linker.display()
        );
        Self {
            rustc,
            linker,
            sources: var("CARGO_MANIFEST_DIR").join("payload"),
            out: var("OUT_DIR"),
        }
    }

    /// Compiles a crate into an archive of position-independent code without
    /// unwinding or a red zone. No LTO: only generic and inline code of `core`
    /// is used; other code of `core` calls through a GOT.
    pub fn archive(&self, source: &str, output: &str) -> PathBuf {
        let output = self.out.join(output);
        let flags = [
            "--crate-type=staticlib",
            "-Ccodegen-units=1",
            "-Copt-level=2",
        ];
        run(self.rustc(source, &output).args(flags));
        output
    }

    /// Compiles a crate that has only assembly into one object file.
    pub fn object(&self, source: &str, output: &str, cfgs: &[&str]) -> PathBuf {
        let output = self.out.join(output);
        let mut rustc = self.rustc(source, &output);
        rustc.args(["--crate-type=rlib", "--emit=obj"]);
        rustc.arg("--check-cfg=cfg(address)");
        rustc.arg(r#"--check-cfg=cfg(preference, values("none", "lowest", "highest"))"#);
        for cfg in cfgs {
            rustc.args(["--cfg", cfg]);
        }
        run(&mut rustc);
        output
    }

    fn rustc(&self, source: &str, output: &Path) -> Command {
        let mut rustc = Command::new(&self.rustc);
        // the caller's flags are for programs of this machine
        for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
            rustc.env_remove(name);
        }
        rustc
            .arg(self.sources.join(source))
            .arg("-o")
            .arg(output)
            .args(["--edition=2024", "--crate-name=payload", "--target", TARGET])
            .args([
                "-Cpanic=abort",
                "-Crelocation-model=pie",
                "-Cno-redzone=yes",
            ])
            .args(["-Cforce-unwind-tables=no", "-Cdebuginfo=0", "-Dunsafe_code"])
            // full RELRO makes rustc call memcpy through a GOT
            .arg("-Crelro-level=off")
            .arg(format!(
                "--remap-path-prefix={}=payload",
                self.sources.display()
            ));
        rustc
    }

    /// Links with a script of `payload/link`.
    pub fn link<I: AsRef<OsStr>>(&self, script: &str, output: &Path, args: &[I]) {
        let scripts = self.sources.join("link");
        run(Command::new(&self.linker)
            .args([
                "-flavor",
                "gnu",
                "-m",
                "elf_x86_64",
                "--gc-sections",
                "--strip-debug",
            ])
            .args([
                "--build-id=none",
                "-z",
                "norelro",
                "-z",
                "noexecstack",
                "-z",
                "text",
                "-z",
                "max-page-size=4096",
            ])
            .args([
                "--no-undefined",
                "--orphan-handling=error",
                "--fatal-warnings",
            ])
            .arg("-L")
            .arg(&scripts)
            .arg("-T")
            .arg(scripts.join(script))
            .arg("-o")
            .arg(output)
            .args(args));
    }
}

/// Runs a command; returns its standard output, or panics with all its output.
fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(
        output.status.success(),
        "{command:?}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
