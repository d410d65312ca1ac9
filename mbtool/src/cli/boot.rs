//! Options of an image to boot, for `load`, `plan`, `doctor`, `crash size`, and a crash
//! configuration.

use super::values::{self, FileWithArgs};
use crate::backend::Choice;
use crate::image::As;
use crate::request::console::{self, ConsoleSpec};
use crate::request::{BootOptions, DrillOption, ModuleKind, ModuleSpec};
use crate::sys::quantity;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, ValueEnum};
use handoff::spec;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// An image to boot.
#[derive(Debug, Args, Clone)]
pub struct BootArgs {
    /// Load as crash image, started when this kernel panics
    #[arg(short, long)]
    pub panic: bool,
    /// Type of the image
    #[arg(long = "type", value_name = "TYPE", default_value = "auto")]
    pub image_type: ImageType,
    /// Command line of the image (not of its modules); replaces that of a unified image
    #[arg(long, visible_alias = "command-line", value_name = "STRING")]
    #[arg(allow_hyphen_values = true)]
    pub cmdline: Option<String>,
    /// Parameters added to --cmdline, or to the command line of a unified image
    #[arg(long, value_name = "STRING", allow_hyphen_values = true)]
    pub append: Option<String>,
    /// Reuse the running kernel's command line
    #[arg(long)]
    pub reuse_cmdline: bool,
    /// A module and its arguments; for Xen the first one is the dom0 kernel; not supported
    /// by Linux
    #[arg(short, long, value_name = "FILE [ARGS]", value_parser = values::file_with_args)]
    pub module: Vec<FileWithArgs>,
    /// A module that is never decompressed
    #[arg(long, value_name = "FILE [ARGS]", value_parser = values::file_with_args)]
    pub module_raw: Vec<FileWithArgs>,
    /// The initrd of a Linux image; for others an additional last module. Never
    /// decompressed. Several are joined, in their order, microcode first
    #[arg(long, visible_alias = "ramdisk", value_name = "FILE")]
    pub initrd: Vec<PathBuf>,
    /// The device tree to start from, on a machine that has one [default: that of the running
    /// kernel, /sys/firmware/fdt]
    #[arg(long, value_name = "FILE")]
    pub dtb: Option<PathBuf>,
    /// Place nothing below this address
    #[arg(long, value_name = "ADDR", value_parser = quantity::address, default_value = "0x100000")]
    pub mem_min: u64,
    /// Place nothing at or above this address
    #[arg(long, value_name = "ADDR", value_parser = quantity::address)]
    pub mem_max: Option<u64>,
    /// Xen: allow BIOS calls (by default no-real-mode is added)
    #[arg(long)]
    pub real_mode: bool,
    /// Consoles of the handoff: auto, none, com1, com2, `pio:PORT[,BAUD]`,
    /// `mmio:ADDR[,stride=1|2|4|8|16][,width=8|16|32][,baud=N]`, `pci:BB:DD.F[,...]`,
    /// `debugcon[:PORT]`, `sbi` (riscv64), `pl011:ADDR` (ARM), `ramlog[:ADDR[,size=N]]`; up to four, joined by + or repeated
    #[arg(long, value_name = "CONSOLE", value_parser = console::parse, default_value = "auto")]
    #[arg(value_delimiter = '+')]
    pub console: Vec<ConsoleSpec>,
    /// Verify every segment before the jump; the handoff always verifies itself
    #[arg(long, default_value = "crc32")]
    pub verify: VerifyArg,
    /// Action after a fault [default: reset for a crash image, halt otherwise]
    #[arg(long)]
    pub on_fault: Option<OnFaultArg>,
    /// Protect the handoff's memory with debug registers: an image that overwrites it causes a
    /// dump. Use it only to debug a silent reset: a correct image may reuse that memory after it
    /// has read its boot information, if it clears DR7 before
    #[arg(long)]
    pub guard: bool,
    /// Fail deliberately, to test the console of this machine: fault-long,
    /// fault-protected (before and after the drop to 32-bit), corrupt=SEGMENT
    #[arg(long, value_name = "DRILL", value_parser = drill)]
    pub drill: Option<DrillOption>,
    /// Backend: auto, linux, xen, dir:PATH
    #[arg(long, default_value = "auto", value_parser = Choice::from_str)]
    pub backend: Choice,
    /// Load even where kexec is expected to end this VCPU: a guest of KVM on riscv64 whose kernel has
    /// no trampoline
    #[arg(long)]
    pub force: bool,
}

/// `--type`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ImageType {
    /// Detect.
    Auto,
    /// Multiboot2.
    Multiboot2,
    /// Multiboot 1.
    Multiboot,
    /// Linux: a bzImage, an ELF vmlinux, an Image (riscv64, arm64) or a zImage (32-bit ARM).
    Linux,
    /// ELF with a PVH entry (Xen ELF note 18), else a vmlinux.
    Elf,
}

/// `--verify`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VerifyArg {
    /// CRC-32 of every loaded segment.
    Crc32,
    /// SHA-256.
    Sha256,
    /// No verification.
    None,
}

/// `--on-fault`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnFaultArg {
    /// Halt.
    Halt,
    /// Reset the machine.
    Reset,
}

fn drill(text: &str) -> Result<DrillOption, String> {
    match (text, text.strip_prefix("corrupt=")) {
        ("fault-long", _) => Ok(DrillOption::FaultLong),
        ("fault-protected", _) => Ok(DrillOption::FaultProtected),
        ("no-low-memory-fix", _) => Ok(DrillOption::NoLowMemoryFix),
        ("xen-heap", _) => Ok(DrillOption::XenHeap),
        (_, Some(name)) if !name.is_empty() => Ok(DrillOption::Corrupt(name.into())),
        _ => Err("must be fault-long, fault-protected or corrupt=SEGMENT".into()),
    }
}

