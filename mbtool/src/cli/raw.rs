//! The command line as typed: flags without meaning.

use super::console::{self, ConsoleArg};
use super::crash::CrashVerb;
use super::values::{self, FileWithArgs};
use crate::cmd::decode::{RamLogArg, SymbolArg};
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Arg, Args, Parser, Subcommand, ValueEnum};
use handoff::addr::PhysRange;
use std::path::PathBuf;

/// Loads a Multiboot2 kernel, Xen above all, or Linux, to be started by the
/// running kernel's kexec.
#[derive(Debug, Parser)]
#[command(name = "mbtool", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Load an image, to be started by `mbtool exec`
    #[command(
        after_help = "Example:\n  mbtool load xen.gz --cmdline 'com1=115200,8n1 console=com1' \
        \\\n      --module '/boot/vmlinuz console=hvc0 root=/dev/sda1' --initrd /boot/initrd.img\n  \
        mbtool load /boot/vmlinuz --initrd /boot/initrd.img --reuse-cmdline\n  mbtool exec"
    )]
    Load(LoadArgs),
    /// Show what load would do, without touching the kernel
    #[command(
        after_help = "Example:\n  mbtool plan --json --memory-map machine.json xen.gz \
        --module vmlinuz > plan.json"
    )]
    Plan(PlanArgs),
    /// Jump into the loaded image
    #[command(
        after_help = "Example:\n  mbtool exec        orderly, through the init system\n  \
        mbtool exec -f     at once: sync and jump"
    )]
    Exec {
        /// Do not shut down first: sync and jump
        #[arg(short, long)]
        force: bool,
        /// In a Xen dom0, called by the init system at the end of its shutdown:
        /// end what still runs, then as with --force
        #[arg(long, hide = true)]
        last: bool,
    },
    /// Forget the loaded image
    #[command(after_help = "Example:\n  mbtool unload")]
    Unload {
        /// The crash image
        #[arg(short, long)]
        panic: bool,
        /// In a Xen dom0: also an image that mbtool did not load, or that it
        /// calls damaged. That can panic the host
        #[arg(long)]
        force: bool,
    },
    /// What is loaded, and what machine this is
    #[command(
        after_help = "Example:\n  mbtool status --json > machine.json   input of plan \
        --memory-map"
    )]
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Is this machine ready: what would stop a load or a crash dump, and what to do about each
    #[command(
        after_help = "IMAGE and its options are those of `load`: it is looked at as crash image, and \
        nothing is loaded.\nExit code 1: there is a problem.\n\nExample:\n  mbtool doctor\n  mbtool \
        doctor xen.gz --module '/boot/vmlinuz console=hvc0' --initrd /boot/initrd.img\n  mbtool doctor \
        --json | jq '.checks[] | select(.state == \"problem\")'"
    )]
    Doctor(DoctorArgs),
    /// Describe an image: headers, segments, what a loader must provide
    #[command(after_help = "Example:\n  mbtool inspect xen.gz")]
    Inspect {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// The file, or - for standard input
        image: PathBuf,
    },
    /// Explain the exception dumps in a serial log: ours, and those of Linux
    #[command(
        after_help = "Example:\n  mbtool decode --symbols /usr/lib/debug/boot/xen-syms-4.20-amd64 \
        serial.log\n  mbtool decode --ram-log auto\n  mbtool decode --follow /dev/ttyUSB0     set its speed with stty first"
    )]
    Decode(DecodeArgs),
    /// Crash dumps: how much memory they need, and the image for them
    #[command(
        after_help = "Example:\n  mbtool crash size /boot/vmlinuz --initrd /boot/crash.img\n  mbtool crash load      what /etc/mbtool/crash.toml names"
    )]
    Crash {
        /// What to do.
        #[command(subcommand)]
        verb: CrashVerb,
    },
}