impl BootArgs {
    /// Converts to boot options for `image`. `matches`, of the same command line,
    /// has the order of `--module` and `--module-raw`; an initrd comes last.
    #[must_use]
    pub fn options(&self, image: &Path, matches: Option<&ArgMatches>) -> BootOptions {
        BootOptions {
            image: image.to_owned(),
            image_type: match self.image_type {
                ImageType::Auto => As::Auto,
                ImageType::Multiboot2 => As::Multiboot2,
                ImageType::Multiboot => As::Multiboot,
                ImageType::Linux => As::Linux,
                ImageType::Elf => As::Elf,
            },
            crash: self.panic,
            force: self.force,
            cmdline: self.cmdline.clone(),
            append: self.append.clone(),
            reuse_cmdline: self.reuse_cmdline,
            modules: self.modules(matches),
            dtb: self.dtb.clone(),
            mem_min: self.mem_min,
            mem_max: self.mem_max,
            real_mode: self.real_mode,
            consoles: self.console.clone(),
            verify: match self.verify {
                VerifyArg::None => spec::Verify::None,
                VerifyArg::Crc32 => spec::Verify::Crc32,
                VerifyArg::Sha256 => spec::Verify::Sha256,
            },
            on_fault: self.on_fault.map(|on_fault| match on_fault {
                OnFaultArg::Halt => spec::OnFault::Halt,
                OnFaultArg::Reset => spec::OnFault::Reset,
            }),
            guard: self.guard,
            drill: self.drill.clone(),
            backend: self.backend.clone(),
            seed: false,
        }
    }

    /// True when a module or an initrd is given.
    #[must_use]
    pub fn has_modules(&self) -> bool {
        !self.module.is_empty() || !self.module_raw.is_empty() || !self.initrd.is_empty()
    }

    fn modules(&self, matches: Option<&ArgMatches>) -> Vec<ModuleSpec> {
        let with_index = |id, files: &[FileWithArgs], kind| {
            let indices = matches.and_then(|matches| matches.indices_of(id));
            let specs = files.iter().cloned().map(move |file| ModuleSpec {
                path: file.path,
                args: file.args,
                kind,
            });
            indices.into_iter().flatten().zip(specs).collect::<Vec<_>>()
        };
        let mut all = with_index("module", &self.module, ModuleKind::Module);
        all.extend(with_index("module_raw", &self.module_raw, ModuleKind::Raw));
        all.sort_by_key(|(index, _)| *index);
        let initrd = self.initrd.iter().map(|path| ModuleSpec {
            path: path.clone(),
            args: String::new(),
            kind: ModuleKind::Initrd,
        });
        all.into_iter()
            .map(|(_, module)| module)
            .chain(initrd)
            .collect()
    }
}

/// `load.options` of a crash configuration.
#[derive(Debug, Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct ConfiguredArgs {
    #[command(flatten)]
    boot: BootArgs,
    #[arg(long)]
    dry_run: bool,
}

/// Parses `load.options` of a crash configuration: options of `mbtool load` that
/// are not keys of the configuration.
///
/// # Errors
///
/// The problem, as one sentence.
pub fn configured(options: &[String]) -> Result<BootOptions, String> {
    let matches = ConfiguredArgs::command()
        .try_get_matches_from(options)
        .map_err(|error| first_sentence(&error.to_string()))?;
    let args = ConfiguredArgs::from_arg_matches(&matches).map_err(|error| error.to_string())?;
    for (given, option, key) in [
        (args.boot.cmdline.is_some(), "--cmdline", "load.cmdline"),
        (args.boot.append.is_some(), "--append", "load.cmdline"),
        (!args.boot.initrd.is_empty(), "--initrd", "load.initrd"),
        (args.dry_run, "--dry-run", "`mbtool crash load --dry-run`"),
    ] {
        if given {
            return Err(format!("{option} is not allowed here: use {key}"));
        }
    }
    Ok(args.boot.options(Path::new(""), Some(&matches)))
}

/// Returns clap's message without its heading and hints.
fn first_sentence(text: &str) -> String {
    let text = text.trim_start_matches("error: ");
    let end = text.find("\n\n").unwrap_or(text.len());
    let words: Vec<&str> = text[..end].split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(options: &[&str]) -> Result<BootOptions, String> {
        let options: Vec<String> = options.iter().map(|&word| word.to_owned()).collect();
        configured(&options)
    }

    #[test]
    fn options_of_a_configuration_are_those_of_load() {
        let options = ["--verify", "sha256", "-m", "ucode x", "--backend=linux"];
        let options = parsed(&options).unwrap();
        assert_eq!(options.backend, Choice::Linux);
        assert_eq!(options.verify, spec::Verify::Sha256);
        let expected = ModuleSpec {
            path: "ucode".into(),
            args: "x".to_owned(),
            kind: ModuleKind::Module,
        };
        assert_eq!(options.modules, [expected]);
        let none = parsed(&[]).unwrap();
        let defaults = BootOptions::new(PathBuf::new());
        assert_eq!(format!("{none:?}"), format!("{defaults:?}"));
    }

    #[test]
    fn options_that_are_keys_are_refused() {
        for (options, says) in [
            (&["--cmdline", "x"][..], "use load.cmdline"),
            (&["--append=x"], "use load.cmdline"),
            (&["--initrd", "x"], "use load.initrd"),
            (&["--dry-run"], "crash load --dry-run"),
            (&["--colsole", "com1"], "unexpected argument '--colsole'"),
            (&["/boot/other"], "unexpected argument"),
            (&["--verify"], "--verify"),
            (&["--help"], ""),
        ] {
            let error = parsed(options).unwrap_err();
            assert!(error.contains(says), "{options:?}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