/// `decode`
#[derive(Debug, Args)]
pub struct DecodeArgs {
    /// The log, or - for standard input
    #[arg(default_value = "-")]
    pub log: PathBuf,
    /// What was loaded: output of `plan --json`, or the directory of --backend dir; without it, what
    /// the handoff's own lines tell
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// An ELF file with symbols (xen-syms, vmlinux), and the address of its first byte in memory if
    /// that does not follow from the plan or the log
    #[arg(long, value_name = "FILE[@ADDR]", value_parser = values::symbols)]
    pub symbols: Vec<SymbolArg>,
    /// Print JSON (docs/decode-json.md); with --follow one line for each dump
    #[arg(long)]
    pub json: bool,
    /// Wait for more, and print each dump when it is complete: a growing file, a serial device, a
    /// pty, a pipe
    #[arg(long)]
    pub follow: bool,
    /// Read the log that a handoff of this machine left in memory (load --console ramlog)
    #[arg(long, value_name = "ADDR|auto", value_parser = values::ram_log, conflicts_with_all = ["follow", "log"])]
    pub ram_log: Option<RamLogArg>,
}

/// `load`
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// Options that plan has too.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Do everything but the last step
    #[arg(long)]
    pub dry_run: bool,
}

/// `plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Options that load has too.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Plan for this machine: `status --json`, `plan --json` or /proc/iomem of it
    #[arg(long, value_name = "FILE")]
    pub memory_map: Option<PathBuf>,
    /// Plan for this crash region
    #[arg(long, value_name = "START-END", value_parser = values::range)]
    pub crash_region: Option<PhysRange>,
    /// Print JSON (docs/plan-json.md)
    #[arg(long, conflicts_with = "svg")]
    pub json: bool,
    /// Draw a picture of memory
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// `doctor`
#[derive(Debug, Args)]
#[command(mut_arg("image", no_image))]
#[command(mut_arg("panic", |arg| arg.hide(true)))]
#[command(mut_arg("backend", |arg| arg.hide(true)))]
pub struct DoctorArgs {
    /// Options that load has too.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Print JSON (docs/doctor.md)
    #[arg(long)]
    pub json: bool,
}

/// Makes the image an argument that may be left out, and is an empty path then.
pub(super) fn no_image(arg: Arg) -> Arg {
    let path = OsStringValueParser::new().map(PathBuf::from);
    let arg = arg.required(false).value_parser(path);
    arg.default_value("").hide_default_value(true)
}

impl DoctorArgs {
    /// The options of the crash image, if one is named.
    #[must_use]
    pub fn image(&self) -> Option<CommonArgs> {
        let named = !self.common.image.as_os_str().is_empty();
        named.then(|| CommonArgs {
            panic: true,
            ..self.common.clone()
        })
    }
}

/// Options of `load` and `plan`.
#[derive(Debug, Args, Clone)]
pub struct CommonArgs {
    /// Load as crash image, started when this kernel panics
    #[arg(short, long)]
    pub panic: bool,
    /// What the image is
    #[arg(long = "type", value_name = "TYPE", default_value = "auto")]
    pub image_type: ImageType,
    /// Command line of the image (not of its modules)
    #[arg(
        long,
        visible_alias = "append",
        visible_alias = "command-line",
        value_name = "STRING"
    )]
    #[arg(allow_hyphen_values = true)]
    pub cmdline: Option<String>,
    /// Start with the running kernel's command line
    #[arg(long)]
    pub reuse_cmdline: bool,
    /// A module and its arguments; for Xen the first one is the dom0 kernel. Not for Linux
    #[arg(short, long, value_name = "FILE [ARGS]", value_parser = values::file_with_args)]
    pub module: Vec<FileWithArgs>,
    /// A module that is never decompressed
    #[arg(long, value_name = "FILE [ARGS]", value_parser = values::file_with_args)]
    pub module_raw: Vec<FileWithArgs>,
    /// The initrd of a Linux image; for others one more module, last. Never decompressed
    #[arg(long, visible_alias = "ramdisk", value_name = "FILE")]
    pub initrd: Option<PathBuf>,
    /// Place nothing below this address
    #[arg(long, value_name = "ADDR", value_parser = values::address, default_value = "0x100000")]
    pub mem_min: u64,
    /// Place nothing at or above this address
    #[arg(long, value_name = "ADDR", value_parser = values::address)]
    pub mem_max: Option<u64>,
    /// Xen: allow BIOS calls (by default no-real-mode is added)
    #[arg(long)]
    pub real_mode: bool,
    /// Where the handoff prints: auto, none, com1, com2, `pio:PORT[,BAUD]`,
    /// `mmio:ADDR[,stride=1|2|4|8|16][,width=8|16|32][,baud=N]`, `pci:BB:DD.F[,...]`,
    /// `debugcon[:PORT]`, `ramlog[:ADDR[,size=N]]`; up to four, joined by + or repeated
    #[arg(long, value_name = "CONSOLE", value_parser = console::parse, default_value = "auto")]
    #[arg(value_delimiter = '+')]
    pub console: Vec<ConsoleArg>,
    /// Check every segment before the jump; the handoff always checks itself
    #[arg(long, default_value = "crc32")]
    pub verify: Verify,
    /// What ends a fault [default: reset for a crash image, halt otherwise]
    #[arg(long)]
    pub on_fault: Option<OnFault>,
    /// Watch the handoff's memory with debug registers: an image that runs wild and overwrites it
    /// is dumped. For hunting a silent reset only: an image may use that memory once it has read
    /// all it was given, and must clear DR7 before
    #[arg(long)]
    pub guard: bool,
    /// Fail on purpose, to see that this machine's console shows it: fault-long,
    /// fault-protected (before and after the drop to 32-bit), corrupt=SEGMENT
    #[arg(long, value_name = "DRILL", value_parser = drill)]
    pub drill: Option<Drill>,
    /// Who takes the plan: auto, linux, xen, dir:PATH
    #[arg(long, default_value = "auto", value_parser = backend)]
    pub backend: BackendArg,
    /// The image, or - for standard input; compressed or not
    pub image: PathBuf,
    /// Give a Linux image random bytes for its generator: a load does, a plan
    /// does not, so that it is the same every time.
    #[arg(skip)]
    pub seed: bool,
}

/// `--type`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ImageType {
    /// Find out.
    Auto,
    /// Multiboot2.
    Multiboot2,
    /// Multiboot 1.
    Multiboot,
    /// Linux: a bzImage, or an ELF vmlinux.
    Linux,
    /// ELF with a PVH entry (Xen ELF note 18), else a vmlinux.
    Elf,
}

/// `--verify`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Verify {
    /// CRC-32 of every loaded segment.
    Crc32,
    /// SHA-256.
    Sha256,
    /// Nothing.
    None,
}

/// `--on-fault`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnFault {
    /// Stop for ever.
    Halt,
    /// Reset the machine.
    Reset,
}

/// `--drill`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drill {
    /// An exception in long mode.
    FaultLong,
    /// An exception after the drop to 32-bit.
    FaultProtected,
    /// One bit of this segment flipped after its checksum was taken.
    Corrupt(String),
    /// Xen without the BIOS data area that it needs: a crash in real code, to
    /// test the way from a dump to a function. Not in `--help`.
    NoLowMemoryFix,
    /// Xen as the host: data in free pages of its heap, some of which it loses.
    /// Not in `--help`.
    XenHeap,
}

fn drill(text: &str) -> Result<Drill, String> {
    match (text, text.strip_prefix("corrupt=")) {
        ("fault-long", _) => Ok(Drill::FaultLong),
        ("fault-protected", _) => Ok(Drill::FaultProtected),
        ("no-low-memory-fix", _) => Ok(Drill::NoLowMemoryFix),
        ("xen-heap", _) => Ok(Drill::XenHeap),
        (_, Some(name)) if !name.is_empty() => Ok(Drill::Corrupt(name.into())),
        _ => Err("must be fault-long, fault-protected or corrupt=SEGMENT".into()),
    }
}

/// `--backend`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendArg {
    /// Whatever this machine runs under.
    Auto,
    /// `kexec_load(2)`.
    Linux,
    /// The Xen hypercall.
    Xen,
    /// Files in a directory.
    Dir(PathBuf),
}

fn backend(text: &str) -> Result<BackendArg, String> {
    match (text, text.strip_prefix("dir:")) {
        ("auto", _) => Ok(BackendArg::Auto),
        ("linux", _) => Ok(BackendArg::Linux),
        ("xen", _) => Ok(BackendArg::Xen),
        (_, Some(path)) if !path.is_empty() => Ok(BackendArg::Dir(path.into())),
        _ => Err("must be auto, linux, xen or dir:PATH".into()),
    }
}
